"""The first training jobs of a search, before or beside its model.

Symbols: X (n, d) coordinates.
"""

import numpy as np
from scipy.stats import qmc

from airflow_hpt.local.search.cube import Array, Cube

SCATTERED_FIRST = 6  # quasi-random training jobs before a search without parents has a model
LOOK = 6  # the binary logarithm of how many quasi-random points measure what parents covered
COVERED = 0.5  # the share of the space below which the rest of it is explored on purpose


def scattered(cube: Cube, *, seed: int, index: int) -> Array:
    """Return the quasi-random point (1, d) number `index` of a search."""
    return cube.snap(_sobol(cube, seed, index.bit_length())[index : index + 1])


def unexplored(cube: Cube, known: Array, *, seed: int) -> Array:
    """Return the points to begin with when the known ones X (n, d) lie in a part of the space; none when they do not.

    A model trusts what it sees of a part too far outside of it, so a search in widened ranges would stay in the old
    ones; a few points outside tell it what is there.
    """
    points = cube.snap(_sobol(cube, seed, LOOK))
    is_inside = np.ones(len(points), dtype=bool)
    for j in range(cube.dimensions):
        column = known[:, j]
        between = (points[:, j] >= column.min()) & (points[:, j] <= column.max())
        is_inside &= np.isin(points[:, j], column) if cube.is_categorical[j] else between
    outside = points[~is_inside]
    return outside[:SCATTERED_FIRST] if is_inside.mean() < COVERED else outside[:0]


def _sobol(cube: Cube, seed: int, power: int) -> Array:
    return np.asarray(qmc.Sobol(cube.dimensions, rng=np.random.default_rng(seed)).random_base2(power))
