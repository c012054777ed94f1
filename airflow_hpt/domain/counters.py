"""The counters that Describe and List show, as dictionaries of the API."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

from airflow_hpt.domain.records import TrainingJob
from airflow_hpt.domain.states import TrainingState


class Outcome(NamedTuple):
    """What the counters tell training jobs apart by."""

    state: TrainingState
    is_retryable: bool
    has_objective: bool


Tally: TypeAlias = Mapping[Outcome, int]


def tally(trainings: Iterable[TrainingJob]) -> Tally:
    """Count training jobs by outcome."""
    return Counter(map(_outcome, trainings))


def training_counters(counts: Tally) -> dict[str, int]:
    """Return TrainingJobStatusCounters; training jobs stopped early count as Stopped."""
    names = ("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped")
    return {name: sum(n for outcome, n in counts.items() if _status(outcome) == name) for name in names}


def objective_counters(counts: Tally) -> dict[str, int]:
    """Return ObjectiveStatusCounters."""
    names = ("Succeeded", "Pending", "Failed")
    return {name: sum(n for outcome, n in counts.items() if _objective_status(outcome) == name) for name in names}


def objective_status(training: TrainingJob) -> str:
    """Return a training job's ObjectiveStatus: one that ended without its metric is Failed, whatever its own status."""
    return _objective_status(_outcome(training))


def _outcome(training: TrainingJob) -> Outcome:
    return Outcome(training.state, training.is_retryable, training.objective is not None)


def _objective_status(outcome: Outcome) -> str:
    if outcome.state.is_live:
        return "Pending"
    return "Succeeded" if outcome.has_objective else "Failed"


def _status(outcome: Outcome) -> str:
    if outcome.state.is_live:
        return "InProgress"
    if outcome.state is TrainingState.FAILED:
        return "RetryableError" if outcome.is_retryable else "NonRetryableError"
    return outcome.state.value
