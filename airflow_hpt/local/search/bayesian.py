"""Bayesian search: a Gaussian process says where improvement is likely, and the next training job goes there."""

import zlib

import numpy as np
from threadpoolctl import threadpool_limits

from airflow_hpt.domain.space import Value
from airflow_hpt.local.search.acquisition import log_expected_improvement, slopes
from airflow_hpt.local.search.base import Observation, Problem
from airflow_hpt.local.search.cube import Array, Cube
from airflow_hpt.local.search.evidence import fit
from airflow_hpt.local.search.gp import Model, Relative
from airflow_hpt.local.search.maximiser import Acquisition, maximise
from airflow_hpt.local.search.objective import losses, magnitude, representative, softened, standardised
from airflow_hpt.local.search.openings import SCATTERED_FIRST, scattered, unexplored
from airflow_hpt.local.search.priors import prior_for
from airflow_hpt.local.search.random import RandomSearcher
from airflow_hpt.local.search.repeats import key_of, taken
from airflow_hpt.local.search.transfer import Lesson, calibrated, learned, seeds

MODEL_POINTS = 800  # observations that the model of the child keeps
FAILED_POINTS = 100  # failed training jobs that it keeps, the newest
FIT_POINTS = 150  # observations that theta is fitted to
AGREEING = 3  # parents whose seeds need no quasi-random training job after them that shows whether they are any good
MARGIN = 0.02  # standard deviations of the objective below which an improvement is none: else the search would polish
SETTLED = 12  # training jobs on this task after which every second one holds a category fixed
BEST = 5  # configurations that the search looks around


class BayesianSearcher:
    """Suggests where a model of everything that is known expects the largest improvement."""

    def __init__(self) -> None:
        # What parents teach does not change while a tuning job runs. Keeping it changes no suggestion, only its time.
        self._lessons: tuple[object, tuple[Lesson, ...]] = (None, ())

    def suggest(self, problem: Problem) -> dict[str, Value]:
        """Return the next configuration to train."""
        cube = Cube(problem.space)
        used = taken(problem)
        # The matrices are small and the processors belong to the training jobs: more threads would only cost time.
        with threadpool_limits(limits=1, user_api="blas"):
            ranked = self._ranked(problem, cube)
        for x in ranked:
            configuration = cube.decode(x)
            if key_of(problem.space, configuration) not in used:
                return configuration
        return RandomSearcher().suggest(problem)

    def _ranked(self, problem: Problem, cube: Cube) -> Array:
        """Return coordinates (m, d) worth training, the best first."""
        if not cube.dimensions:
            return np.zeros((1, 0))
        x, y = _known(problem, cube)
        first = _openings(problem, cube)
        if problem.index < len(first):
            return first[problem.index :]
        late, finished = problem.index - len(first), int(np.isfinite(y).sum())
        lessons = self._taught(problem, cube)
        if lessons and finished and (late > 0 or len(lessons) >= AGREEING):
            return _by_model(problem, cube, x, y, lessons)
        if finished >= 2 and (problem.same_task or late >= SCATTERED_FIRST):
            return _by_model(problem, cube, x, y, ())
        return scattered(cube, seed=problem.seed, index=late)

    def _taught(self, problem: Problem, cube: Cube) -> tuple[Lesson, ...]:
        if problem.same_task:
            return ()
        key = (problem.space, problem.maximize, problem.parents)
        kept, lessons = self._lessons
        if kept != key:
            lessons = learned(problem.parents, cube, maximize=problem.maximize)
            self._lessons = (key, lessons)
        return lessons


def _known(problem: Problem, cube: Cube) -> tuple[Array, Array]:
    """Return coordinates and losses of every training job of this task, the parents' too when they had the same."""
    known = [*problem.observations, *(_inherited(problem) if problem.same_task else ())]
    return cube.encode([each.hyperparameters for each in known]), losses(known, maximize=problem.maximize)


def _inherited(problem: Problem) -> list[Observation]:
    return [each for parent in problem.parents for each in parent.observations]


