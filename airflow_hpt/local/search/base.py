"""What the engine asks of a search strategy: values in, values out, no database and no process.

A searcher is a pure function of its `Problem`: equal problems give equal suggestions, whatever happened in between, so
the service may compute a suggestion ahead of time, twice, or after a restart.
"""

from dataclasses import dataclass
from typing import Protocol

from airflow_hpt.domain.space import Hyperparameters, Space, Value


@dataclass(frozen=True, slots=True)
class Observation:
    """One finished training job: what it ran with, and its final objective.

    `objective` is None when the training job failed or never printed its metric. `hyperparameters` may hold more names
    than the space (a parent's, or static ones that are tunable now) and values outside its ranges.
    """

    hyperparameters: Hyperparameters
    objective: float | None


@dataclass(frozen=True, slots=True)
class Parent:
    """The training jobs of one parent tuning job, oldest first."""

    name: str
    observations: tuple[Observation, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """Everything a suggestion may depend on.

    `index` counts the training jobs claimed so far (0 for the first suggestion). `pending` are the hyperparameters of
    training jobs that have not finished. `parents` are newest first; with `same_task` their objectives are values of
    the very function that is tuned now (IdenticalDataAndAlgorithm), else of related ones (TransferLearning).
    """

    space: Space
    maximize: bool
    seed: int
    index: int
    observations: tuple[Observation, ...] = ()
    pending: tuple[Hyperparameters, ...] = ()
    parents: tuple[Parent, ...] = ()
    same_task: bool = False


class Searcher(Protocol):
    """A search strategy."""

    def suggest(self, problem: Problem) -> dict[str, Value]:
        """Return the next configuration to train, typed and within the ranges.

        On a finite space no configuration is suggested twice (nor one that is pending, nor, with `same_task`, one that
        a parent ran); raise `SpaceExhausted` when none is left.
        """
        ...
