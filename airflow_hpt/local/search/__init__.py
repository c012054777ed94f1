"""Search strategies: suggest the next configuration from what is known so far."""

from airflow_hpt.domain.spec import Strategy
from airflow_hpt.local.search.base import Searcher


def searcher_for(strategy: Strategy) -> Searcher:
    """Return the searcher of `strategy`; numpy and scipy are loaded only for the Bayesian one."""
    if strategy is Strategy.BAYESIAN:
        from airflow_hpt.local.search.bayesian import BayesianSearcher

        return BayesianSearcher()
    if strategy is Strategy.GRID:
        from airflow_hpt.local.search.grid import GridSearcher

        return GridSearcher()
    from airflow_hpt.local.search.random import RandomSearcher

    return RandomSearcher()  # Hyperband draws at random too: what it adds is when training jobs are stopped
