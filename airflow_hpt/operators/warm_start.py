"""The operator that starts a tuning job from what earlier ones have learnt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_hpt.hooks.parents import job_names, warm_start_type
from airflow_hpt.operators.tuning import TuningJobOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class WarmStartTuningJobOperator(TuningJobOperator):
    """Runs a tuning job that learns from one to five earlier ones; takes all arguments of `TuningJobOperator` too.

    :param parents: names of tuning jobs, results of tasks that ran them, or a list of both (templated)
    :param warm_start_type: `IdenticalDataAndAlgorithm` (same data and image: the parents' training jobs count as this
        job's own) or `TransferLearning` (new data or a new version of the algorithm) (templated)
    """

    template_fields: Sequence[str] = (*TuningJobOperator.template_fields, "parents", "warm_start_type")

    def __init__(self, *, parents: Any, warm_start_type: str = "TransferLearning", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.parents = parents
        self.warm_start_type = warm_start_type

    def request(self, context: Context) -> dict[str, Any]:
        """Return the request with its parents."""
        names = job_names(self.parents, parameter="parents")
        return {
            **super().request(context),
            "WarmStartConfig": {
                "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": name} for name in names],
                "WarmStartType": str(warm_start_type(self.warm_start_type)),
            },
        }
