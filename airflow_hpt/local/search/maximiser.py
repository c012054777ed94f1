"""Where the acquisition is largest: a broad look, then refinement of the best few.

Symbols: X (m, d) candidate coordinates; a(x) the acquisition, larger is better.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import fmin_l_bfgs_b
from scipy.stats import qmc

from airflow_hpt.local.search.cube import Array, Cube

SCATTERED = 10  # the binary logarithm of the number of quasi-random candidates
STARTS = 5  # candidates that are refined
ROUNDS = 3  # passes of numeric and lattice refinement over each of them
STEPS = 20  # gradient steps in one pass
PULLS = (0.2, 0.05, 0.01)  # sizes of the steps around the best configurations known


@dataclass(frozen=True, slots=True)
class Acquisition:
    """a(x): for many points at once, and for one point with its gradient."""

    values: Callable[[Array], Array]
    with_slope: Callable[[Array], tuple[float, Array]]


def maximise(acquisition: Acquisition, cube: Cube, *, around: Array, seed: int) -> Array:
    """Return candidates X (m, d), the best first; `around` (k, d) are points worth searching near."""
    rng = np.random.default_rng(seed)
    x = np.unique(cube.snap(np.vstack([scattered(cube, rng), mutated(around, cube, rng)])), axis=0)
    values = acquisition.values(x)
    best = np.argsort(-values)[:STARTS]
    refined = np.array([_refined(acquisition, cube, x[i], values[i]) for i in best])
    return np.vstack([x, refined])[np.argsort(-np.concatenate([values, acquisition.values(refined)]), kind="stable")]


def scattered(cube: Cube, rng: np.random.Generator) -> Array:
    """Return quasi-random coordinates."""
    return np.asarray(qmc.Sobol(cube.dimensions, rng=rng).random_base2(SCATTERED))


def mutated(around: Array, cube: Cube, rng: np.random.Generator) -> Array:
    """Return variations of the points `around`: some coordinates moved a little, or drawn anew."""
    parents = np.repeat(np.clip(around, 0, 1), 20 * len(PULLS), axis=0)
    pull = np.resize(np.array(PULLS), len(parents))[:, None]
    moved = parents + pull * rng.standard_normal(parents.shape)
    moved = np.where(cube.is_categorical | (rng.random(parents.shape) < 0.1), rng.random(parents.shape), moved)
    chosen = rng.random(parents.shape) < np.maximum(0.3, 1.0 / cube.dimensions)
    return np.where(chosen, moved, parents)


def _refined(acquisition: Acquisition, cube: Cube, x: Array, value: float) -> Array:
    for _ in range(ROUNDS):
        before = value
        x, value = _along_numbers(acquisition, cube, x, value)
        x, value = _along_lattices(acquisition, cube, x, value)
        if value - before < 1e-4:
            break
    return x


def _along_numbers(acquisition: Acquisition, cube: Cube, x: Array, value: float) -> tuple[Array, float]:
    free = [j for j, lattice in enumerate(cube.lattices) if lattice is None]
    if not free:
        return x, value

    def loss(part: Array) -> tuple[float, Array]:
        whole = x.copy()
        whole[free] = part
        at, slope = acquisition.with_slope(whole)
        return -at, -slope[free]

    part, least, _ = fmin_l_bfgs_b(loss, x[free], bounds=[(0.0, 1.0)] * len(free), maxiter=STEPS)
    if -least <= value:
        return x, value
    moved = x.copy()
    moved[free] = part
    return moved, float(-least)


def _along_lattices(acquisition: Acquisition, cube: Cube, x: Array, value: float) -> tuple[Array, float]:
    neighbours = [_with(x, j, at) for j, lattice in enumerate(cube.lattices) if lattice is not None for at in lattice]
    if not neighbours:
        return x, value
    values = acquisition.values(np.array(neighbours))
    best = int(np.argmax(values))
    return (neighbours[best], float(values[best])) if values[best] > value else (x, value)


def _with(x: Array, j: int, at: float) -> Array:
    changed = x.copy()
    changed[j] = at
    return changed
