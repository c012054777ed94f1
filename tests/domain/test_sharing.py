"""Fair shares of slots and of training jobs."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_hpt.domain.sharing import share_slots, share_starts
from tests.domain.builders import categories, make_job, make_part, make_request, make_training

counts = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 9))


@pytest.mark.parametrize(
    ("free", "wants", "held", "shares"),
    [
        (2, {"a": 5, "b": 5}, {}, {"a": 1, "b": 1}),
        (3, {"a": 5, "b": 5}, {}, {"a": 2, "b": 1}),
        (3, {"a": 5, "b": 5}, {"a": 2}, {"a": 1, "b": 2}),
        (9, {"a": 1, "b": 2}, {}, {"a": 1, "b": 2}),
        (0, {"a": 1}, {}, {"a": 0}),
        (-1, {"a": 1}, {}, {"a": 0}),
        (2, {}, {"a": 1}, {}),
    ],
)
def test_slots_go_one_by_one_to_whoever_holds_fewest(
    free: int, wants: dict[str, int], held: dict[str, int], shares: dict[str, int]
) -> None:
    assert share_slots(free, wants, held) == shares


@given(st.integers(0, 40), counts, counts)
def test_no_slot_is_wasted_and_nobody_envies(free: int, wants: dict[str, int], held: dict[str, int]) -> None:
    shares = share_slots(free, wants, held)
    assert sum(shares.values()) == min(free, sum(wants.values()))
    assert all(0 <= shares[name] <= wants[name] for name in wants)
    holding = {name: shares[name] + held.get(name, 0) for name in wants}
    for hungry in (name for name in wants if shares[name] < wants[name]):
        assert all(holding[name] <= holding[hungry] + 1 for name in wants if shares[name])


def spec_of(*parts: Any) -> Any:
    return make_job(make_request(definitions=list(parts), limits={"MaxNumberOfTrainingJobs": 2})).spec


def ended(**values: list[float]) -> list[Any]:
    pairs = [(name, value) for name, listed in values.items() for value in listed]
    return [make_training(i, definition=name, history=(value,)) for i, (name, value) in enumerate(pairs, 1)]


def test_a_single_definition_gets_all_the_room() -> None:
    assert share_starts(make_job().spec, [], 3) == [None] * 3


def test_every_definition_is_tried_before_results_count() -> None:
    spec = spec_of(make_part("a"), make_part("b"))
    assert share_starts(spec, ended(a=[0.9, 0.9], b=[0.1]), 3) == ["b", "a", "b"]


@pytest.mark.parametrize(("kind", "favourite"), [("Maximize", "b"), ("Minimize", "a")])
def test_the_better_definition_then_gets_twice_as_much(kind: str, favourite: str) -> None:
    spec = spec_of(make_part("a", kind=kind), make_part("b", kind=kind))
    shares = Counter(share_starts(spec, ended(a=[0.1] * 3, b=[0.9] * 3), 12))
    other = "a" if favourite == "b" else "b"
    assert (shares[favourite] + 3, shares[other] + 3) == (12, 6)


def test_a_definition_without_an_objective_ranks_last() -> None:
    spec = spec_of(make_part("a"), make_part("b"))
    failed = [make_training(i, definition="a", history=()) for i in (11, 12, 13)]
    assert share_starts(spec, [*failed, *ended(b=[0.1] * 3)], 1) == ["b"]


def test_different_objectives_are_not_compared() -> None:
    spec = spec_of(make_part("a"), make_part("b", kind="Minimize"))
    assert Counter(share_starts(spec, ended(a=[0.1] * 3, b=[0.9] * 3), 6)) == {"a": 3, "b": 3}


def test_a_definition_gets_no_more_than_it_has_combinations() -> None:
    spec = spec_of(make_part("a", ranges=categories(c=["x", "y"])), make_part("b", ranges=categories(c=["x"])))
    assert Counter(share_starts(spec, [], 9)) == {"a": 2, "b": 1}
