"""The states of tuning jobs and training jobs, and every legal move between them.

The tables are the rule: code looks moves up here, and the store's schema repeats the names of the states.
"""

from collections.abc import Mapping
from enum import StrEnum

from airflow_hpt.errors import IllegalTransition


class TuningState(StrEnum):
    """States of a tuning job; the values are the API's `HyperParameterTuningJobStatus`."""

    IN_PROGRESS = "InProgress"
    STOPPING = "Stopping"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"

    @property
    def is_terminal(self) -> bool:
        """Say whether nothing more can happen to the tuning job."""
        return self in (TuningState.COMPLETED, TuningState.FAILED, TuningState.STOPPED)


class TuningEvent(StrEnum):
    """What can happen to a tuning job."""

    FINISHED = "finished"
    FAILED = "failed"
    STOP_ASKED = "stop asked"
    CHILDREN_GONE = "children gone"


class TrainingState(StrEnum):
    """States of a training job. A claimed one is promised (and counted) but has no process yet."""

    CLAIMED = "Claimed"
    RUNNING = "Running"
    STOPPING = "Stopping"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"

    @property
    def is_live(self) -> bool:
        """Say whether the training job holds, or will hold, a slot."""
        return self in (TrainingState.CLAIMED, TrainingState.RUNNING, TrainingState.STOPPING)

    @property
    def status(self) -> str:
        """Return the API's `TrainingJobStatus`."""
        return "InProgress" if self in (TrainingState.CLAIMED, TrainingState.RUNNING) else self.value


class TrainingEvent(StrEnum):
    """What can happen to a training job."""

    SPAWNED = "spawned"
    STOP_ASKED = "stop asked"
    EXITED_OK = "exited ok"
    EXITED_BAD = "exited bad"
    WAS_STOPPED = "was stopped"  # by a limit of its own, e.g. MaxRuntimeInSeconds
    WILL_RETRY = "will retry"  # lost to an internal fault, with attempts left


_T, _U = TrainingState, TrainingEvent

TRAINING_MOVES: Mapping[tuple[TrainingState, TrainingEvent], TrainingState] = {
    (_T.CLAIMED, _U.SPAWNED): _T.RUNNING,
    (_T.CLAIMED, _U.STOP_ASKED): _T.STOPPED,
    (_T.CLAIMED, _U.EXITED_BAD): _T.FAILED,
    (_T.RUNNING, _U.EXITED_OK): _T.COMPLETED,
    (_T.RUNNING, _U.EXITED_BAD): _T.FAILED,
    (_T.RUNNING, _U.WAS_STOPPED): _T.STOPPED,
    (_T.RUNNING, _U.WILL_RETRY): _T.CLAIMED,
    (_T.RUNNING, _U.STOP_ASKED): _T.STOPPING,
    (_T.STOPPING, _U.EXITED_OK): _T.COMPLETED,  # it ended by itself before the signal reached it
    (_T.STOPPING, _U.EXITED_BAD): _T.STOPPED,
    (_T.STOPPING, _U.WAS_STOPPED): _T.STOPPED,
    (_T.STOPPING, _U.STOP_ASKED): _T.STOPPING,
}

TUNING_MOVES: Mapping[tuple[TuningState, TuningEvent], TuningState] = {
    (TuningState.IN_PROGRESS, TuningEvent.FINISHED): TuningState.COMPLETED,
    (TuningState.IN_PROGRESS, TuningEvent.FAILED): TuningState.FAILED,
    (TuningState.IN_PROGRESS, TuningEvent.STOP_ASKED): TuningState.STOPPING,
    (TuningState.STOPPING, TuningEvent.CHILDREN_GONE): TuningState.STOPPED,
}


def advance_training(state: TrainingState, event: TrainingEvent) -> TrainingState:
    """Return the state that a training job enters when `event` happens to it."""
    try:
        return TRAINING_MOVES[state, event]
    except KeyError:
        raise IllegalTransition(state, event, [e for s, e in TRAINING_MOVES if s is state]) from None


def advance_tuning(state: TuningState, event: TuningEvent) -> TuningState:
    """Return the state that a tuning job enters when `event` happens to it."""
    try:
        return TUNING_MOVES[state, event]
    except KeyError:
        raise IllegalTransition(state, event, [e for s, e in TUNING_MOVES if s is state]) from None
