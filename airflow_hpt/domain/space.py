"""Hyperparameter ranges, and the two-way map between typed values and points of the unit cube.

Symbols: a, b are a range's bounds (both inclusive), x a value, u its coordinate in [0, 1].

Scaling follows SageMaker's guide to hyperparameter scaling:

- Linear:              u = (x - a) / (b - a)
- Logarithmic:         u = ln(x / a) / ln(b / a), for 0 < a
- ReverseLogarithmic:  u = ln((1 - a) / (1 - x)) / ln((1 - a) / (1 - b)), for 0 <= a and b < 1

An integer range is widened by half a step at both ends before it is scaled, so that its first and last values get as
much room as the others. A category owns an equal share of [0, 1].
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

Value: TypeAlias = float | int | str
Hyperparameters: TypeAlias = Mapping[str, Value]
Point: TypeAlias = tuple[float, ...]

LOG_RATIO = 1000.0  # Auto scaling turns logarithmic from this ratio of bounds on (AWS does not publish its rule)


class Scaling(StrEnum):
    """How a numeric range is laid out on [0, 1]; the values are the API's."""

    AUTO = "Auto"
    LINEAR = "Linear"
    LOGARITHMIC = "Logarithmic"
    REVERSE_LOGARITHMIC = "ReverseLogarithmic"


def _forward(x: float, scaling: Scaling) -> float:
    if scaling is Scaling.LOGARITHMIC:
        return math.log(x) if x > 0 else -math.inf
    if scaling is Scaling.REVERSE_LOGARITHMIC:
        return -math.log1p(-x) if x < 1 else math.inf
    return x


def _backward(t: float, scaling: Scaling) -> float:
    if scaling is Scaling.LOGARITHMIC:
        return math.exp(t)
    if scaling is Scaling.REVERSE_LOGARITHMIC:
        return -math.expm1(-t)
    return t


@dataclass(frozen=True, slots=True)
class NumericRange:
    """What continuous and integer ranges share: bounds and scaling."""

    name: str
    low: float
    high: float
    scaling: Scaling = Scaling.AUTO

    @property
    def resolved(self) -> Scaling:
        """Return the scaling in force once `Auto` is decided."""
        if self.scaling is not Scaling.AUTO:
            return self.scaling
        wide = self.low > 0 and self.high / self.low >= LOG_RATIO
        return Scaling.LOGARITHMIC if wide else Scaling.LINEAR

    def _ends(self) -> tuple[float, float]:
        return self.low, self.high

    def to_unit(self, value: Value) -> float:
        """Return the coordinate of `value`: within [0, 1] inside the range, beyond it outside.

        A value that the scaling cannot express (0 or less on a logarithmic range, 1 or more on a reverse logarithmic
        one) lies one whole range beyond the nearer end.
        """
        low, high = (_forward(end, self.resolved) for end in self._ends())
        if high == low:
            return 0.5
        unit = (_forward(float(value), self.resolved) - low) / (high - low)
        return unit if math.isfinite(unit) else math.copysign(1.5, unit) + 0.5

    def _from_unit(self, unit: float) -> float:
        low, high = (_forward(end, self.resolved) for end in self._ends())
        return _backward(low + (high - low) * unit, self.resolved)


@dataclass(frozen=True, slots=True)
class ContinuousRange(NumericRange):
    """Any float from `low` to `high`."""

    @property
    def size(self) -> float:
        """Return the number of distinct values."""
        return 1 if self.low == self.high else math.inf

    def from_unit(self, unit: float) -> float:
        """Return the value at coordinate `unit`, never outside the range."""
        return min(max(self._from_unit(unit), self.low), self.high)


@dataclass(frozen=True, slots=True)
class IntegerRange(NumericRange):
    """Any whole number from `low` to `high`."""

    low: int
    high: int

    @property
    def size(self) -> float:
        """Return the number of distinct values."""
        return self.high - self.low + 1

    def _ends(self) -> tuple[float, float]:
        if self.low == self.high:
            return self.low, self.high
        return self.low - 0.5, self.high + 0.5

    def from_unit(self, unit: float) -> int:
        """Return the value at coordinate `unit`, never outside the range."""
        return min(max(round(self._from_unit(unit)), self.low), self.high)


@dataclass(frozen=True, slots=True)
class CategoricalRange:
    """One of `values`, compared as text."""

    name: str
    values: tuple[str, ...]

    @property
    def size(self) -> float:
        """Return the number of distinct values."""
        return len(self.values)

    def to_unit(self, value: Value) -> float:
        """Return the middle of the share of [0, 1] that `value` owns; NaN when it is not among the values."""
        if value not in self.values:
            return math.nan
        return (self.values.index(str(value)) + 0.5) / len(self.values)

    def from_unit(self, unit: float) -> str:
        """Return the value whose share of [0, 1] holds `unit`."""
        return self.values[min(max(int(unit * len(self.values)), 0), len(self.values) - 1)]


Range: TypeAlias = ContinuousRange | IntegerRange | CategoricalRange


@dataclass(frozen=True, slots=True)
class Space:
    """The ranges of a tuning job, in the order in which a point lists its coordinates."""

    ranges: tuple[Range, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the tunable hyperparameters."""
        return tuple(each.name for each in self.ranges)

    @property
    def size(self) -> float:
        """Return how many distinct configurations there are: infinite once a continuous range takes part."""
        return math.prod(float(each.size) for each in self.ranges)

    def encode(self, hyperparameters: Hyperparameters) -> Point:
        """Return the point of `hyperparameters`; coordinates leave [0, 1] for values outside the ranges."""
        return tuple(each.to_unit(hyperparameters[each.name]) for each in self.ranges)

    def decode(self, point: Sequence[float]) -> dict[str, Value]:
        """Return the typed values at `point`, each within its range."""
        return {each.name: each.from_unit(float(unit)) for each, unit in zip(self.ranges, point, strict=True)}

    def parse(self, texts: Mapping[str, str]) -> dict[str, Value]:
        """Return typed values for wire texts; names that are not tunable are left out, missing ones too."""
        return {each.name: typed(each, texts[each.name]) for each in self.ranges if each.name in texts}

    def contains(self, hyperparameters: Hyperparameters) -> bool:
        """Say whether every hyperparameter is present and lies within its range."""
        return all(each.name in hyperparameters and _inside(each, hyperparameters[each.name]) for each in self.ranges)


def typed(of: Range, text: str) -> Value:
    """Return the value that `text` means on the range `of`; raise ValueError when it means none."""
    if isinstance(of, CategoricalRange):
        return text
    return int(text) if isinstance(of, IntegerRange) else float(text)


def wire_text(value: Value) -> str:
    """Return `value` as the API sends it: shortest round-trip digits for floats, the literal text for categories."""
    return value if isinstance(value, str) else repr(value)


def _inside(of: Range, value: Value) -> bool:
    if isinstance(of, CategoricalRange):
        return value in of.values
    return of.low <= float(value) <= of.high