def _openings(problem: Problem, cube: Cube) -> Array:
    """Return the coordinates of the training jobs to begin with, known before any of them ran."""
    if not problem.same_task:
        return cube.encode(seeds(problem, cube))
    inherited = _inherited(problem)
    is_finished = np.isfinite(losses(inherited, maximize=problem.maximize))
    x = cube.encode([each.hyperparameters for each in inherited])[is_finished]
    return unexplored(cube, x, seed=problem.seed) if len(x) else x


def _by_model(problem: Problem, cube: Cube, x: Array, y: Array, lessons: tuple[Lesson, ...]) -> Array:
    finished = np.flatnonzero(np.isfinite(y))
    kept = finished[representative(y[finished], MODEL_POINTS)]
    failed = x[~np.isfinite(y)][-FAILED_POINTS:]
    z = cube.expand(x[kept])
    model = _modelled(z, y[kept], cube, lessons=lessons, failed=cube.expand(failed), is_rough=bool(problem.index % 2))
    best = float(model.predict(z)[0].min()) - MARGIN
    model = model.believing(cube.expand(cube.encode(problem.pending)))
    rng = np.random.default_rng(zlib.crc32(f"{problem.seed}:{problem.index}".encode()))
    around = x[kept][np.argsort(y[kept], kind="stable")[:BEST]]
    is_settled = len(x) + len(problem.pending) >= SETTLED
    held = _held(cube, rng) if is_settled and problem.index % 2 else None
    return maximise(_improvement(model, cube, best), cube, around=around, rng=rng, held=held)


def _modelled(z: Array, y: Array, cube: Cube, *, lessons: tuple[Lesson, ...], failed: Array, is_rough: bool) -> Model:
    """Return the posterior; a failed training job counts as a bad one, which keeps the search away from it."""
    scale = magnitude(y)
    values = softened(y / scale)
    if lessons:
        expected = np.mean([Relative(each.model, z).mean for each in lessons], axis=0)
        usual = float(np.mean([each.log_spread for each in lessons]) - np.log(scale))
        values = calibrated(values, expected, usual)
    else:
        values = standardised(values)
    values = np.concatenate([values, np.full(len(failed), np.max(values))])
    z = np.vstack([z, failed])
    rows = representative(values, FIT_POINTS)
    prior = prior_for(cube.dimensions, len(lessons), is_rough=is_rough)
    theta = fit(z[rows], values[rows], cube.owner, prior, relatives=_seen_from(z[rows], lessons)).theta
    return Model(z, values, cube.owner, theta=theta, relatives=_seen_from(z, lessons))


def _seen_from(z: Array, lessons: tuple[Lesson, ...]) -> tuple[Relative, ...]:
    return tuple(Relative(each.model, z) for each in lessons)


def _held(cube: Cube, rng: np.random.Generator) -> tuple[int, float] | None:
    """Return a category to hold fixed, drawn at random.

    Hyperparameters that matter with one category and not with another mislead a model that has seen little of the
    other: it would stay away from it for good.
    """
    choices = [(j, each) for j, each in enumerate(cube.lattices) if each is not None and cube.is_categorical[j]]
    if not choices:
        return None
    j, lattice = choices[rng.integers(len(choices))]
    return j, float(rng.choice(lattice))


def _improvement(model: Model, cube: Cube, best: float) -> Acquisition:
    """Return log expected improvement over `best` under `model`."""

    def values(x: Array) -> Array:
        return log_expected_improvement(*model.predict(cube.expand(x)), best)

    def with_slopes(x: Array) -> tuple[Array, Array]:
        mean, sd, by_mean_z, by_sd_z = model.slopes(cube.expand(x))
        by_mean, by_sd = slopes(mean, sd, best)
        by_z = by_mean[:, None] * by_mean_z + by_sd[:, None] * by_sd_z
        return log_expected_improvement(mean, sd, best), cube.contract(by_z)

    return Acquisition(values, with_slopes)
