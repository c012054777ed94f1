"""Which configurations a tuning job must not run again."""

import itertools
from collections.abc import Iterator
from typing import TypeAlias

from airflow_hpt.domain.space import CategoricalRange, ContinuousRange, Hyperparameters, Range, Space, Value
from airflow_hpt.errors import SpaceExhausted
from airflow_hpt.local.search.base import Problem

Key: TypeAlias = tuple[Value | None, ...]


def key_of(space: Space, hyperparameters: Hyperparameters) -> Key:
    """Return what two equal configurations have in common: their tunable values in the order of the ranges."""
    return tuple(hyperparameters.get(name) for name in space.names)


def taken(problem: Problem) -> set[Key]:
    """Return the configurations that ran or are running, those of the parents too when they ran the same task."""
    ran = [each.hyperparameters for each in problem.observations] + list(problem.pending)
    if problem.same_task:
        ran += [each.hyperparameters for parent in problem.parents for each in parent.observations]
    return {key_of(problem.space, each) for each in ran}


def configurations(space: Space) -> Iterator[dict[str, Value]]:
    """Yield every configuration of a finite space, the last range turning fastest."""
    for values in itertools.product(*(values_of(each) for each in space.ranges)):
        yield dict(zip(space.names, values, strict=True))


def values_of(of: Range) -> tuple[Value, ...] | range:
    """Return every value of a finite range, in order."""
    if isinstance(of, CategoricalRange):
        return of.values
    if isinstance(of, ContinuousRange):
        return (of.low,)
    return range(of.low, of.high + 1)


def exhausted(space: Space) -> SpaceExhausted:
    """Return the error for a space with nothing left to run."""
    return SpaceExhausted(
        f"All {space.size:.0f} configurations of {', '.join(space.names)} have run or are running; "
        "widen a range, or ask for at most that many training jobs."
    )
