"""Ranges, and the map between typed values and points of the unit cube."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_hpt.domain.space import (
    CategoricalRange,
    ContinuousRange,
    IntegerRange,
    Range,
    Scaling,
    Space,
    Value,
    typed,
    wire_text,
)

LINEAR, LOG, REVERSE = Scaling.LINEAR, Scaling.LOGARITHMIC, Scaling.REVERSE_LOGARITHMIC

bounds = st.tuples(st.floats(1e-9, 0.99), st.floats(1e-9, 0.99)).map(sorted)
continuous = st.builds(
    lambda ends, scaling: ContinuousRange("x", *ends, scaling), bounds, st.sampled_from(list(Scaling))
)
integers = st.builds(
    lambda low, width, scaling: IntegerRange("n", low, low + width, scaling),
    st.integers(1, 1000),
    st.integers(0, 5000),
    st.sampled_from([Scaling.AUTO, LINEAR, LOG]),
)
categories = st.lists(st.text(max_size=5), min_size=1, max_size=30, unique=True).map(
    lambda values: CategoricalRange("c", tuple(values))
)
ranges = continuous | integers | categories
units = st.floats(0, 1)


@given(ranges, units)
def test_every_point_means_a_value_of_the_range(of: Range, unit: float) -> None:
    value = of.from_unit(unit)
    assert Space((of,)).contains({of.name: value})
    assert -1e-9 <= of.to_unit(value) <= 1 + 1e-9


@given(integers | categories, units)
def test_a_discrete_value_survives_the_way_there_and_back(of: Range, unit: float) -> None:
    value = of.from_unit(unit)
    assert of.from_unit(of.to_unit(value)) == value


@given(continuous, units)
def test_a_continuous_value_survives_the_way_there_and_back(of: ContinuousRange, unit: float) -> None:
    value = of.from_unit(unit)
    assert of.from_unit(of.to_unit(value)) == pytest.approx(value, rel=1e-6, abs=1e-9)


@given(continuous | integers, units, units)
def test_the_map_keeps_the_order_of_values(of: ContinuousRange | IntegerRange, one: float, two: float) -> None:
    low, high = sorted((one, two))
    assert of.from_unit(low) <= of.from_unit(high)


@given(ranges, units)
def test_a_value_survives_its_wire_text(of: Range, unit: float) -> None:
    value = of.from_unit(unit)
    assert typed(of, wire_text(value)) == value


@pytest.mark.parametrize(
    ("of", "unit", "value"),
    [
        (ContinuousRange("x", -1, 3, LINEAR), 0.5, 1.0),
        (ContinuousRange("x", 1e-4, 1.0, LOG), 0.5, 1e-2),
        (ContinuousRange("x", 0.0, 0.99, REVERSE), 0.5, 0.9),
        (ContinuousRange("x", 0.25, 0.25, LOG), 0.7, 0.25),
        (IntegerRange("n", 1, 4, LINEAR), 0.26, 2),
        (IntegerRange("n", 7, 7, LINEAR), 0.9, 7),
        (CategoricalRange("c", ("a", "b", "c", "d")), 0.74, "c"),
        (CategoricalRange("c", ("a", "b")), 1.0, "b"),
    ],
)
def test_scaling_follows_the_guide(of: Range, unit: float, value: Value) -> None:
    assert of.from_unit(unit) == pytest.approx(value) if not isinstance(value, str) else of.from_unit(unit) == value


@pytest.mark.parametrize(
    ("low", "high", "resolved"), [(0.001, 1, LOG), (0.0011, 1, LINEAR), (0, 1e6, LINEAR), (-5, 5, LINEAR)]
)
def test_auto_scaling_is_logarithmic_from_three_decades_on(low: float, high: float, resolved: Scaling) -> None:
    assert ContinuousRange("x", low, high).resolved is resolved


@pytest.mark.parametrize(
    ("of", "value", "unit"),
    [
        (ContinuousRange("x", 1, 2, LINEAR), 3, 2.0),
        (ContinuousRange("x", 0.1, 1, LOG), -1, -1.0),
        (ContinuousRange("x", 0, 0.9, REVERSE), 1.5, 2.0),
        (ContinuousRange("x", 1, 1, LINEAR), 9, 0.5),
    ],
)
def test_values_outside_the_range_lie_outside_the_unit_interval(of: ContinuousRange, value: float, unit: float) -> None:
    assert of.to_unit(value) == pytest.approx(unit)


def test_an_unknown_category_has_no_coordinate() -> None:
    assert math.isnan(CategoricalRange("c", ("a",)).to_unit("b"))


SPACE = Space((IntegerRange("n", 1, 3), CategoricalRange("c", ("1", "2")), ContinuousRange("x", 0.5, 0.5)))


def test_a_space_counts_its_configurations() -> None:
    assert SPACE.size == 6
    assert Space((ContinuousRange("x", 0, 1), IntegerRange("n", 1, 2**62))).size == math.inf


def test_a_point_lists_coordinates_in_the_order_of_the_ranges() -> None:
    values = {"x": 0.5, "c": "2", "n": 3}
    assert SPACE.names == ("n", "c", "x")
    assert SPACE.decode(SPACE.encode(values)) == values


def test_wire_texts_are_parsed_by_the_kind_of_their_range() -> None:
    assert SPACE.parse({"n": "2", "c": "1", "lr": "0.1"}) == {"n": 2, "c": "1"}


@pytest.mark.parametrize(
    "values",
    [{"n": 4, "c": "1", "x": 0.5}, {"n": 1, "c": "3", "x": 0.5}, {"n": 1, "c": "1"}, {"n": 1, "c": "1", "x": 0.6}],
)
def test_a_space_contains_only_complete_values_within_its_ranges(values: dict[str, Value]) -> None:
    assert not SPACE.contains(values)
