"""The situations that the search benchmark puts engines in: cold, and with parents of several kinds."""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from search_engines import Ours, Setting, Trace, raced
from yahpo import Target, Task

from airflow_hpt.domain.space import CategoricalRange, ContinuousRange, IntegerRange, Range, Space
from airflow_hpt.local.search.base import Observation, Parent

TARGETS = Path(__file__).with_name("search_targets.json")
PARENT_SIZES = (50, 40, 30, 50, 40)  # training jobs of the first, second, ... parent


@dataclass(frozen=True)
class Kind:
    """One situation: how many training jobs, and what kind of parents."""

    name: str
    jobs: int = 25
    relatives: int = 0  # parents on other data sets
    own: int = 0  # training jobs of a parent on the same data set
    is_small: bool = False  # that parent trained on less
    is_negated: bool = False  # that parent's objective was the opposite
    is_half: bool = False  # that parent searched one half of every range
    same_task: bool = False


KINDS = {
    each.name: each
    for each in (
        Kind("cold", jobs=50),
        Kind("transfer-1", relatives=1),
        Kind("transfer-3", relatives=3),
        Kind("transfer-5", relatives=5),
        Kind("refresh", own=50, is_small=True),
        Kind("identical", own=25, same_task=True),
        Kind("identical-half", own=25, is_half=True, same_task=True),
        Kind("misleading", own=50, is_negated=True),
    )
}


@dataclass(frozen=True)
class Case:
    """One tuning job to run: a situation, a target and a seed."""

    kind: Kind
    target: Target
    seed: int


def targets(group: str) -> list[Target]:
    """Return the targets of a group: `main`, `more` or `held out`."""
    described = json.loads(TARGETS.read_text())
    return [Target(scenario, **each) for scenario, groups in described.items() for each in groups[group]]


class Parents:
    """Runs the parents' tuning jobs, each once; `kept` maps their keys to what they ran."""

    def __init__(self, folder: Path, kept: dict[str, Trace], keep: Callable[[str, Trace], None]) -> None:
        self.folder, self.kept, self.keep = folder, kept, keep

    def of(self, case: Case) -> tuple[Parent, ...]:
        """Return the parents of `case`, newest first."""
        return tuple(
            Parent(key, self._run(key, task, space, case.seed, jobs)) for key, task, space, jobs in self._wanted(case)
        )

    def _wanted(self, case: Case) -> Iterator[tuple[str, Task, Space, int]]:
        kind = case.kind
        draws = random.Random(f"{case.target}:{case.seed}")
        if kind.own:
            task = Task(self.folder, case.target, is_small=kind.is_small, is_negated=kind.is_negated)
            space = halved(task.space, draws) if kind.is_half else task.space
            label = f"{case.target}:{'small' * kind.is_small}{'negated' * kind.is_negated}{'half' * kind.is_half}"
            yield f"{label}:{kind.own}:{case.seed}", task, space, kind.own
        pool = json.loads(TARGETS.read_text())[case.target.scenario]["pool"]
        others = draws.sample([each for each in pool if each != case.target.instance], 5)
        for instance, jobs in zip(others[: kind.relatives], PARENT_SIZES, strict=False):
            task = Task(self.folder, replace(case.target, instance=instance))
            yield f"{task.target}::{jobs}:{case.seed}", task, task.space, jobs

    def _run(self, key: str, task: Task, space: Space, seed: int, jobs: int) -> tuple[Observation, ...]:
        if key not in self.kept:
            self.kept[key] = raced(Ours(Setting(space, seed=1000 + seed)), task, jobs)
            self.keep(key, self.kept[key])
        return self.kept[key].observations


def halved(space: Space, draws: random.Random) -> Space:
    """Return `space` with one half of every range, lower or upper."""
    return Space(tuple(_half(each, draws.random() < 0.5) for each in space.ranges))


def _half(of: Range, is_lower: bool) -> Range:
    if isinstance(of, CategoricalRange):
        count = (len(of.values) + 1) // 2
        return replace(of, values=of.values[:count] if is_lower else of.values[-count:])
    middle = of.from_unit(0.5)
    low, high = (of.low, middle) if is_lower else (middle, of.high)
    if isinstance(of, IntegerRange):
        return IntegerRange(of.name, int(low), int(high), of.resolved)
    return ContinuousRange(of.name, low, high, of.resolved)
