"""What every searcher promises: a test class that each of them inherits by naming itself in `make_searcher`."""

import math
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_hpt.domain.space import (
    CategoricalRange,
    ContinuousRange,
    Hyperparameters,
    IntegerRange,
    Scaling,
    Space,
    Value,
)
from airflow_hpt.errors import SpaceExhausted
from airflow_hpt.local.search.base import Observation, Parent, Problem, Searcher

COLOURS = CategoricalRange("colour", ("red", "green", "blue"))
ON_OFF = CategoricalRange("switch", ("on", "off"))
FINITE = Space((COLOURS, ON_OFF))

SPACES = {
    "continuous": Space((ContinuousRange("a", -1.0, 1.0), ContinuousRange("b", 0.0, 5.0))),
    "integers": Space((IntegerRange("a", 1, 6), IntegerRange("b", -3, 100))),
    "categories": Space((COLOURS, ON_OFF, CategoricalRange("shape", tuple("abcdefghij")))),
    "scalings": Space(
        (
            ContinuousRange("linear", 0.0, 1.0, Scaling.LINEAR),
            ContinuousRange("log", 1e-6, 1.0, Scaling.LOGARITHMIC),
            ContinuousRange("reverse", 0.0, 0.999, Scaling.REVERSE_LOGARITHMIC),
            IntegerRange("steps", 1, 10_000, Scaling.LOGARITHMIC),
        )
    ),
    "single values": Space(
        (
            ContinuousRange("a", 2.0, 2.0),
            IntegerRange("b", 3, 3),
            CategoricalRange("c", ("x",)),
            ContinuousRange("d", 0, 1),
        )
    ),
    "one": Space((ContinuousRange("a", 0.0, 1.0),)),
    "thirty": Space(
        tuple(ContinuousRange(f"x{i}", 0.0, 1.0) for i in range(15))
        + tuple(IntegerRange(f"n{i}", 0, i) for i in range(1, 11))
        + tuple(CategoricalRange(f"c{i}", ("u", "v", "w")) for i in range(5))
    ),
}

SINGLE = {
    "continuous": Space((ContinuousRange("a", 0.1, 0.1),)),
    "integer": Space((IntegerRange("a", 7, 7),)),
    "categorical": Space((CategoricalRange("a", ("x",)),)),
    "mixed": Space(
        (ContinuousRange("a", 0.1, 0.1, Scaling.LOGARITHMIC), IntegerRange("b", 7, 7), CategoricalRange("c", ("x",)))
    ),
}

ODD_OBJECTIVES: dict[str, list[float | None]] = {
    "all failed": [None] * 12,
    "some failed": [None, 1.0, None, 2.0, None, 0.5, None, 3.0, 2.5, None, 1.5, 0.7],
    "constant": [4.0] * 12,
    "constant zero": [0.0] * 12,
    "two values": [1.0, 2.0] * 6,
    "infinite": [math.inf, 1.0, -math.inf, 2.0, 0.5, 3.0, math.inf, 1.2, 0.3, -math.inf, 0.9, 4.0],
    "not a number": [math.nan, 1.0, math.nan, 2.0, 0.5, 3.0, math.nan, 1.2, 0.3, 0.8, 0.9, 4.0],
    "only not a number": [math.nan] * 12,
    "huge": [1e308, -1e308, 3e307, 1e300, 0.0, 5e307, -2e307, 1.0, 1e308, 2.0, -1e308, 3.0],
    "tiny": [1e-310, 2e-310, 5e-324, 0.0, 1e-300, 3e-308, 4e-309, 1e-310, 2e-305, 1e-301, 0.0, 1e-320],
    "far from zero": [1e12 + i % 5 for i in range(12)],
    "one outlier": [0.1, 0.2, 0.15, 1e200, 0.12, 0.3, 0.22, 0.11, 0.19, 0.14, 0.16, 0.13],
}


def make_problem(space: Space, **changes: Any) -> Problem:
    """Return the problem of a first suggestion, changed as told."""
    return Problem(**({"space": space, "maximize": False, "seed": 11, "index": 0} | changes))


def trajectory(searcher: Searcher, problem: Problem, objectives: list[float | None]) -> list[dict[str, Value]]:
    """Return what `searcher` suggests one after the other while the training jobs end with `objectives`."""
    observations: list[Observation] = list(problem.observations)
    suggested = []
    for objective in objectives:
        suggestion = searcher.suggest(
            make_problem(
                problem.space,
                seed=problem.seed,
                maximize=problem.maximize,
                index=len(observations),
                observations=tuple(observations),
                parents=problem.parents,
                same_task=problem.same_task,
            )
        )
        suggested.append(suggestion)
        observations.append(Observation(suggestion, objective))
    return suggested


def ran(space: Space, count: int) -> tuple[Observation, ...]:
    """Return `count` finished training jobs spread over `space`, with objectives that depend on where they are."""
    points = [[(0.37 + 0.618 * (i + 1) * (j + 1)) % 1.0 for j in range(len(space.ranges))] for i in range(count)]
    return tuple(Observation(space.decode(point), sum((u - 0.4) ** 2 for u in point)) for point in points)


def is_valid(space: Space, suggestion: Hyperparameters) -> bool:
    """Say whether a suggestion names exactly the ranges, with values of their types and within them."""
    kinds = {ContinuousRange: float, IntegerRange: int, CategoricalRange: str}
    typed = all(type(suggestion[each.name]) is kinds[type(each)] for each in space.ranges)
    return tuple(suggestion) == space.names and typed and space.contains(suggestion)


