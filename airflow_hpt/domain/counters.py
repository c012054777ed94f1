"""The counters that Describe and List show, as dictionaries of the API."""

from collections import Counter
from collections.abc import Sequence

from airflow_hpt.domain.records import TrainingJob
from airflow_hpt.domain.states import TrainingState


def training_counters(trainings: Sequence[TrainingJob]) -> dict[str, int]:
    """Return TrainingJobStatusCounters; training jobs stopped early count as Stopped."""
    count = Counter(map(_status, trainings))
    return {name: count[name] for name in ("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped")}


def objective_counters(trainings: Sequence[TrainingJob]) -> dict[str, int]:
    """Return ObjectiveStatusCounters."""
    count = Counter(map(objective_status, trainings))
    return {name: count[name] for name in ("Succeeded", "Pending", "Failed")}


def objective_status(training: TrainingJob) -> str:
    """Return a training job's ObjectiveStatus: one that ended without its metric is Failed, whatever its own status."""
    if training.state.is_live:
        return "Pending"
    return "Failed" if training.objective is None else "Succeeded"


def _status(training: TrainingJob) -> str:
    if training.state.is_live:
        return "InProgress"
    if training.state is TrainingState.FAILED:
        return "RetryableError" if training.is_retryable else "NonRetryableError"
    return training.state.value
