"""Every strategy keeps the searcher's promises."""

import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from airflow_hpt.domain.space import ContinuousRange, IntegerRange, Space
from airflow_hpt.domain.spec import Strategy
from airflow_hpt.local.search import searcher_for
from airflow_hpt.local.search.base import Observation, Parent, Searcher
from airflow_hpt.local.search.cube import Cube
from airflow_hpt.local.search.openings import scattered
from airflow_hpt.local.search.transfer import seeds
from tests.contracts.searcher import FINITE, SPACES, SearcherContract, make_problem, ran

BOWL = Space((ContinuousRange("x", 0.0, 1.0), ContinuousRange("y", 0.0, 1.0)))


def bowl(hyperparameters: Mapping[str, Any]) -> float:
    return float((hyperparameters["x"] - 0.3) ** 2 + (hyperparameters["y"] - 0.6) ** 2)


class TestRandom(SearcherContract):
    @pytest.fixture
    def searcher(self) -> Searcher:
        return searcher_for(Strategy.RANDOM)

    def test_timing_does_not_change_a_configuration(self, searcher: Searcher) -> None:
        space = SPACES["scalings"]
        alone = searcher.suggest(make_problem(space, index=5))
        assert searcher.suggest(make_problem(space, index=5, observations=ran(space, 3))) == alone
        assert searcher.suggest(make_problem(space, index=6)) != alone
        assert searcher.suggest(make_problem(space, index=5, seed=12)) != alone

    def test_every_value_of_an_integer_range_is_as_likely(self, searcher: Searcher) -> None:
        space = Space((IntegerRange("n", 1, 4), ContinuousRange("x", 0.0, 1.0)))
        drawn = Counter(searcher.suggest(make_problem(space, index=i))["n"] for i in range(400))
        assert set(drawn) == {1, 2, 3, 4}
        assert max(drawn.values()) < 2 * min(drawn.values())


class TestHyperband(SearcherContract):
    @pytest.fixture
    def searcher(self) -> Searcher:
        return searcher_for(Strategy.HYPERBAND)


class TestGrid(SearcherContract):
    spaces = {"categories": SPACES["categories"]}  # noqa: RUF012  (the contract's own form)

    @pytest.fixture
    def searcher(self) -> Searcher:
        return searcher_for(Strategy.GRID)

    def test_the_order_is_that_of_the_request(self, searcher: Searcher) -> None:
        done: list[Observation] = []
        for index in range(4):
            done.append(Observation(searcher.suggest(make_problem(FINITE, index=index, observations=tuple(done))), 1.0))
        assert [tuple(each.hyperparameters.values()) for each in done] == [
            ("red", "on"),
            ("red", "off"),
            ("green", "on"),
            ("green", "off"),
        ]


