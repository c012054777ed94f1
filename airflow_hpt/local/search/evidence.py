"""The most probable theta of a Gaussian process, by the evidence of its data.

Symbols as in `gp`; L is the negative log posterior of theta: the negative log marginal likelihood (Rasmussen & Williams
2006, eq. 5.8; gradient eq. 5.9) and the square of theta's distance from its prior.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve
from scipy.linalg.lapack import dpotri
from scipy.optimize import fmin_l_bfgs_b
from scipy.spatial.distance import cdist

from airflow_hpt.local.search.cube import Array, Indices
from airflow_hpt.local.search.gp import OFFSET, Model, Relative, factorised, matern
from airflow_hpt.local.search.warp import by_bend, warped

STEPS = 50  # of the minimisation; more change no suggestion worth the time


@dataclass(frozen=True, slots=True)
class Prior:
    """Independent normal distributions over theta, and the box that it stays in."""

    mean: Array
    sd: Array
    low: Array
    high: Array


def fit(z: Array, y: Array, owner: Indices, prior: Prior, *, relatives: tuple[Relative, ...] = ()) -> Model:
    """Return the model at the most probable theta."""
    bounds = np.column_stack([prior.low, prior.high]).tolist()
    begin = np.clip(prior.mean, prior.low, prior.high)
    theta = fmin_l_bfgs_b(Loss(z, y, owner, prior, relatives=relatives), begin, bounds=bounds, maxiter=STEPS)[0]
    return Model(z, y, owner, theta=theta, relatives=relatives)


class Loss:
    """L and its gradient as a function of theta."""

    def __init__(
        self, z: Array, y: Array, owner: Indices, prior: Prior, *, relatives: tuple[Relative, ...] = ()
    ) -> None:
        n = len(y)
        self.z, self.y, self.prior = z, y, prior
        self.owner = np.eye(int(owner.max()) + 1)[owner]  # (c, d)
        self.means = np.array([each.mean for each in relatives]).reshape(-1, n)
        self.covariances = np.array([each.covariance for each in relatives]).reshape(-1, n, n)
        self.offset = OFFSET if relatives else 0.0

    def __call__(self, theta: Array) -> tuple[float, Array]:
        """Return value and gradient at `theta`."""
        d = self.owner.shape[1]
        scale, a, b = (self.owner @ np.exp([-theta[:d], theta[d : 2 * d], theta[2 * d : 3 * d]]).T).T
        scaled = warped(self.z, a, b) * scale
        signal, noise = np.exp(theta[3 * d : 3 * d + 2])
        w = theta[3 * d + 2 :]
        value, slope = matern(cdist(scaled, scaled, "sqeuclidean"))
        factor = factorised(signal * value + np.tensordot(w**2, self.covariances, axes=1) + self.offset, noise)
        residual = self.y - w @ self.means
        alpha = cho_solve((factor, True), residual, check_finite=False)
        pull = 0.5 * (_inverse(factor) - alpha[:, None] * alpha[None, :])  # dL / dK
        stretch = signal * slope * pull
        by_scaled = 2 * (stretch @ scaled - stretch.sum(axis=0)[:, None] * scaled)  # dL / dU
        by_a, by_b = by_bend(self.z, a, b)
        by_theta = np.concatenate(
            [
                -np.sum(by_scaled * scaled, axis=0) @ self.owner,
                np.sum(by_scaled * by_a, axis=0) * scale @ self.owner,
                np.sum(by_scaled * by_b, axis=0) * scale @ self.owner,
                [signal * np.sum(pull * value), noise * np.trace(pull)],
                2 * w * np.tensordot(self.covariances, pull, axes=2) - self.means @ alpha,
            ]
        )
        distance = (theta - self.prior.mean) / self.prior.sd
        loss = 0.5 * residual @ alpha + np.log(np.diag(factor)).sum() + 0.5 * distance @ distance
        return float(loss), by_theta + distance / self.prior.sd


def _inverse(factor: Array) -> Array:
    lower = dpotri(factor, lower=1)[0]
    return np.asarray(lower + np.tril(lower, -1).T)
