"""Where the acquisition is largest: a broad look, then refinement of the best few.

Symbols: X (m, d) candidate coordinates; a(x) the acquisition, larger is better.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy.optimize import fmin_l_bfgs_b
from scipy.stats import qmc

from airflow_hpt.local.search.cube import Array, Cube

SCATTERED = 10  # the binary logarithm of the number of quasi-random candidates
STARTS = 5  # candidates that are refined
ROUNDS = 3  # passes of numeric and lattice refinement over each of them
ENOUGH = 1e-4  # gain in a pass below which refinement ends
STEPS = 20  # gradient steps in one pass
PRECISE = 1e10  # in units of machine precision: gradient steps end when the acquisition changes by less
PULLS = (0.2, 0.05, 0.01)  # sizes of the steps around the best configurations known


Steps: TypeAlias = list[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Acquisition:
    """a(x) for many points (m, d) at once: values (m,), and values with gradients (m, d)."""

    values: Callable[[Array], Array]
    with_slopes: Callable[[Array], tuple[Array, Array]]


def maximise(
    acquisition: Acquisition,
    cube: Cube,
    *,
    around: Array,
    rng: np.random.Generator,
    held: tuple[int, float] | None = None,
) -> Array:
    """Return candidates X (m, d), the best first.

    `around` (k, d) are points worth searching near; `held` is a dimension and the only coordinate it may take.
    """
    x = cube.snap(np.vstack([scattered(cube, rng), mutated(around, cube, rng)]))
    if held:
        x[:, held[0]] = held[1]
    x = np.unique(x, axis=0)
    values = acquisition.values(x)
    steps = [
        (j, at) for j, each in enumerate(cube.lattices) if each is not None and not _is_held(j, held) for at in each
    ]
    best = np.argsort(-values, kind="stable")[:STARTS]
    refined = _refined(acquisition, cube, steps, x[best], values[best])
    ranking = np.argsort(-np.concatenate([acquisition.values(refined), values]), kind="stable")
    return np.vstack([refined, x])[ranking]


def _is_held(j: int, held: tuple[int, float] | None) -> bool:
    return held is not None and held[0] == j


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


def _refined(acquisition: Acquisition, cube: Cube, steps: Steps, x: Array, values: Array) -> Array:
    for _ in range(ROUNDS):
        before = values
        x, values = _along_numbers(acquisition, cube, x, values)
        x, values = _along_lattices(acquisition, steps, x, values)
        if np.max(values - before) < ENOUGH:
            break
    return x


def _along_numbers(acquisition: Acquisition, cube: Cube, x: Array, values: Array) -> tuple[Array, Array]:
    """Return the points that gradient steps lead to, and their values.

    All of them are refined in one minimisation of the sum, as BoTorch does: fewer and larger steps in Python.
    """
    free = [j for j, lattice in enumerate(cube.lattices) if lattice is None]
    if not free:
        return x, values

    def at(part: Array) -> Array:
        whole = x.copy()
        whole[:, free] = part.reshape(len(x), len(free))
        return whole

    def loss(part: Array) -> tuple[float, Array]:
        found, slopes = acquisition.with_slopes(at(part))
        return -float(found.sum()), -slopes[:, free].ravel()

    start = x[:, free].ravel()
    end = fmin_l_bfgs_b(loss, start, bounds=[(0.0, 1.0)] * len(start), maxiter=STEPS, factr=PRECISE)[0]
    return _better(x, values, at(end), acquisition.values(at(end)))


def _along_lattices(acquisition: Acquisition, steps: Steps, x: Array, values: Array) -> tuple[Array, Array]:
    """Return the best points that differ in one integer or category, and their values."""
    if not steps:
        return x, values
    neighbours = np.repeat(x[:, None, :], len(steps), axis=1)
    for column, (j, at) in enumerate(steps):
        neighbours[:, column, j] = at
    found = acquisition.values(neighbours.reshape(-1, x.shape[1])).reshape(len(x), len(steps))
    best = found.argmax(axis=1)
    rows = np.arange(len(x))
    return _better(x, values, neighbours[rows, best], found[rows, best])


def _better(x: Array, values: Array, others: Array, found: Array) -> tuple[Array, Array]:
    return np.where((found > values)[:, None], others, x), np.maximum(found, values)
