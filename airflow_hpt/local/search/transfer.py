"""What a tuning job learns from parents on related tasks.

Symbols: y (n,) the child's losses, softened; p (n,) what the parents expect at the child's points, in their units.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from airflow_hpt.domain.space import Hyperparameters
from airflow_hpt.local.search.base import Parent, Problem
from airflow_hpt.local.search.cube import Array, Cube
from airflow_hpt.local.search.evidence import fit
from airflow_hpt.local.search.gp import Model
from airflow_hpt.local.search.objective import TIED, losses, magnitude, representative, softened, standardised
from airflow_hpt.local.search.priors import prior_for

PARENT_POINTS = 120  # observations of one parent that its model keeps
ENOUGH = 3  # observations below which a parent has no model
EXTREME = 25.0  # the logarithm of the largest ratio of scales that is believed
NEAR = 0.05  # seeds closer than this (root mean square over the dimensions) count as one


@dataclass(frozen=True, slots=True)
class Lesson:
    """A model of one parent, in units of the spread of its losses; `log_spread` is that spread's logarithm."""

    model: Model
    log_spread: float


def seeds(problem: Problem, cube: Cube) -> list[Hyperparameters]:
    """Return each parent's best configuration within the ranges, newest parent first, near-duplicates dropped.

    They are the first training jobs of the child. On refreshed data they also score the incumbent anew.
    """
    found: list[Hyperparameters] = []
    for parent in problem.parents:
        y = losses(parent.observations, maximize=problem.maximize)
        order = [parent.observations[i].hyperparameters for i in np.argsort(y, kind="stable") if np.isfinite(y[i])]
        best = next((each for each in order if problem.space.contains(each)), None)
        if best is not None and _is_new(best, found, cube):
            found.append(best)
    return found


def _is_new(candidate: Hyperparameters, found: list[Hyperparameters], cube: Cube) -> bool:
    if not found:
        return True
    gaps = cube.expand(cube.encode(found)) - cube.expand(cube.encode([candidate]))
    return bool(np.sqrt((gaps**2).sum(axis=1) / cube.dimensions).min() > NEAR)


def learned(parents: Sequence[Parent], cube: Cube, *, maximize: bool) -> tuple[Lesson, ...]:
    """Return what every parent teaches that finished enough training jobs."""
    lessons = []
    for parent in parents:
        y = losses(parent.observations, maximize=maximize)
        finite = np.flatnonzero(np.isfinite(y))
        kept = finite[representative(y[finite], PARENT_POINTS)]
        if len(kept) < ENOUGH:
            continue
        scale = magnitude(y[kept])
        soft = softened(y[kept] / scale)
        if soft.std() > TIED:
            z = cube.expand(cube.encode([parent.observations[i].hyperparameters for i in kept]))
            model = fit(z, standardised(soft), cube.owner, prior_for(cube.dimensions, is_bent=False))
            lessons.append(Lesson(model, float(np.log(soft.std()) + np.log(scale))))
    return tuple(lessons)


def calibrated(y: Array, p: Array, usual: float) -> Array:
    """Return `y` in the parents' units.

    A child's first points are good ones, so their own mean and spread say little about its scale. They are compared
    with what the parents expect at the same points; the parents' own spread, whose logarithm is `usual`, counts as one
    such comparison.
    """
    n, own, expected = len(y), y.std(), p.std()
    seen = np.log(own / expected) if own > TIED and expected > TIED else usual
    spread = np.exp(np.clip((n * seen + usual) / (n + 1), -EXTREME, EXTREME))
    return np.asarray((y - y.mean()) / spread + p.mean())
