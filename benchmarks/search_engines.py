"""What the search benchmarks compare: every engine as a generator of configurations that is told their objectives."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from airflow_hpt.domain.space import Hyperparameters, Space, Value
from airflow_hpt.domain.spec import Strategy
from airflow_hpt.local.search import searcher_for
from airflow_hpt.local.search.base import Observation, Parent, Problem


class Engine(Protocol):
    """One tuning job of one engine; objectives are minimised."""

    def ask(self) -> Hyperparameters: ...

    def tell(self, hyperparameters: Hyperparameters, objective: float) -> None: ...


@dataclass(frozen=True)
class Setting:
    """What an engine may know before its first training job."""

    space: Space
    seed: int
    parents: tuple[Parent, ...] = ()
    same_task: bool = False


@dataclass(frozen=True)
class Trace:
    """What an engine ran, what came out, and how long each suggestion took."""

    observations: tuple[Observation, ...]
    seconds: tuple[float, ...]


class Ours:
    """A searcher of this package."""

    def __init__(self, setting: Setting, *, strategy: Strategy = Strategy.BAYESIAN) -> None:
        self.setting, self.searcher = setting, searcher_for(strategy)
        self.observations: list[Observation] = []

    def learn(self, observations: Sequence[Observation]) -> None:
        """Take `observations` for training jobs that have run."""
        self.observations.extend(observations)

    def ask(self) -> dict[str, Value]:
        return self.searcher.suggest(
            Problem(
                space=self.setting.space,
                maximize=False,
                seed=self.setting.seed,
                index=len(self.observations),
                observations=tuple(self.observations),
                parents=self.setting.parents,
                same_task=self.setting.same_task,
            )
        )

    def tell(self, hyperparameters: Hyperparameters, objective: float) -> None:
        self.observations.append(Observation(hyperparameters, objective))


def random_search(setting: Setting) -> Engine:
    return Ours(setting, strategy=Strategy.RANDOM)


def raced(engine: Engine, objective: Callable[[Hyperparameters], float], jobs: int) -> Trace:
    """Run `jobs` training jobs one after the other."""
    observations: list[Observation] = []
    seconds: list[float] = []
    for _ in range(jobs):
        start = time.perf_counter()
        hyperparameters = engine.ask()
        seconds.append(time.perf_counter() - start)
        value = objective(hyperparameters)
        engine.tell(hyperparameters, value)
        observations.append(Observation(hyperparameters, value))
    return Trace(tuple(observations), tuple(seconds))
