"""The operations of the API, one function each: a checked request in, an answer out.

Operations read the store and record wishes in it; the engine, which they wake, moves the states.
"""

from collections.abc import Callable, Mapping

from airflow_hpt.local.service.operations.context import Answer, Context, Request
from airflow_hpt.local.service.operations.listing import (
    list_training_jobs,
    list_tuned_training_jobs,
    list_tuning_jobs,
)
from airflow_hpt.local.service.operations.search import search
from airflow_hpt.local.service.operations.tags import add_tags, delete_tags, list_tags
from airflow_hpt.local.service.operations.training import describe_training_job, stop_training_job
from airflow_hpt.local.service.operations.tuning import (
    create_tuning_job,
    delete_tuning_job,
    describe_tuning_job,
    stop_tuning_job,
)

OPERATIONS: Mapping[str, Callable[[Context, Request], Answer | None]] = {
    "CreateHyperParameterTuningJob": create_tuning_job,
    "DescribeHyperParameterTuningJob": describe_tuning_job,
    "ListHyperParameterTuningJobs": list_tuning_jobs,
    "StopHyperParameterTuningJob": stop_tuning_job,
    "DeleteHyperParameterTuningJob": delete_tuning_job,
    "ListTrainingJobsForHyperParameterTuningJob": list_tuned_training_jobs,
    "DescribeTrainingJob": describe_training_job,
    "ListTrainingJobs": list_training_jobs,
    "StopTrainingJob": stop_training_job,
    "AddTags": add_tags,
    "ListTags": list_tags,
    "DeleteTags": delete_tags,
    "Search": search,
}


class Operations:
    """Carries out calls by the names of the operations; safe to use from several threads."""

    names = frozenset(OPERATIONS)

    def __init__(self, context: Context) -> None:
        self._context = context

    def call(self, operation: str, request: Request) -> Answer | None:
        """Carry out one call; what cannot be done is refused with a RequestRefused."""
        return OPERATIONS[operation](self._context, request)
