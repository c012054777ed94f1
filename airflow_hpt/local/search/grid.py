"""Grid search: every combination of the ranges' values, in the order of the request."""

from airflow_hpt.domain.space import Value
from airflow_hpt.local.search.base import Problem
from airflow_hpt.local.search.repeats import configurations, exhausted, key_of, taken


class GridSearcher:
    """Walks through a finite space, the last range turning fastest."""

    def suggest(self, problem: Problem) -> dict[str, Value]:
        """Return the first combination that has not run."""
        used = taken(problem)
        left = (each for each in configurations(problem.space) if key_of(problem.space, each) not in used)
        try:
            return next(left)
        except StopIteration:
            raise exhausted(problem.space) from None
