"""What the pages show: frozen values, taken from the answers of the tuning API."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_hpt.hooks.identity import LINEAGE_TAG, TAG_PREFIX
from airflow_hpt.hooks.outcome import maximizes
from airflow_hpt.hooks.progress import is_terminal
from airflow_hpt.hooks.result import typed_hyperparameters

DAG_TAG, RUN_TAG, TASK_TAG, MAP_INDEX_TAG = (f"{TAG_PREFIX}{name}" for name in ("dag", "run", "task", "map-index"))
UNMAPPED = -1


@dataclass(frozen=True, slots=True)
class Owner:
    """The task that started a tuning job, as its tags say."""

    dag: str
    run: str
    task: str
    map_index: int

    @classmethod
    def of(cls, tags: Mapping[str, str]) -> Owner | None:
        """Return the owner that tags name; None if this package has not set them."""
        if DAG_TAG not in tags:
            return None
        index = tags.get(MAP_INDEX_TAG, "")
        mapped = int(index) if index.isdecimal() else UNMAPPED
        return cls(tags[DAG_TAG], tags.get(RUN_TAG, ""), tags.get(TASK_TAG, ""), mapped)


@dataclass(frozen=True, slots=True)
class Counters:
    """Training jobs by what became of them."""

    completed: int
    running: int
    stopped: int
    failed: int

    @property
    def ended(self) -> int:
        """Return how many have come to an end."""
        return self.completed + self.stopped + self.failed


@dataclass(frozen=True, slots=True)
class TuningJob:
    """A tuning job in a list. `objective` is that of its best training job."""

    name: str
    status: str
    is_live: bool
    owner: Owner
    lineage: str
    strategy: str
    created_at: datetime
    ended_at: datetime | None
    counters: Counters
    budget: int | None
    metric: str | None
    objective: float | None
    maximize: bool
    warm_start_type: str | None
    parents: tuple[str, ...]

    @classmethod
    def of(cls, description: Mapping[str, Any], tags: Mapping[str, str]) -> TuningJob | None:
        """Return a described or found tuning job; None if this package has not started it."""
        owner = Owner.of(tags)
        if owner is None:
            return None
        config = description["HyperParameterTuningJobConfig"]
        best = description.get("BestTrainingJob") or {}
        metric, objective = objective_of(best)
        warm = description.get("WarmStartConfig") or {}
        return cls(
            name=description["HyperParameterTuningJobName"],
            status=description["HyperParameterTuningJobStatus"],
            is_live=not is_terminal(description),
            owner=owner,
            lineage=tags.get(LINEAGE_TAG, owner.dag),
            strategy=config["Strategy"],
            created_at=description["CreationTime"],
            ended_at=description.get("HyperParameterTuningEndTime"),
            counters=_counters(description.get("TrainingJobStatusCounters") or {}),
            budget=config.get("ResourceLimits", {}).get("MaxNumberOfTrainingJobs"),
            metric=metric,
            objective=objective,
            maximize=maximizes(description, best),
            warm_start_type=warm.get("WarmStartType"),
            parents=tuple(
                each["HyperParameterTuningJobName"] for each in warm.get("ParentHyperParameterTuningJobs", ())
            ),
        )


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """A training job of a tuning job; `number` counts them from 1 in the order of their creation."""

    name: str
    number: int
    definition: str | None
    status: str
    objective: float | None
    hyperparameters: Mapping[str, Any]
    started_at: datetime | None
    ended_at: datetime | None
    failure_reason: str | None


@dataclass(frozen=True, slots=True)
class Parent:
    """A tuning job that another one learnt from; what it found is None for one that is gone or was not ours."""

    name: str
    job: TuningJob | None


@dataclass(frozen=True, slots=True)
class Range:
    """A tuned hyperparameter. Marks are the places, from 0 to 1, of all values that were tried and of the best one."""

    name: str
    definition: str | None
    kind: str
    text: str
    scaling: str
    tried: tuple[float, ...]
    best: float | None
    is_best_at_an_end: bool  # so that a wider range may hold a better value


@dataclass(frozen=True, slots=True)
class JobReport:
    """Everything about one tuning job. `result` is the flat result that tasks return."""

    job: TuningJob
    result: Mapping[str, Any]
    trainings: tuple[TrainingJob, ...]
    parents: tuple[Parent, ...]
    ranges: tuple[Range, ...]
    settings: Mapping[str, str]
    tags: Mapping[str, str]
    failure_reason: str | None
    console_url: str | None


def objective_of(training: Mapping[str, Any]) -> tuple[str | None, float | None]:
    """Return name and value of a training job's final objective; no value unless it is a finite number."""
    metric = training.get("FinalHyperParameterTuningJobObjectiveMetric") or {}
    value = metric.get("Value")
    return metric.get("MetricName"), float(value) if value is not None and math.isfinite(value) else None


def training_jobs(description: Mapping[str, Any], summaries: Sequence[Mapping[str, Any]]) -> tuple[TrainingJob, ...]:
    """Return the training jobs of a described tuning job, the oldest first."""
    ordered = sorted(summaries, key=lambda each: (each["CreationTime"], each["TrainingJobName"]))
    return tuple(_training(description, each, number) for number, each in enumerate(ordered, 1))


def ranked(trainings: Sequence[TrainingJob], *, maximize: bool) -> list[TrainingJob]:
    """Return training jobs with the best first and those without an objective last."""
    sign = -1 if maximize else 1
    return sorted(trainings, key=lambda each: (each.objective is None, sign * (each.objective or 0), each.number))


def _training(description: Mapping[str, Any], summary: Mapping[str, Any], number: int) -> TrainingJob:
    return TrainingJob(
        name=summary["TrainingJobName"],
        number=number,
        definition=summary.get("TrainingJobDefinitionName"),
        status=summary["TrainingJobStatus"],
        objective=objective_of(summary)[1],
        hyperparameters=typed_hyperparameters(description, summary),
        started_at=summary.get("TrainingStartTime"),
        ended_at=summary.get("TrainingEndTime"),
        failure_reason=summary.get("FailureReason"),
    )


def _counters(counts: Mapping[str, int]) -> Counters:
    return Counters(
        completed=counts.get("Completed", 0),
        running=counts.get("InProgress", 0),
        stopped=counts.get("Stopped", 0),
        failed=counts.get("RetryableError", 0) + counts.get("NonRetryableError", 0),
    )
