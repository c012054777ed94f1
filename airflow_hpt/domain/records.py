"""Frozen snapshots of tuning jobs and training jobs, and how training jobs rank.

Times are aware UTC datetimes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from operator import itemgetter

from airflow_hpt.domain.spec import TuningSpec
from airflow_hpt.domain.states import TrainingState, TuningState


class StopCause(StrEnum):
    """Why a training job was asked to stop."""

    USER = "user"
    MEDIAN_RULE = "median rule"
    HYPERBAND = "hyperband"
    TUNING_ENDED = "tuning ended"


@dataclass(frozen=True, slots=True)
class Transition:
    """One entry of a training job's `SecondaryStatusTransitions`."""

    status: str
    started_at: datetime
    ended_at: datetime | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """A training job of a tuning job.

    `tuned` are the tunable hyperparameters as wire texts. `history` lists every emission of the objective in order
    (single precision); the last one is the final objective.
    """

    name: str
    tuning_job: str
    index: int  # from 1, in the order of claims
    definition: str | None
    tuned: Mapping[str, str]
    state: TrainingState
    created_at: datetime
    modified_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    history: tuple[float, ...] = ()
    failure_reason: str | None = None
    is_retryable: bool = False  # failed by a fault of the platform, not of the user's code
    attempt: int = 1
    stop_cause: StopCause | None = None
    transitions: tuple[Transition, ...] = ()

    @property
    def objective(self) -> float | None:
        """Return the final objective; None while running, after a failure, or when the metric never appeared."""
        usable = self.state in (TrainingState.COMPLETED, TrainingState.STOPPED) and self.history
        return self.history[-1] if usable else None


@dataclass(frozen=True, slots=True)
class TuningJob:
    """A tuning job."""

    spec: TuningSpec
    state: TuningState
    created_at: datetime
    modified_at: datetime
    seed: int  # the request's RandomSeed, or one drawn when the job was created
    ended_at: datetime | None = None
    failure_reason: str | None = None
    converged_at: datetime | None = None
    not_improving: int = 0  # training jobs in a row, up to the last one that ended, that did not improve the best
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return the name of the tuning job."""
        return self.spec.name


def best(trainings: Iterable[TrainingJob], *, maximize: bool) -> TrainingJob | None:
    """Return the training job with the best final objective, the earlier one on a tie; None when none has one."""
    scored = [(training.objective, training) for training in trainings if training.objective is not None]
    choose = max if maximize else min  # both keep the first of equals
    return choose(scored, key=itemgetter(0), default=(None, None))[1]
