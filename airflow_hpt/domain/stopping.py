"""When training jobs stop early, and when a tuning job has seen enough: functions of the history of the objective.

One emission of the objective is one epoch, or one unit of Hyperband's resource.

- Median rule: SageMaker's guide to early stopping; Golovin et al., "Google Vizier", KDD 2017, section 3.2.2. A value
  is compared with the median of the running averages of other training jobs up to the same epoch. Only those that
  went on beyond the epoch count, so an algorithm that emits once is never stopped.
- Hyperband: AWS does not publish its algorithm. This is ASHA in its stopping form (Li et al., "A System for Massively
  Parallel Hyperparameter Tuning", MLSys 2020): rungs at MinResource * 3^k, where the best third may go on. A rung is
  judged again as later training jobs reach it. MaxResource is passed, not only reached, before a training job is
  stopped for it, so that one that ends there by itself still writes its model.
- Progress: SageMaker's guide calls a training job improving when it beats the best one before it by 1 % or more.
  AWS does not publish its detector of convergence; here a tuning job has converged after a run of training jobs that
  do not improve, at least 10 and at least two per tunable hyperparameter.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean, median

from airflow_hpt.domain.records import TrainingJob
from airflow_hpt.domain.spec import Objective, TuningSpec

MEDIAN_PEERS = 3
REDUCTION = 3
IMPROVEMENT = 0.01
CONVERGENCE_JOBS = 10
CONVERGENCE_JOBS_PER_HYPERPARAMETER = 2

History = Sequence[float]


@dataclass(frozen=True, slots=True)
class Progress:
    """How the best objective of a tuning job came along, training job by training job in the order of their ends."""

    not_improving: int = 0  # training jobs since the last improvement
    longest_stall: int = 0
    converged_at: datetime | None = None


def median_rule(history: History, peers: Iterable[History], *, maximize: bool) -> str | None:
    """Return why a training job should stop by the median rule, or None; `peers` are those that ended."""
    epoch = len(history)
    averages = [fmean(peer[:epoch]) for peer in peers if len(peer) > epoch > 0]
    if len(averages) < MEDIAN_PEERS:
        return None
    middle = median(averages)
    if not _is_better(middle, history[-1], maximize=maximize):
        return None
    return (
        f"The objective at epoch {epoch} is {history[-1]:g}, worse than {middle:g}, the median of the running averages "
        f"of {len(averages)} training jobs up to that epoch."
    )


def hyperband_rule(
    history: History, rivals: Iterable[History], *, resources: tuple[int, int], maximize: bool
) -> str | None:
    """Return why a training job should stop under Hyperband, or None; `rivals` are all the other training jobs."""
    least, most = resources
    if len(history) > most:
        return f"The training job has used more than MaxResource, {most}."
    rung = max((each for each in rungs(least, most) if each <= len(history)), default=None)
    if rung is None:
        return None
    values = [rival[rung - 1] for rival in rivals if len(rival) >= rung]
    field = len(values) + 1
    ahead = sum(_is_better(value, history[rung - 1], maximize=maximize) for value in values)
    if field < REDUCTION or ahead < math.ceil(field / REDUCTION):
        return None
    return f"{ahead} of {field} training jobs were better at {rung} units of resource; the best third may go on."


def rungs(least: int, most: int) -> Iterator[int]:
    """Yield the amounts of resource at which Hyperband judges training jobs."""
    while least < most:
        yield least
        least *= REDUCTION


def measure_progress(spec: TuningSpec, trainings: Iterable[TrainingJob]) -> Progress:
    """Return how far the tuning job has come; training jobs without an objective neither help nor harm."""
    tunables = sum(len(each.space.ranges) for each in spec.definitions)
    patience = max(CONVERGENCE_JOBS, CONVERGENCE_JOBS_PER_HYPERPARAMETER * tunables)
    bests: dict[Objective, float] = {}  # definitions may pursue different objectives
    stall, longest, converged_at = 0, 0, None
    for training in in_order_of_end(trainings):
        value, objective = training.objective, spec.definition(training.definition).objective
        if value is None:
            continue
        best = bests.get(objective)
        stall = 0 if best is None or _improves(value, best, maximize=objective.maximize) else stall + 1
        longest = max(longest, stall)
        if stall == patience and converged_at is None:
            converged_at = ended_at(training)
        if best is None or _is_better(value, best, maximize=objective.maximize):
            bests[objective] = value
    return Progress(stall, longest, converged_at)


def in_order_of_end(trainings: Iterable[TrainingJob]) -> list[TrainingJob]:
    """Return the training jobs that ended, first to last."""
    return sorted((each for each in trainings if not each.state.is_live), key=lambda each: (ended_at(each), each.index))


def ended_at(training: TrainingJob) -> datetime:
    """Return when a training job ended."""
    return training.ended_at or training.modified_at


def reaches(value: float, target: float, *, maximize: bool) -> bool:
    """Say whether an objective is as good as the target."""
    return value >= target if maximize else value <= target


def _is_better(value: float, other: float, *, maximize: bool) -> bool:
    return value > other if maximize else value < other


def _improves(value: float, best: float, *, maximize: bool) -> bool:
    gain = value - best if maximize else best - value
    return gain > 0 and gain >= IMPROVEMENT * abs(best)
