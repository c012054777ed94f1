"""Every decision on a running tuning job, as a pure function; the engine carries the actions out.

A plan depends on nothing but stored facts and the time. So a plan made again after a crash comes to the same end: a
claimed training job counts as started, one that was asked to stop is not asked again, and an ending once begun (some
training job was stopped because of it) is carried through, whatever the training jobs still print.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from airflow_hpt.domain.records import StopCause, TrainingJob, TuningJob
from airflow_hpt.domain.sharing import share_starts
from airflow_hpt.domain.spec import TuningSpec
from airflow_hpt.domain.states import TrainingState, TuningEvent, TuningState
from airflow_hpt.domain.stopping import (
    Progress,
    hyperband_rule,
    in_order_of_end,
    measure_progress,
    median_rule,
    reaches,
)

FAILED_ATTEMPTS = 5
VALIDATION_ERROR = "ValidationError"  # how the failure reason of a training job begins that could not even start
DETAILS = (
    "For additional details, please take a look at the training job failures by listing training jobs for the "
    "hyperparameter tuning job."
)


@dataclass(frozen=True, slots=True)
class StartTraining:
    """Claim and start one more training job of a definition (None for a single one)."""

    definition: str | None


@dataclass(frozen=True, slots=True)
class StopTraining:
    """Ask a training job to stop."""

    name: str
    cause: StopCause
    why: str


@dataclass(frozen=True, slots=True)
class MoveTuning:
    """Move the tuning job to another state."""

    event: TuningEvent
    failure_reason: str | None = None


@dataclass(frozen=True, slots=True)
class NoteConvergence:
    """Record when the tuning job converged."""

    at: datetime


Action: TypeAlias = StartTraining | StopTraining | MoveTuning | NoteConvergence


def plan(job: TuningJob, trainings: Sequence[TrainingJob], now: datetime, *, exhausted: bool = False) -> list[Action]:
    """Say what should happen next to `job`; do none of it.

    `exhausted` says that no untried configuration is left.
    """
    if job.state.is_terminal:
        return []
    live = [each for each in trainings if each.state.is_live]
    if job.state is TuningState.STOPPING:
        return _stop_all(live, StopCause.USER, "The tuning job was stopped.") or _once_idle(
            live, MoveTuning(TuningEvent.CHILDREN_GONE)
        )
    progress = measure_progress(job.spec, trainings)
    notes: list[Action] = []
    if progress.converged_at and job.converged_at is None:
        notes.append(NoteConvergence(progress.converged_at))
    if why := _failure(trainings) or _ending(job, trainings, progress, now):
        stops = _stop_all(live, StopCause.TUNING_ENDED, why)
        return notes + (stops or _once_idle(live, _close(trainings)))
    room = 0 if exhausted else min(job.spec.limits.parallel - len(live), job.spec.limits.total - len(trainings))
    starts = [StartTraining(name) for name in share_starts(job.spec, trainings, room)]
    if not live and not starts:
        return [*notes, _close(trainings)]
    return [*notes, *_early_stops(job, trainings), *starts]


def _stop_all(live: Sequence[TrainingJob], cause: StopCause, why: str) -> list[Action]:
    return [StopTraining(each.name, cause, why) for each in live if each.state is not TrainingState.STOPPING]


def _once_idle(live: Sequence[TrainingJob], move: MoveTuning) -> list[Action]:
    return [] if live else [move]


def _close(trainings: Sequence[TrainingJob]) -> MoveTuning:
    """Return how the tuning job ends: as Failed when training jobs failed and none succeeded."""
    if reason := _failure(trainings):
        return MoveTuning(TuningEvent.FAILED, reason)
    failures = _failures_before_success(trainings)
    if failures and not any(map(_succeeded, trainings)):
        return MoveTuning(TuningEvent.FAILED, _no_success(failures))
    return MoveTuning(TuningEvent.FINISHED)


def _failure(trainings: Sequence[TrainingJob]) -> str | None:
    """Return why the tuning job fails before its budget is used up, or None."""
    failed = [each for each in trainings if each.state is TrainingState.FAILED]
    if any((each.failure_reason or "").startswith(VALIDATION_ERROR) for each in failed):
        return f"One or more training jobs failed with {VALIDATION_ERROR}. {DETAILS}"
    if _failures_before_success(trainings) >= FAILED_ATTEMPTS:
        return _no_success(FAILED_ATTEMPTS)
    return None


def _no_success(attempts: int) -> str:
    return f"No training job succeeded after {attempts} attempts. {DETAILS}"


def _failures_before_success(trainings: Sequence[TrainingJob]) -> int:
    count = 0
    for training in in_order_of_end(trainings):
        if _succeeded(training):
            break
        count += training.state is TrainingState.FAILED
    return count


def _succeeded(training: TrainingJob) -> bool:
    return training.state is TrainingState.COMPLETED or training.objective is not None


def _ending(job: TuningJob, trainings: Sequence[TrainingJob], progress: Progress, now: datetime) -> str | None:
    """Return why the tuning job ends before its budget is used up, or None."""
    criteria, runtime = job.spec.completion, job.spec.limits.runtime_seconds
    if any(each.stop_cause is StopCause.TUNING_ENDED for each in trainings):
        return "The tuning job is ending."
    if any(_is_on_target(job, each) for each in trainings):
        return f"A training job reached the target {criteria.target:g}."
    if criteria.not_improving is not None and progress.longest_stall >= criteria.not_improving:
        return f"{criteria.not_improving} training jobs in a row did not improve the best objective by 1 %."
    if criteria.on_convergence and progress.converged_at:
        return "The tuning job has converged."
    if runtime is not None and (now - job.created_at).total_seconds() >= runtime:
        return f"The tuning job has run for its MaxRuntimeInSeconds, {runtime}."
    return None


def _is_on_target(job: TuningJob, training: TrainingJob) -> bool:
    target, value = job.spec.completion.target, training.objective
    if target is None or value is None:
        return False
    return reaches(value, target, maximize=job.spec.definition(training.definition).objective.maximize)


def _early_stops(job: TuningJob, trainings: Sequence[TrainingJob]) -> list[Action]:
    running = [each for each in trainings if each.state is TrainingState.RUNNING]
    judged = [(each.name, *_judge(job.spec, each, trainings)) for each in running]
    return [StopTraining(name, cause, why) for name, cause, why in judged if why]


def _judge(spec: TuningSpec, training: TrainingJob, trainings: Sequence[TrainingJob]) -> tuple[StopCause, str | None]:
    """Return which rule judges a training job, and why it should stop, or None."""
    history, maximize = training.history, spec.definition(training.definition).objective.maximize
    if spec.resources:
        rivals = [each.history for each in trainings if each.definition == training.definition and each is not training]
        return StopCause.HYPERBAND, hyperband_rule(history, rivals, resources=spec.resources, maximize=maximize)
    peers = [each.history for each in trainings if each.objective is not None] if spec.early_stopping else []
    return StopCause.MEDIAN_RULE, median_rule(history, peers, maximize=maximize)
