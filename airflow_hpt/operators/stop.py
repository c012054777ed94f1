"""The operator that stops a tuning job and keeps what it has found."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_hpt._compat import without_retries
from airflow_hpt.hooks.parents import job_name
from airflow_hpt.hooks.result import tuning_result
from airflow_hpt.hooks.tuning import TuningHook
from airflow_hpt.links import LINKS, push_link

if TYPE_CHECKING:
    from airflow.sdk import Context


class StopTuningJobOperator(BaseOperator):
    """Stops a tuning job and returns its result so far; one that has ended already is left as it is.

    :param job_name: name of the tuning job, or the result of the task that started it (templated)
    :param wait_for_completion: False ends the task while the training jobs are still being stopped
    :param check_interval: seconds between two looks at the job
    :param aws_conn_id: connection of type `aws`; None uses boto3's default chain (templated)
    :param region_name: overrides the connection's region (templated)
    :param verify: whether, or with which certificates, to verify TLS (templated)
    :param botocore_config: keyword arguments of `botocore.config.Config`
    """

    template_fields: Sequence[str] = ("job_name", "aws_conn_id", "region_name", "verify")
    operator_extra_links = LINKS
    ui_color = "#fce8e6"

    def __init__(
        self,
        *,
        job_name: Any,
        wait_for_completion: bool = True,
        check_interval: float = 10,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job_name = job_name
        self.wait_for_completion = wait_for_completion
        self.check_interval = check_interval
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config

    @cached_property
    def hook(self) -> TuningHook:
        """Return the hook on this task's connection."""
        return TuningHook.of(self)

    def execute(self, context: Context) -> dict[str, Any]:
        """Stop the tuning job and wait until its training jobs have ended."""
        with without_retries():
            name = job_name(self.job_name)
            push_link(context["ti"], name, self.hook)
        if not self.hook.stop(name):
            self.log.info("Tuning job %s had ended, or was being stopped, already.", name)
        if self.wait_for_completion:
            return tuning_result(self.hook, self.hook.wait(name, poll_seconds=self.check_interval))
        return tuning_result(self.hook, self.hook.describe(name))
