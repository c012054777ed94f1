"""Bayesian search: a Gaussian process says where improvement is likely, and the next training job goes there."""

import zlib

import numpy as np
from scipy.stats import qmc

from airflow_hpt.domain.space import Value
from airflow_hpt.local.search.acquisition import log_expected_improvement, slopes
from airflow_hpt.local.search.base import Observation, Problem
from airflow_hpt.local.search.cube import Array, Cube
from airflow_hpt.local.search.gp import Data, Model, Prior, fit
from airflow_hpt.local.search.maximiser import Acquisition, maximise
from airflow_hpt.local.search.objective import softened, standardised
from airflow_hpt.local.search.random import RandomSearcher
from airflow_hpt.local.search.repeats import key_of, taken

SCATTERED_FIRST = 6  # quasi-random training jobs before a cold search has a model


class BayesianSearcher:
    """Suggests where a model of everything that is known expects the largest improvement."""

    def suggest(self, problem: Problem) -> dict[str, Value]:
        """Return the next configuration to train."""
        cube = Cube(problem.space)
        known = list(problem.observations)
        if problem.same_task:
            known += [each for parent in problem.parents for each in parent.observations]
        finished = [each for each in known if _is_finite(each)]
        if cube.dimensions and len(finished) >= 2 and (problem.parents or problem.index >= SCATTERED_FIRST):
            ranked = self._by_model(problem, cube, finished)
        elif cube.dimensions:
            sobol = qmc.Sobol(cube.dimensions, rng=np.random.default_rng(problem.seed))
            ranked = cube.snap(sobol.random_base2(problem.index.bit_length())[problem.index :][:1])
        else:
            ranked = np.zeros((1, 0))
        used = taken(problem)
        for x in ranked:
            configuration = cube.decode(x)
            if key_of(problem.space, configuration) not in used:
                return configuration
        return RandomSearcher().suggest(problem)

    def _by_model(self, problem: Problem, cube: Cube, finished: list[Observation]) -> Array:
        y = np.array([each.objective for each in finished], dtype=float) * (-1 if problem.maximize else 1)
        x = cube.encode([each.hyperparameters for each in finished])
        data = Data(x, standardised(softened(y)), np.zeros(len(y), int), cube.is_categorical)
        model = fit(data, prior_for(cube.dimensions))
        model = model.believing(cube.encode(problem.pending))
        best = float(model.predict(x)[0].min())
        seed = zlib.crc32(f"{problem.seed}:{problem.index}".encode())
        around = x[np.argsort(y, kind="stable")[:5]]
        return maximise(improvement(model, best), cube, around=around, seed=seed)


def improvement(model: Model, best: float) -> Acquisition:
    """Return log expected improvement over `best` under `model`."""

    def values(x: Array) -> Array:
        return log_expected_improvement(*model.predict(x), best)

    def with_slope(x: Array) -> tuple[float, Array]:
        mean, sd, mean_slope, sd_slope = model.predict_with_slopes(x)
        by_mean, by_sd = slopes(np.array(mean), np.array(sd), best)
        return float(
            log_expected_improvement(np.array(mean), np.array(sd), best)
        ), by_mean * mean_slope + by_sd * sd_slope

    return Acquisition(values, with_slope)


def prior_for(d: int) -> Prior:
    """Return the prior over theta of a cold search in d dimensions."""
    mean = np.concatenate([np.full(d, np.log(0.5) + 0.5 * np.log(d)), [0.0, -6.0]])
    sd = np.concatenate([np.full(d, 1.5), [1.0, 2.0]])
    low = np.concatenate([np.full(d, np.log(0.02)), [-6.0, -14.0]])
    high = np.concatenate([np.full(d, np.log(50.0)), [6.0, 1.0]])
    return Prior(mean, sd, low, high)


def _is_finite(observation: Observation) -> bool:
    return observation.objective is not None and bool(np.isfinite(observation.objective))
