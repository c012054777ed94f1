"""The frozen description of a CreateHyperParameterTuningJob request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from airflow_hpt.domain.space import Space

OBJECTIVE_HYPERPARAMETER = "_tuning_objective_metric"
OBJECTIVE_METRIC = "ObjectiveMetric"  # under this name the service records the objective a second time


class Strategy(StrEnum):
    """How configurations are chosen; the values are the API's."""

    BAYESIAN = "Bayesian"
    RANDOM = "Random"
    GRID = "Grid"
    HYPERBAND = "Hyperband"


class WarmStartType(StrEnum):
    """What the parents have in common with the new tuning job; the values are the API's."""

    IDENTICAL = "IdenticalDataAndAlgorithm"
    TRANSFER = "TransferLearning"


class ObjectiveType(StrEnum):
    """Which way an objective is better; the values are the API's."""

    MAXIMIZE = "Maximize"
    MINIMIZE = "Minimize"


class Switch(StrEnum):
    """A choice that is on or off; the values are the API's."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"


@dataclass(frozen=True, slots=True)
class Objective:
    """The metric that a tuning job optimises."""

    metric: str
    maximize: bool

    @property
    def kind(self) -> ObjectiveType:
        """Return the API's type of the objective."""
        return ObjectiveType.MAXIMIZE if self.maximize else ObjectiveType.MINIMIZE


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """A metric and the regular expression whose first group captures its value in a log line."""

    name: str
    regex: str


@dataclass(frozen=True, slots=True)
class TrainingSpec:
    """One training job definition: what is tuned, what is fixed, and the definition as the request gave it."""

    name: str | None  # None for the single definition of a job without `TrainingJobDefinitions`
    objective: Objective
    space: Space
    static: Mapping[str, str]  # as given, without the injected objective metric
    definition: Mapping[str, Any]  # the API's HyperParameterTrainingJobDefinition, untouched
    metrics: tuple[MetricDefinition, ...] = ()  # the image's own and the request's, without `ObjectiveMetric`


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a tuning job may use."""

    parallel: int
    total: int
    runtime_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """When a tuning job ends before its budget is used up."""

    target: float | None = None
    not_improving: int | None = None
    on_convergence: bool = False


@dataclass(frozen=True, slots=True)
class WarmStart:
    """The parents of a tuning job, in the order of the request."""

    parents: tuple[str, ...]
    kind: WarmStartType


@dataclass(frozen=True, slots=True)
class TuningSpec:
    """A tuning job as asked for, every rule that needs no other job checked."""

    name: str
    strategy: Strategy
    definitions: tuple[TrainingSpec, ...]
    limits: Limits
    completion: Completion = Completion()
    early_stopping: bool = False
    resources: tuple[int, int] | None = None  # Hyperband's MinResource and MaxResource, in emissions of the objective
    warm_start: WarmStart | None = None
    seed: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)  # the request untouched, for echoing

    @property
    def is_multiple(self) -> bool:
        """Say whether the request used `TrainingJobDefinitions`."""
        return self.definitions[0].name is not None

    def definition(self, name: str | None) -> TrainingSpec:
        """Return the training job definition called `name` (None for a single one)."""
        return next(each for each in self.definitions if each.name == name)
