"""The search space as the model sees it: the unit cube over the ranges that have a choice.

Symbols: d dimensions (ranges with more than one value), n configurations, X (n, d) their coordinates; c columns and
Z (n, c) the expanded coordinates, in which a number keeps its column and a category has one for each of its values, so
that the squared distance of two different categories is 1; owner (c,) the dimension that a column belongs to.

A coordinate is the range's own (`domain.space`), so integers and categories sit on lattices inside [0, 1]. A parent's
value outside a range lies outside [0, 1]; an unknown category or one that is missing is at UNKNOWN, equal to no other.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from airflow_hpt.domain.space import (
    CategoricalRange,
    ContinuousRange,
    Hyperparameters,
    Range,
    Space,
    Value,
    wire_text,
)
from airflow_hpt.local.search.repeats import values_of

Array: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]

UNKNOWN = -1.0  # the coordinate of a category that is not among the range's values
MIDDLE = 0.5  # the coordinate of a number that is missing
FAR = 2.0  # how far outside [0, 1] a parent's value may lie; further away it tells nothing more
LATTICE = 256  # integer ranges up to this many values are searched value by value, larger ones as if continuous


class Cube:
    """Translates between configurations and coordinates."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.active = [i for i, each in enumerate(space.ranges) if each.size > 1]
        self.ranges = [space.ranges[i] for i in self.active]
        self.is_categorical: Flags = np.array([isinstance(each, CategoricalRange) for each in self.ranges], dtype=bool)
        self.lattices = [_lattice(each) for each in self.ranges]
        columns = [self._columns(j) for j in range(self.dimensions)]
        self.owner: Indices = np.repeat(np.arange(self.dimensions), [len(each) for each in columns])
        self.marks: Array = np.concatenate(columns) if columns else np.zeros(0)
        self.is_number: Flags = ~self.is_categorical[self.owner]

    @property
    def dimensions(self) -> int:
        """Return d."""
        return len(self.ranges)

    def encode(self, configurations: Sequence[Hyperparameters]) -> Array:
        """Return the coordinates X (n, d) of `configurations`, whatever names and values they hold."""
        rows = [[_coordinate(each, values.get(each.name)) for each in self.ranges] for values in configurations]
        return np.array(rows, dtype=float).reshape(len(rows), self.dimensions)

    def _columns(self, j: int) -> Array:
        lattice = self.lattices[j]
        if lattice is None or not self.is_categorical[j]:
            return np.zeros(1)
        return np.append(lattice, UNKNOWN)

    def expand(self, x: Array) -> Array:
        """Return the expanded coordinates Z (n, c) of X (n, d)."""
        z = x[:, self.owner]
        return np.where(self.is_number, z, np.sqrt(0.5) * (z == self.marks))

    def contract(self, slope: Array) -> Array:
        """Return the gradients (m, d) by X of what has the gradients `slope` (m, c) by Z; 0 for categories."""
        by_x = np.zeros((len(slope), self.dimensions))
        by_x[:, self.owner[self.is_number]] = slope[:, self.is_number]
        return by_x

    def decode(self, x: Array) -> dict[str, Value]:
        """Return the configuration at the coordinates x (d,)."""
        point = np.full(len(self.space.ranges), MIDDLE)
        point[self.active] = x
        return self.space.decode(point.tolist())

    def snap(self, x: Array) -> Array:
        """Return the coordinates X (n, d) moved to the nearest configuration that exists."""
        snapped = np.clip(x, 0.0, 1.0)
        for j, lattice in enumerate(self.lattices):
            if lattice is not None:
                middles = (lattice[1:] + lattice[:-1]) / 2
                snapped[:, j] = lattice[np.searchsorted(middles, snapped[:, j])]
        return snapped


def _lattice(of: Range) -> Array | None:
    if isinstance(of, ContinuousRange) or of.size > LATTICE:
        return None
    return np.array([of.to_unit(value) for value in values_of(of)])


def _coordinate(of: Range, value: Value | None) -> float:
    if isinstance(of, CategoricalRange):
        text = None if value is None else wire_text(value)
        return of.to_unit(text) if text in of.values else UNKNOWN
    try:
        return MIDDLE if value is None else min(max(of.to_unit(value), -FAR), 1 + FAR)
    except ValueError:  # static hyperparameters are text, and not every text is a number
        return MIDDLE
