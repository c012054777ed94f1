"""Unforeseen errors, counted per job: a passing fault is retried with growing pauses, a lasting one ends the job."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from airflow_hpt.domain.planner import Action, MoveTuning, StopTraining
from airflow_hpt.domain.records import StopCause, TrainingJob, TuningJob
from airflow_hpt.domain.states import TrainingState, TuningEvent, TuningState

FAULT_LIMIT = 5
FIRST_PAUSE = timedelta(seconds=0.2)


@dataclass(frozen=True, slots=True)
class Fault:
    """Errors in a row on one job, and when to try it again."""

    count: int
    retry_at: datetime
    error: Exception


class Faults:
    """The jobs that are in trouble, by name."""

    def __init__(self) -> None:
        self._faults: dict[str, Fault] = {}

    def note(self, name: str, error: Exception, *, now: datetime) -> None:
        """Count one more error on a job."""
        count = self._faults[name].count + 1 if name in self._faults else 1
        self._faults[name] = Fault(count, now + FIRST_PAUSE * 2 ** min(count, FAULT_LIMIT), error)

    def clear(self, name: str) -> None:
        """Forget the errors of a job that works again, or has ended."""
        self._faults.pop(name, None)

    def is_pausing(self, name: str, *, now: datetime) -> bool:
        """Say whether a job should be left alone for now."""
        return name in self._faults and now < self._faults[name].retry_at

    def lasting(self, name: str) -> Exception | None:
        """Return the last error of a job that failed too often to go on."""
        fault = self._faults.get(name)
        return fault.error if fault and fault.count >= FAULT_LIMIT else None


def internal_error(error: Exception) -> str:
    """Return the failure reason of a job that an unforeseen error ended."""
    return f"InternalServerError: the local service could not go on with this job: {type(error).__name__}: {error}"


def abandon(job: TuningJob, trainings: Sequence[TrainingJob], reason: str) -> list[Action]:
    """Return the actions that end a tuning job which keeps failing for an unforeseen reason."""
    live = [each for each in trainings if each.state.is_live]
    if live:
        return [
            StopTraining(each.name, StopCause.TUNING_ENDED, reason)
            for each in live
            if each.state is not TrainingState.STOPPING
        ]
    if job.state is TuningState.STOPPING:
        return [MoveTuning(TuningEvent.CHILDREN_GONE)]
    return [MoveTuning(TuningEvent.FAILED, reason)]
