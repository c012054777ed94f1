"""The sensor that waits for a tuning job which something else has started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_hpt._compat import defers_by_default, without_retries
from airflow_hpt.errors import NotFound, TuningJobUnsuccessful
from airflow_hpt.hooks.faults import PASSING
from airflow_hpt.hooks.outcome import check, check_reached, has_reached
from airflow_hpt.hooks.parents import job_name
from airflow_hpt.hooks.policies import Stopped
from airflow_hpt.hooks.progress import Watch
from airflow_hpt.hooks.result import tuning_result
from airflow_hpt.hooks.tuning import TuningHook
from airflow_hpt.links import LINKS, push_link

if TYPE_CHECKING:
    from airflow.sdk import Context


class TuningJobSensor(BaseSensorOperator):
    """Waits until a tuning job has ended and returns its result; a job that does not exist yet is waited for.

    :param job_name: name of the tuning job, or the result of the task that started it (templated)
    :param target_objective: wait only until a training job is this good; fail if the tuning job ends before that
    :param stopped: what a stopped tuning job means: `fail`, `succeed`, or `succeed_if_best` training job exists
    :param deferrable: wait in the triggerer instead of a worker slot
    :param aws_conn_id: connection of type `aws`; None uses boto3's default chain (templated)
    :param region_name: overrides the connection's region (templated)
    :param verify: whether, or with which certificates, to verify TLS (templated)
    :param botocore_config: keyword arguments of `botocore.config.Config`
    """

    template_fields: Sequence[str] = ("job_name", "aws_conn_id", "region_name", "verify")
    operator_extra_links = LINKS
    ui_color = "#e6f4ea"

    def __init__(
        self,
        *,
        job_name: Any,
        target_objective: float | None = None,
        stopped: str = Stopped.FAIL,
        deferrable: bool | None = None,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job_name = job_name
        self.target_objective = target_objective
        self.stopped = Stopped(stopped)
        self.deferrable = defers_by_default() if deferrable is None else deferrable
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config

    @cached_property
    def hook(self) -> TuningHook:
        """Return the hook on this task's connection."""
        return TuningHook.of(self)

    @cached_property
    def _watch(self) -> Watch:
        return Watch(job_name(self.job_name), self.poke_interval)

    def execute(self, context: Context) -> Any:
        """Wait in the way that was asked for."""
        with without_retries():
            name = job_name(self.job_name)
            push_link(context["ti"], name, self.hook)
        if not self.deferrable:
            return super().execute(context)
        if seen := self.poke(context):
            return seen.xcom_value
        return self._defer(name)

    def poke(self, context: Context) -> PokeReturnValue:
        """Look at the tuning job once."""
        try:
            description = self.hook.describe(self._watch.name)
        except PASSING as error:
            self.hook.sit_out(error)
            self.log.warning("%s", self._watch.missed(error))
            return PokeReturnValue(False)
        except NotFound:
            self.log.info("There is no tuning job %s yet.", self._watch.name)
            return PokeReturnValue(False)
        if line := self._watch.saw(description):
            self.log.info("%s", line)
        if self._watch.ending is None and not self._has_reached(description):
            return PokeReturnValue(False)
        return PokeReturnValue(True, self._result(description))

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> dict[str, Any]:
        """Go on after the triggerer has seen the tuning job end, or has given up on it."""
        if problem := event.get("problem"):
            raise TuningJobUnsuccessful(f"{problem} The wait for tuning job {event['job_name']} is over.")
        description = self.hook.describe(event["job_name"])
        push_link(context["ti"], event["job_name"], self.hook)
        return self._result(description)

    def _has_reached(self, description: Mapping[str, Any]) -> bool:
        return self.target_objective is not None and has_reached(description, self.target_objective)

    def _result(self, description: Mapping[str, Any]) -> dict[str, Any]:
        if not self._has_reached(description):
            check(self.hook, description, self.stopped)
            if self.target_objective is not None:
                check_reached(description, self.target_objective)
        return tuning_result(self.hook, description)

    def _defer(self, name: str) -> None:
        from airflow_hpt.triggers.tuning import TuningJobFinished

        self.defer(
            trigger=TuningJobFinished(
                name,
                aws_conn_id=self.aws_conn_id,
                region_name=self.region_name,
                verify=self.verify,
                botocore_config=self.botocore_config,
                poll_seconds=self.poke_interval,
                wait_until_created=True,
                target_objective=self.target_objective,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout),
        )