class SearcherContract:
    """The promises of `Searcher.suggest`; a subclass may narrow `spaces` to those that its strategy accepts."""

    spaces = SPACES

    @pytest.fixture(autouse=True)
    def _warnings_are_errors(self) -> Iterator[None]:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield

    @pytest.fixture
    def searcher(self) -> Searcher:
        raise NotImplementedError

    @staticmethod
    def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
        """Run a test that takes `any_space` on each of the spaces that the strategy accepts."""
        if "any_space" in metafunc.fixturenames:
            accepted = metafunc.cls.spaces
            metafunc.parametrize("any_space", list(accepted.values()), ids=list(accepted))

    def test_suggestions_are_typed_and_within_the_ranges(self, searcher: Searcher, any_space: Space) -> None:
        objectives = [math.sin(i) for i in range(14)]
        suggested = trajectory(searcher, make_problem(any_space), objectives)
        assert [each for each in suggested if not is_valid(any_space, each)] == []

    def test_equal_problems_get_equal_suggestions(self, searcher: Searcher, any_space: Space) -> None:
        problem = make_problem(
            any_space, index=9, observations=ran(any_space, 8), pending=(ran(any_space, 9)[-1].hyperparameters,)
        )
        first = searcher.suggest(problem)
        searcher.suggest(make_problem(any_space, seed=99))  # whatever happens in between
        assert searcher.suggest(problem) == first

    @pytest.mark.parametrize("objectives", ODD_OBJECTIVES.values(), ids=list(ODD_OBJECTIVES))
    @pytest.mark.parametrize("maximize", [False, True])
    def test_any_objective_has_an_answer(
        self, searcher: Searcher, objectives: list[float | None], maximize: bool
    ) -> None:
        space = self.spaces["categories"]
        suggested = trajectory(searcher, make_problem(space, maximize=maximize), [*objectives, None, 1.0])
        assert all(is_valid(space, each) for each in suggested)

    @pytest.mark.parametrize("parallel", [1, 3])
    def test_a_finite_space_is_run_through_without_repeats(self, searcher: Searcher, parallel: int) -> None:
        observations: list[Observation] = []
        pending: list[dict[str, Value]] = []
        for index in range(int(FINITE.size)):
            problem = make_problem(FINITE, index=index, observations=tuple(observations), pending=tuple(pending))
            pending.append(searcher.suggest(problem))
            if len(pending) == parallel:
                observations.append(Observation(pending.pop(0), float(index % 3)))
        every = [each.hyperparameters for each in observations] + pending
        assert len({tuple(each.values()) for each in every}) == FINITE.size
        spent = make_problem(FINITE, index=6, observations=tuple(observations), pending=tuple(pending))
        with pytest.raises(SpaceExhausted, match="All 6 configurations of colour, switch"):
            searcher.suggest(spent)

    @pytest.mark.parametrize("space", SINGLE.values(), ids=list(SINGLE))
    def test_a_space_of_one_configuration_is_run_once(self, searcher: Searcher, space: Space) -> None:
        suggestion = searcher.suggest(make_problem(space))
        assert is_valid(space, suggestion)
        with pytest.raises(SpaceExhausted, match="All 1 configurations"):
            searcher.suggest(make_problem(space, index=1, observations=(Observation(suggestion, 1.0),)))

    def test_what_a_parent_of_the_same_task_ran_is_not_run_again(self, searcher: Searcher) -> None:
        parent = Parent("parent", ran(FINITE, 5))
        others = {tuple(each.hyperparameters.values()) for each in parent.observations}
        problem = make_problem(FINITE, parents=(parent,), same_task=True)
        suggested = trajectory(searcher, problem, [1.0] * (6 - len(others)))
        assert not others & {tuple(each.values()) for each in suggested}

    @pytest.mark.parametrize("same_task", [True, False])
    def test_parents_that_differ_in_ranges_and_names_have_an_answer(self, searcher: Searcher, same_task: bool) -> None:
        space = self.spaces["categories"]
        odd: list[Hyperparameters] = [
            {"colour": "violet", "switch": "on", "shape": "a"},  # a category that is gone
            {"colour": "red", "shape": "b"},  # a name that is tunable only now, and was not given
            {"colour": "red", "switch": "off", "shape": "a", "epochs": 3},  # a name that is static now
            {"epochs": 3},
            {},
            {"colour": 5, "switch": 1e9, "shape": -2.5},
        ]
        parents = (
            Parent("odd", tuple(Observation(each, float(i)) for i, each in enumerate(odd))),
            Parent("empty", ()),
            Parent("failed", tuple(Observation(each, None) for each in odd)),
            Parent("not a number", tuple(Observation(each, math.nan) for each in odd)),
            Parent("huge", tuple(Observation(each, 1e308 * (-1) ** i) for i, each in enumerate(odd))),
        )
        problem = make_problem(space, parents=parents, same_task=same_task)
        suggested = trajectory(searcher, problem, [0.3, None, 0.1, math.inf, 0.2, 0.5, 0.4, 0.2])
        assert all(is_valid(space, each) for each in suggested)
        assert len({tuple(each.values()) for each in suggested}) == len(suggested)
