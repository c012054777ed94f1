"""Parameter ranges as the API writes them (bounds are strings), turned into a search space."""

import math
import re
from collections.abc import Callable
from typing import TypeVar

from airflow_hpt.domain.fields import Fields
from airflow_hpt.domain.space import CategoricalRange, ContinuousRange, IntegerRange, Range, Scaling, Space

RANGE_LISTS = ("IntegerParameterRanges", "ContinuousParameterRanges", "CategoricalParameterRanges")
TUNABLE_LIMIT = 30
CATEGORY_LIMIT = 30
NAME_LENGTH = 256
INTEGER_BOUND = 2**63  # what fits the API's 64-bit integers

N = TypeVar("N", int, float)


def parse_space(ranges: Fields) -> Space:
    """Return the search space of a ParameterRanges structure, every rule on single ranges checked."""
    readers = zip(RANGE_LISTS, (_integer, _continuous, _categorical), strict=True)
    found = [read(item) for name, read in readers for item in ranges.structures(name, limit=TUNABLE_LIMIT)]
    return Space(tuple(found))


def parse_whole(text: str) -> int | None:
    """Return the integer that `text` writes in decimal digits, or None."""
    return int(text) if re.fullmatch(r"[+-]?[0-9]+", text) else None


def parse_real(text: str) -> float | None:
    """Return the finite number that `text` writes, or None."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None


def _integer(item: Fields) -> Range:
    low, high = _bounds(item, parse_whole, "whole number, such as 10")
    if max(abs(low), abs(high)) >= INTEGER_BOUND:
        item.refuse("MaxValue", f"and MinValue must fit 64 bits, but are {high} and {low}.")
    scaling = _scaling(item, low)
    if scaling is Scaling.REVERSE_LOGARITHMIC:
        item.refuse("ScalingType", "cannot be ReverseLogarithmic on an integer range; use Auto, Linear or Logarithmic.")
    return IntegerRange(_name(item), low, high, scaling)


def _continuous(item: Fields) -> Range:
    low, high = _bounds(item, parse_real, "finite number, such as 0.5 or 5e-05")
    if not math.isfinite(high - low):
        item.refuse("MaxValue", f"is too far from MinValue: {high} - {low} overflows; narrow the range.")
    scaling = _scaling(item, low)
    if scaling is Scaling.REVERSE_LOGARITHMIC and not 0 <= low <= high < 1:
        item.refuse(
            "ScalingType",
            f"is ReverseLogarithmic, which needs 0 <= MinValue and MaxValue < 1, but they are {low} and {high}.",
        )
    return ContinuousRange(_name(item), low, high, scaling)


def _categorical(item: Fields) -> Range:
    values = item.texts("Values", limit=CATEGORY_LIMIT, characters=NAME_LENGTH)
    if repeated := {value for value in values if values.count(value) > 1}:
        item.refuse("Values", f"must not repeat a value, but repeats {sorted(repeated)}.")
    return CategoricalRange(_name(item), values)


def _name(item: Fields) -> str:
    return item.text("Name", limit=NAME_LENGTH)


def _bounds(item: Fields, parse: Callable[[str], N | None], kind: str) -> tuple[N, N]:
    found = []
    for member in ("MinValue", "MaxValue"):
        text = item.text(member, limit=NAME_LENGTH)
        if (value := parse(text)) is None:
            item.refuse(member, f"of {_name(item)} must be a string that writes a {kind}, but is {text!r}.")
        found.append(value)
    low, high = found
    if low > high:
        item.refuse("MinValue", f"of {_name(item)} must not be above MaxValue, but {low} > {high}; swap them.")
    return low, high


def _scaling(item: Fields, low: float) -> Scaling:
    scaling = item.choice("ScalingType", Scaling) if "ScalingType" in item else Scaling.AUTO
    if scaling is Scaling.LOGARITHMIC and low <= 0:
        item.refuse("MinValue", f"of {_name(item)} must be above 0 for Logarithmic scaling, but is {low}.")
    return scaling
