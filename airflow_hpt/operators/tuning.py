"""The operator that runs a tuning job; the warm start builds on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.sdk import BaseOperator

from airflow_hpt._compat import airflow_error, defers_by_default, was_ended_by_a_user, without_retries
from airflow_hpt.assets import publish, refuse_loops
from airflow_hpt.errors import TuningJobTimedOut, TuningJobUnsuccessful
from airflow_hpt.hooks.adoption import Order, ensure_job, stop_predecessors
from airflow_hpt.hooks.data_tags import fingerprint_of, with_fingerprint
from airflow_hpt.hooks.identity import TaskIdentity, digest, text
from airflow_hpt.hooks.outcome import check
from airflow_hpt.hooks.policies import StopOnKill, Stopped
from airflow_hpt.hooks.progress import is_terminal
from airflow_hpt.hooks.requests import check_request, mapping, typed_request
from airflow_hpt.hooks.result import tuning_result
from airflow_hpt.hooks.telemetry import span
from airflow_hpt.hooks.tuning import TuningHook
from airflow_hpt.lineage import operator_lineage
from airflow_hpt.links import LINKS, push_link

if TYPE_CHECKING:
    from airflow.sdk import Context

LONGEST_TUNING_JOB = timedelta(days=30)  # SageMaker ends a tuning job by then
JOB_NAME_XCOM = "job_name"
LEAST_DEFERRAL_SECONDS = 15  # one that times out earlier can be taken for a lost task, see triggers.tuning.RACE_SECONDS
KILL_SECONDS = 4.0  # a killed task process has five seconds left


class TuningJobOperator(BaseOperator):
    """Runs a hyperparameter tuning job; a retry takes over the job that an earlier try has started.

    :param config: a CreateHyperParameterTuningJob request; see also `airflow_hpt.tuning_job_config` (templated)
    :param name_prefix: what the job's name starts with, the task's id by default (templated)
    :param lineage: the series of tuning jobs that this one belongs to, the DAG's id by default; warm starts find their
        parents by it (templated)
    :param data_fingerprint: what identifies the input data, for later warm starts and refresh sensors: the report of a
        `DataRefreshSensor`, or `auto` to read the data of the request (templated)
    :param aws_conn_id: connection of type `aws`; None uses boto3's default chain (templated)
    :param region_name: overrides the connection's region (templated)
    :param verify: whether, or with which certificates, to verify TLS (templated)
    :param botocore_config: keyword arguments of `botocore.config.Config`
    :param wait_for_completion: False ends the task as soon as the job exists
    :param check_interval: seconds between two looks at the job
    :param max_ingestion_time: seconds that the job may take; then it is stopped and the task fails
    :param deferrable: wait in the triggerer instead of a worker slot
    :param stopped: what a stopped tuning job means: `fail`, `succeed`, or `succeed_if_best` training job exists
    :param stop_on_timeout: False leaves the tuning job running when the task has waited too long
    :param stop_on_kill: who stops the job by ending this task: a `user` who marks it or clears it, `always` (a worker
        that is shut down or cut off, too), or `never`
    """

    template_fields: Sequence[str] = (
        "config",
        "name_prefix",
        "lineage",
        "data_fingerprint",
        "aws_conn_id",
        "region_name",
        "verify",
    )
    # Airflow shows 4096 characters of a field, and every part of one that is named here as a field of its own.
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "config": "json",
        "config.HyperParameterTuningJobConfig": "json",
        "config.TrainingJobDefinition": "json",
        "config.TrainingJobDefinition.Environment": "json",
        "config.TrainingJobDefinition.InputDataConfig": "json",
        "config.TrainingJobDefinition.StaticHyperParameters": "json",
        "config.TrainingJobDefinitions": "json",
    }
    operator_extra_links = LINKS
    ui_color = "#e8f0fe"
    parents: Any = None  # a warm start has some

    def __init__(
        self,
        *,
        config: Any,
        name_prefix: str | None = None,
        lineage: str | None = None,
        data_fingerprint: Any = None,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        wait_for_completion: bool = True,
        check_interval: float = 30,
        max_ingestion_time: float | None = None,
        deferrable: bool | None = None,
        stopped: str = Stopped.FAIL,
        stop_on_timeout: bool = True,
        stop_on_kill: str = StopOnKill.USER,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.config = config
        self.name_prefix = name_prefix
        self.lineage = lineage
        self.data_fingerprint = data_fingerprint
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config
        self.wait_for_completion = wait_for_completion
        self.check_interval = check_interval
        self.max_ingestion_time = max_ingestion_time
        self.deferrable = defers_by_default() if deferrable is None else deferrable
        self.stopped = Stopped(stopped)
        self.stop_on_timeout = stop_on_timeout
        self.stop_on_kill = StopOnKill(stop_on_kill)
        self._job: tuple[str, Any] | None = None
        self._description: Mapping[str, Any] | None = None
        self._result: dict[str, Any] | None = None

    @cached_property
    def hook(self) -> TuningHook:
        """Return the hook on this task's connection."""
        return TuningHook.of(self)

    def execute(self, context: Context) -> dict[str, Any]:
        """Create the tuning job or take over an earlier try's, and wait for it unless told otherwise."""
        refuse_loops(context, self.outlets)
        with without_retries():
            order = self.order(context)
            with span("submit", generation=order.identity.generation) as opened:
                if self.stop_on_kill is not StopOnKill.NEVER:
                    stop_predecessors(self.hook, order)
                name = ensure_job(self.hook, order)
                opened.set_attribute("hpt.tuning_job", name)
        self._announce(context, name)
        return self._settle(context, name)

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> dict[str, Any]:
        """Go on after the triggerer has seen the tuning job end, or has given up on it."""
        job_name = event["job_name"]
        if problem := event.get("problem"):
            raise TuningJobUnsuccessful(
                f"{problem} The wait for tuning job {job_name} is over; the job itself goes on."
            )
        self._announce(context, job_name)
        return self._settle(context, job_name)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Stop the tuning job when the wait in the triggerer has timed out, then fail."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except airflow_error("TaskDeferralTimeout") as error:
            ti = context["ti"]
            name = ti.xcom_pull(task_ids=self.task_id, key=JOB_NAME_XCOM, map_indexes=ti.map_index)
            raise self._timed_out(name) from error

    def on_kill(self) -> None:
        """Stop the tuning job if whatever ends this task is meant to end the job too."""
        # In a thread, because this runs inside a signal handler that may have interrupted the very client it uses.
        stopper = threading.Thread(target=self._stop_if_killed, daemon=True)
        stopper.start()
        stopper.join(KILL_SECONDS)

    def _stop_if_killed(self) -> None:
        if self._job is None or self.stop_on_kill is StopOnKill.NEVER:
            return
        name, ti = self._job
        if self.stop_on_kill is StopOnKill.ALWAYS or was_ended_by_a_user(ti):
            self.hook.stop(name)
            self.log.info("Stopped tuning job %s together with its task.", name)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Return data in, parents in and model out, for Airflow's OpenLineage provider; after a failure too."""
        if self._description is None:
            return None
        result = self._result or tuning_result(self.hook, self._description)
        return operator_lineage(self._description, result, task=self)

    def order(self, context: Context) -> Order:
        """Return what to ask for, from the rendered fields; nothing is started."""
        ti = context["ti"]
        config = mapping(self.config, "config") if self.config else {}
        return Order(
            build=lambda: self.request(context),
            asked=digest(*(getattr(self, field) for field in self.template_fields)),
            identity=TaskIdentity.of(ti),
            prefix=text(self.name_prefix, "name_prefix") or self.task_id.rpartition(".")[2],
            fixed_name=config.get("HyperParameterTuningJobName"),
            lineage=text(self.lineage, "lineage") or ti.dag_id,
            stopped=self.stopped,
        )

    def request(self, context: Context) -> dict[str, Any]:
        """Return the request in the API's types, checked against every rule that is known."""
        request = typed_request(self.hook, self.config)
        check_request(request)
        return with_fingerprint(request, fingerprint_of(self.hook, self.data_fingerprint, request))

    def _announce(self, context: Context, name: str) -> None:
        """Say at once, on every path, which tuning job this is: to `on_kill`, to other tasks and to the task's page."""
        self._job = name, context["ti"]
        context["ti"].xcom_push(key=JOB_NAME_XCOM, value=name)
        push_link(context["ti"], name, self.hook)

    def _settle(self, context: Context, name: str) -> dict[str, Any]:
        self._description = description = self.hook.describe(name)
        if self.wait_for_completion and not is_terminal(description):
            seconds = self._seconds_left(description)
            if seconds <= 0:
                raise self._timed_out(name)
            if self.deferrable:
                self._defer(name, seconds)
            self._description = description = self._wait(name, seconds)
        if is_terminal(description):
            check(self.hook, description, self.stopped)
        with span("result", tuning_job=name, status=description["HyperParameterTuningJobStatus"]):
            self._result = tuning_result(self.hook, description)
        publish(context, self.outlets, self._result)
        return self._result

    def _seconds_left(self, description: Mapping[str, Any]) -> float:
        allowed = self.max_ingestion_time or LONGEST_TUNING_JOB.total_seconds()
        left: float = allowed - (time.time() - description["CreationTime"].timestamp())
        # Airflow does not enforce execution_timeout while a task is deferred.
        return min(left, self.execution_timeout.total_seconds()) if self.execution_timeout else left

    def _defer(self, name: str, seconds: float) -> NoReturn:
        from airflow_hpt.triggers.tuning import TuningJobFinished

        self.defer(
            trigger=TuningJobFinished(
                name,
                aws_conn_id=self.aws_conn_id,
                region_name=self.region_name,
                verify=self.verify,
                botocore_config=self.botocore_config,
                poll_seconds=self.check_interval,
                stop_on_kill=self.stop_on_kill is not StopOnKill.NEVER,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=max(seconds, LEAST_DEFERRAL_SECONDS)),
        )
        raise AssertionError("defer() does not return")

    def _wait(self, name: str, seconds: float) -> dict[str, Any]:
        try:
            with span("wait", tuning_job=name):
                return self.hook.wait(name, poll_seconds=self.check_interval, seconds=seconds)
        except TuningJobTimedOut as error:
            raise self._timed_out(name) from error
        except airflow_error("AirflowTaskTimeout"):
            self.log.error("%s", self._timed_out(name))
            raise

    def _timed_out(self, name: str) -> TuningJobTimedOut:
        if not self.stop_on_timeout:
            return TuningJobTimedOut(f"The wait for tuning job {name} has timed out; the job goes on.")
        self.hook.stop(name)
        return TuningJobTimedOut(f"Tuning job {name} took longer than it may and has been stopped.")
