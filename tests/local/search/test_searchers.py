"""Every strategy keeps the searcher's promises."""

import subprocess
import sys
from collections import Counter

import pytest

from airflow_hpt.domain.space import ContinuousRange, IntegerRange, Space
from airflow_hpt.domain.spec import Strategy
from airflow_hpt.local.search import searcher_for
from airflow_hpt.local.search.base import Observation, Searcher
from tests.contracts.searcher import FINITE, SPACES, SearcherContract, make_problem, ran


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


@pytest.mark.parametrize("strategy", [Strategy.RANDOM, Strategy.GRID, Strategy.HYPERBAND])
def test_only_the_bayesian_strategy_loads_numpy(strategy: Strategy) -> None:
    code = (
        "import sys; from airflow_hpt.domain.spec import Strategy; from airflow_hpt.local.search import searcher_for; "
        f"searcher_for(Strategy({strategy.value!r})); sys.exit(bool({{'numpy', 'scipy'}} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