class TestBayesian(SearcherContract):
    @pytest.fixture
    def searcher(self) -> Searcher:
        return searcher_for(Strategy.BAYESIAN)

    def test_a_cold_search_closes_in_on_the_best(self, searcher: Searcher) -> None:
        done: list[Observation] = []
        for index in range(22):
            suggestion = searcher.suggest(make_problem(BOWL, index=index, observations=tuple(done)))
            done.append(Observation(suggestion, bowl(suggestion)))
        assert min(each.objective or 0.0 for each in done) < 0.01

    def test_a_search_that_has_found_the_best_does_not_run_it_again_and_again(self, searcher: Searcher) -> None:
        done: list[Observation] = []
        repeats = 0
        for index in range(30):
            new = searcher.suggest(make_problem(BOWL, index=index, observations=tuple(done)))
            repeats += any(max(abs(new[k] - each.hyperparameters[k]) for k in "xy") < 0.01 for each in done)
            done.append(Observation(new, bowl(new)))
        assert repeats <= 2

    @pytest.mark.parametrize(("parents", "is_probed"), [(1, True), (2, True), (3, False)])
    def test_parents_are_put_to_the_test_unless_there_are_three(
        self, searcher: Searcher, parents: int, is_probed: bool
    ) -> None:
        found = tuple(Parent(f"parent-{i}", ran(BOWL, 6 + i)) for i in range(parents))
        cube = Cube(BOWL)
        done: tuple[Observation, ...] = ()
        for index in range(len(seeds(make_problem(BOWL, parents=found), cube))):
            new = searcher.suggest(make_problem(BOWL, index=index, observations=done, parents=found))
            done += (Observation(new, bowl(new)),)
        probe = cube.decode(scattered(cube, seed=make_problem(BOWL).seed, index=0)[0])
        suggested = searcher.suggest(make_problem(BOWL, index=len(done), observations=done, parents=found))
        assert (suggested == probe) == is_probed

    def test_the_first_training_jobs_after_a_transfer_are_the_parents_best(self, searcher: Searcher) -> None:
        parents = tuple(Parent(name, ran(BOWL, count)) for name, count in (("newer", 7), ("older", 3)))
        best = [min(each.observations, key=lambda o: o.objective or 0.0).hyperparameters for each in parents]
        problem = make_problem(BOWL, parents=parents)
        suggested = [searcher.suggest(replace(problem, index=i, pending=tuple(best[:i]))) for i in range(len(best))]
        assert suggested == best

    def test_a_parents_best_outside_the_ranges_is_not_suggested(self, searcher: Searcher) -> None:
        narrow = Space((ContinuousRange("x", 0.5, 1.0), ContinuousRange("y", 0.0, 1.0)))
        parent = Parent("wide", (Observation({"x": 0.1, "y": 0.1}, 0.0), Observation({"x": 0.75, "y": 0.25}, 1.0)))
        assert searcher.suggest(make_problem(narrow, parents=(parent,))) == {"x": 0.75, "y": 0.25}

    def test_ranges_that_were_widened_are_explored_first(self, searcher: Searcher) -> None:
        inner = Space((ContinuousRange("x", 0.0, 0.4), ContinuousRange("y", 0.0, 0.4)))
        parent = Parent("inner", ran(inner, 20))
        problem = make_problem(BOWL, parents=(parent,), same_task=True)
        suggested = [searcher.suggest(replace(problem, index=i)) for i in range(4)]
        assert all(max(each.values()) > 0.38 for each in suggested)

    def test_a_region_where_training_jobs_fail_is_left(self, searcher: Searcher) -> None:
        done: list[Observation] = []
        for index in range(20):
            suggestion = searcher.suggest(make_problem(BOWL, index=index, observations=tuple(done)))
            done.append(Observation(suggestion, None if suggestion["x"] > 0.5 else bowl(suggestion)))
        assert sum(each.objective is None for each in done[10:]) <= 4

    def test_parallel_suggestions_differ(self, searcher: Searcher) -> None:
        known, pending = ran(BOWL, 10), []
        for index in range(10, 14):
            problem = make_problem(BOWL, index=index, observations=known, pending=tuple(pending))
            pending.append(searcher.suggest(problem))
        gaps = [abs(a["x"] - b["x"]) + abs(a["y"] - b["y"]) for i, a in enumerate(pending) for b in pending[:i]]
        assert min(gaps) > 1e-3

    def test_a_used_searcher_suggests_what_a_new_one_does(self, searcher: Searcher) -> None:
        parents = (Parent("parent", ran(BOWL, 12)),)
        problem = make_problem(BOWL, index=5, observations=ran(BOWL, 4), parents=parents)
        searcher.suggest(replace(problem, parents=(Parent("other", ran(BOWL, 9)),)))
        assert searcher.suggest(problem) == searcher_for(Strategy.BAYESIAN).suggest(problem)


@pytest.mark.parametrize("strategy", [Strategy.RANDOM, Strategy.GRID, Strategy.HYPERBAND])
def test_only_the_bayesian_strategy_loads_numpy(strategy: Strategy) -> None:
    code = (
        "import sys; from airflow_hpt.domain.spec import Strategy; from airflow_hpt.local.search import searcher_for; "
        f"searcher_for(Strategy({strategy.value!r})); sys.exit(bool({{'numpy', 'scipy'}} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
