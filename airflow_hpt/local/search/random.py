"""Random search: configuration `index` depends on the seed and the index, and on nothing that timing could change."""

import random

from airflow_hpt.domain.space import Space, Value
from airflow_hpt.local.search.base import Problem
from airflow_hpt.local.search.repeats import Key, configurations, exhausted, key_of, taken

ATTEMPTS = 100  # redraws before a finite space is listed; a space that is mostly unused never gets there


class RandomSearcher:
    """Draws every configuration independently, and anew when it is a repeat."""

    def suggest(self, problem: Problem) -> dict[str, Value]:
        """Return a random configuration that has not run."""
        space, used = problem.space, taken(problem)
        draws = random.Random(f"{problem.seed}:{problem.index}")
        for _ in range(ATTEMPTS):
            drawn = space.decode([draws.random() for _ in space.ranges])
            if key_of(space, drawn) not in used:
                return drawn
        return any_left(space, used, draws)


def any_left(space: Space, used: set[Key], draws: random.Random) -> dict[str, Value]:
    """Return one of the configurations that are not in `used`, each as likely as the next."""
    if space.size > len(used) + ATTEMPTS**3:  # a continuous range too narrow for its floats: repeats cannot be helped
        return space.decode([draws.random() for _ in space.ranges])
    left = [each for each in configurations(space) if key_of(space, each) not in used]
    if not left:
        raise exhausted(space)
    return draws.choice(left)
