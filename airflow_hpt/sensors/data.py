"""The sensor that waits until training data has been refreshed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_hpt._compat import airflow_error, defers_by_default, without_retries
from airflow_hpt.assets import publish
from airflow_hpt.domain.fingerprint import EXAMPLES
from airflow_hpt.errors import InvalidRequest
from airflow_hpt.hooks.faults import PASSING
from airflow_hpt.hooks.refresh import WATCHING, OnEmpty, OnNoBaseline, RefreshWatch, fingerprint_in

if TYPE_CHECKING:
    from airflow.sdk import Context


class DataRefreshSensor(BaseSensorOperator):
    """Waits until data differs from what was last tuned on and has come to rest; returns a report of the change.

    The report is flat JSON: `data_fingerprint`, `objects`, `bytes` of the data now; `baseline_fingerprint`,
    `baseline_objects`, `baseline_bytes`; `change` (`first` if there was no baseline, or `changed`) and a `summary` in
    words; for `added`, `changed` and `removed` some paths, with `added_objects`, `added_bytes` and so on (all None if
    no listing of the baseline is known); `last_modified`, `seen_at`, `reported_at`; `inputs`, `lineage`.

    :param inputs: what to watch: locations by channel name as `tuning_job_config` takes them, a list of locations or
        one; `s3://bucket/prefix` or `file:///folder` (templated)
    :param lineage: compare with the fingerprint that the latest tuning job of this series is tagged with (templated)
    :param baseline: compare with this fingerprint, or that of a tuning result or refresh report, instead (templated)
    :param listings: location to keep listings in; without it, what was added, changed and removed is known only for
        changes that happen while the sensor waits (templated)
    :param quiet_seconds: how long the data must stay as it is before it is reported
    :param min_objects: do not report changes of fewer objects
    :param min_bytes: do not report changes of fewer bytes
    :param min_fraction: do not report changes of a smaller part of the baseline's bytes
    :param on_empty: what to do while there is nothing in a location: `wait`, `report` its objects as removed, `fail`
    :param on_no_baseline: what to do when there is nothing to compare with: `report` all data as added, `wait` for it
        to change from what it is now, `fail`
    :param examples: how many paths to report of what was added, changed and removed each
    :param aws_conn_id: connection of type `aws`; None uses boto3's default chain (templated)
    :param region_name: overrides the connection's region (templated)
    :param verify: whether, or with which certificates, to verify TLS (templated)
    :param botocore_config: keyword arguments of `botocore.config.Config`
    :param deferrable: wait in the triggerer instead of a worker slot
    """

    template_fields: Sequence[str] = (
        "inputs",
        "lineage",
        "baseline",
        "listings",
        "aws_conn_id",
        "region_name",
        "verify",
    )
    ui_color = "#e6f4ea"

    def __init__(
        self,
        *,
        inputs: Any,
        lineage: str | None = None,
        baseline: Any = None,
        listings: str | None = None,
        quiet_seconds: float = 60,
        min_objects: int = 0,
        min_bytes: int = 0,
        min_fraction: float = 0,
        on_empty: str = OnEmpty.WAIT,
        on_no_baseline: str = OnNoBaseline.REPORT,
        examples: int = EXAMPLES,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        deferrable: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.inputs = inputs
        self.lineage = lineage
        self.baseline = baseline
        self.listings = listings
        self.quiet_seconds = quiet_seconds
        self.min_objects = min_objects
        self.min_bytes = min_bytes
        self.min_fraction = min_fraction
        self.on_empty = str(OnEmpty(on_empty))
        self.on_no_baseline = str(OnNoBaseline(on_no_baseline))
        self.examples = examples
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config
        self.deferrable = defers_by_default() if deferrable is None else deferrable

    @cached_property
    def watch(self) -> RefreshWatch:
        """Return the watch on this task's rendered fields."""
        if self.reschedule and self.on_no_baseline == OnNoBaseline.WAIT and not self.deferrable:
            raise InvalidRequest(
                "on_no_baseline='wait' needs a sensor that remembers what it saw first, and with mode='reschedule' it"
                " forgets; defer it, or give lineage or baseline."
            )
        return RefreshWatch(self)

    def execute(self, context: Context) -> dict[str, Any]:
        """Wait for the refresh."""
        with without_retries():
            if self.deferrable:
                self._defer()
            return self._publish(context, super().execute(context))

    def poke(self, context: Context) -> PokeReturnValue:
        """Look at the data, and if it has changed look again after the quiet period."""
        report = None
        try:
            if refresh := self.watch.look():
                time.sleep(self.quiet_seconds)
                report = self.watch.confirm(refresh)
        except PASSING as fault:
            self.watch.hook.sit_out(fault)
            self.log.warning("%s Looking again later.", fault)
        return PokeReturnValue(report is not None, report)

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the triggerer has seen."""
        if problem := event.get("problem"):
            raise airflow_error("AirflowException")(problem)
        return self._publish(context, dict(event))

    def _defer(self) -> NoReturn:
        from airflow_hpt.triggers.data import DataRefreshed

        baseline = fingerprint_in(self.baseline)  # of a whole tuning result nothing else is needed
        trigger = DataRefreshed(
            **{name: getattr(self, name) for name in WATCHING if name != "baseline"},
            baseline=str(baseline) if baseline else None,
            quiet_seconds=self.quiet_seconds,
            poll_seconds=self.poke_interval,
            once=True,
        )
        self.defer(trigger=trigger, method_name="execute_complete", timeout=timedelta(seconds=self.timeout))
        raise AssertionError("defer() does not return")

    def _publish(self, context: Context, report: dict[str, Any]) -> dict[str, Any]:
        publish(context, self.outlets, report)
        return report
