"""The operator that starts a tuning job from what earlier ones have learnt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import Asset

from airflow_hpt.assets import published_jobs
from airflow_hpt.hooks.identity import TaskIdentity
from airflow_hpt.hooks.parents import MOST_PARENTS
from airflow_hpt.hooks.policies import OnNoParents, ParentsPolicy
from airflow_hpt.operators.tuning import TuningJobOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class WarmStartTuningJobOperator(TuningJobOperator):
    """Runs a tuning job that learns from one to five earlier ones; takes all arguments of `TuningJobOperator` too.

    :param parents: names of tuning jobs, results of tasks that ran them, a list of both, `latest(lineage)`, or a
        `tuning_asset(lineage)` for the tuning jobs in its latest events; the preferred ones first (templated)
    :param config: the request; left out, it is that of the first parent (templated)
    :param overrides: what differs from `config` or from the first parent's request: members are merged one by one,
        ranges and channels by name, and None takes a member out (templated)
    :param warm_start_type: `IdenticalDataAndAlgorithm` (same data and image: the parents' training jobs count as this
        job's own), `TransferLearning` (new data or a new version of the algorithm), or `auto` to find out (templated)
    :param parents_policy: `fail` on a parent that breaks a rule, or `drop` it and log why
    :param on_no_parents: `fail` without a usable parent, or start `cold`
    :param narrow_ranges: cut every numeric range to this share (above 0, at most 1) around the parents' best values
    :param data_fingerprint: as for `TuningJobOperator`; where `auto` has to choose the type the data is read in any
        case, and taken for changed if it cannot be
    """

    template_fields: Sequence[str] = (*TuningJobOperator.template_fields, "parents", "overrides", "warm_start_type")
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **TuningJobOperator.template_fields_renderers,
        "overrides": "json",
    }

    def __init__(
        self,
        *,
        parents: Any,
        config: Any = None,
        overrides: Any = None,
        warm_start_type: str = "auto",
        parents_policy: str = ParentsPolicy.FAIL,
        on_no_parents: str = OnNoParents.FAIL,
        narrow_ranges: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(config=config, **kwargs)
        self.parents = parents
        self.overrides = overrides
        self.warm_start_type = warm_start_type
        self.parents_policy = ParentsPolicy(parents_policy)
        self.on_no_parents = OnNoParents(on_no_parents)
        self.narrow_ranges = narrow_ranges
        if isinstance(parents, Asset):
            self.inlets = [*self.inlets, parents]  # Airflow hands the events of inlets only
        if narrow_ranges is not None and not 0 < narrow_ranges <= 1:
            raise ValueError(
                f"narrow_ranges is the share of a range to keep, above 0 and at most 1; not {narrow_ranges}."
            )

    def request(self, context: Context) -> dict[str, Any]:
        """Return the request with its parents, checked against every rule that is known."""
        from airflow_hpt.hooks.warm_start import Wish, warm_request

        wish = Wish(
            config=self.config,
            overrides=self.overrides,
            parents=self._parents(context),
            warm_start_type=self.warm_start_type,
            parents_policy=self.parents_policy,
            on_no_parents=self.on_no_parents,
            narrow_ranges=self.narrow_ranges,
            data_fingerprint=self.data_fingerprint,
            own_tags=TaskIdentity.of(context["ti"]).tags(),
        )
        return warm_request(self.hook, wish)

    def _parents(self, context: Context) -> Any:
        if isinstance(self.parents, Asset):
            return published_jobs(context, self.parents, limit=MOST_PARENTS)
        return self.parents
