"""A Gaussian process over one task, or over a task and its relatives.

Symbols, with n observations, d dimensions, T tasks (task 0 is the one that is searched):

- X (n, d) coordinates, y (n,) standardised objectives, t (n,) the task of each observation
- D (d, n, n) squared differences by dimension; for categories 0 where equal and 1 where not
- l (d,) length scales, v signal variance, e noise variance, w (T,) how much each task goes with the common trend
- r^2 = sum_j D_j / l_j^2, and K = v B m(r) + e I with m(r) = (1 + a + a^2 / 3) exp(-a), a = sqrt(5) r (Matern 5/2)
- B (T, T) = w w' off the diagonal and 1 on it: intrinsic coregionalisation (Bonilla et al. 2008, eq. 3), w_0 = 1

theta holds log l, log v, log e and u_1..u_T-1 with w = tanh(u), and is fitted to the log marginal likelihood (Rasmussen
& Williams 2006, eq. 5.8; gradient eq. 5.9) plus a normal prior on theta.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, solve_triangular
from scipy.linalg.lapack import dpotrf, dpotri
from scipy.optimize import fmin_l_bfgs_b

from airflow_hpt.local.search.cube import Array, Flags, Indices

ROOT5 = np.sqrt(5.0)
JITTER = 1e-8  # added to the diagonal, and ten times more at each failed factorisation


@dataclass(frozen=True, slots=True)
class Data:
    """What a model is fitted to; `is_categorical` (d,) says how coordinates differ."""

    x: Array
    y: Array
    task: Indices
    is_categorical: Flags

    @property
    def tasks(self) -> int:
        """Return T."""
        return int(self.task.max(initial=0)) + 1


@dataclass(frozen=True, slots=True)
class Prior:
    """Independent normal distributions over theta, and the box that it stays in."""

    mean: Array
    sd: Array
    low: Array
    high: Array


def differences(a: Array, b: Array, is_categorical: Flags) -> Array:
    """Return squared differences (d, len(a), len(b)) between the rows of `a` and `b`."""
    gap = a.T[:, :, None] - b.T[:, None, :]
    return np.where(is_categorical[:, None, None], gap != 0, gap * gap).astype(float)


def matern(r2: Array) -> tuple[Array, Array]:
    """Return m(r) and -dm/d(r^2) * 2 for squared distances."""
    a = ROOT5 * np.sqrt(r2)
    decay = np.exp(-a)
    return (1 + a + a * a / 3) * decay, (5 / 3) * (1 + a) * decay


class Model:
    """The posterior at one theta."""

    def __init__(self, data: Data, theta: Array) -> None:
        d = data.x.shape[1]
        self.data = data
        self.theta = theta
        self.inverse_lengths2 = np.exp(-2 * theta[:d])
        self.signal, self.noise = np.exp(theta[d : d + 2])
        self.weights = np.concatenate([[1.0], np.tanh(theta[d + 2 :])])
        r2 = np.tensordot(self.inverse_lengths2, differences(data.x, data.x, data.is_categorical), axes=1)
        covariance = self.signal * coregion(self.weights, data.task) * matern(r2)[0]
        self.factor = factorised(covariance, self.noise)
        self.alpha = cho_solve((self.factor, True), data.y)

    def _to(self, x: Array) -> tuple[Array, Array, Array]:
        gaps = differences(self.data.x, x, self.data.is_categorical)
        value, slope = matern(np.tensordot(self.inverse_lengths2, gaps, axes=1))
        share = np.where(self.data.task == 0, 1.0, self.weights[self.data.task])[:, None] * self.signal
        return share * value, share * slope, gaps

    def predict(self, x: Array) -> tuple[Array, Array]:
        """Return mean and standard deviation (m,) of task 0, without noise, at the rows of `x` (m, d)."""
        k = self._to(x)[0]
        half = solve_triangular(self.factor, k, lower=True, check_finite=False)
        variance = self.signal - np.einsum("ij,ij->j", half, half)
        return self.alpha @ k, np.sqrt(np.maximum(variance, 1e-12 * self.signal))

    def predict_with_slopes(self, x: Array) -> tuple[float, float, Array, Array]:
        """Return mean, standard deviation and their gradients (d,) at one point `x` (d,)."""
        k, slope, _ = self._to(x[None, :])
        weighted = cho_solve((self.factor, True), k[:, 0], check_finite=False)
        variance = max(self.signal - k[:, 0] @ weighted, 1e-12 * self.signal)
        by_x = slope * (self.data.x - x) * self.inverse_lengths2 * ~self.data.is_categorical  # (n, d)
        sd = float(np.sqrt(variance))
        return float(self.alpha @ k[:, 0]), sd, self.alpha @ by_x, -(weighted @ by_x) / sd

    def believing(self, x: Array) -> "Model":
        """Return the model that takes its own mean at the rows of `x` for results (kriging believer)."""
        if not len(x):
            return self
        data = self.data
        y, task = np.concatenate([data.y, self.predict(x)[0]]), np.concatenate([data.task, np.zeros(len(x), int)])
        return Model(Data(np.vstack([data.x, x]), y, task, data.is_categorical), self.theta)


def coregion(weights: Array, task: Indices) -> Array:
    """Return B for every pair of observations."""
    w = weights[task]
    return np.where(task[:, None] == task[None, :], 1.0, w[:, None] * w[None, :])


def factorised(covariance: Array, noise: float) -> Array:
    """Return the lower Cholesky factor of `covariance` with `noise` on the diagonal."""
    jitter, n = JITTER, len(covariance)
    while True:
        shifted = covariance.copy()
        shifted.flat[:: n + 1] += noise + jitter
        factor, info = dpotrf(shifted, lower=1, clean=1)
        if info == 0:
            return np.asarray(factor)
        jitter *= 10


def fit(data: Data, prior: Prior, *, start: Array | None = None, steps: int = 50) -> Model:
    """Return the model at the most probable theta."""
    begin = np.clip(prior.mean if start is None else start, prior.low, prior.high)
    bounds = np.column_stack([prior.low, prior.high]).tolist()
    theta = fmin_l_bfgs_b(Loss(data, prior), begin, bounds=bounds, maxiter=steps)[0]
    return Model(data, theta)


class Loss:
    """The negative log posterior of theta and its gradient, up to a constant."""

    def __init__(self, data: Data, prior: Prior) -> None:
        self.data, self.prior = data, prior
        self.gaps = differences(data.x, data.x, data.is_categorical)
        self.is_same = data.task[:, None] == data.task[None, :]
        self.member = np.eye(data.tasks)[data.task]  # (n, T)

    def __call__(self, theta: Array) -> tuple[float, Array]:
        """Return value and gradient at `theta`."""
        d = self.data.x.shape[1]
        inverse_lengths2 = np.exp(-2 * theta[:d])
        signal, noise = np.exp(theta[d : d + 2])
        weights = np.concatenate([[1.0], np.tanh(theta[d + 2 :])])
        value, slope = matern(np.tensordot(inverse_lengths2, self.gaps, axes=1))
        shared = signal * value
        w = weights[self.data.task]
        b = np.where(self.is_same, 1.0, w[:, None] * w[None, :]) if len(weights) > 1 else 1.0
        factor = factorised(shared * b, noise)
        alpha = cho_solve((factor, True), self.data.y, check_finite=False)
        inverse = dpotri(factor, lower=1)[0]
        inverse = inverse + np.tril(inverse, -1).T
        pull = 0.5 * (inverse - alpha[:, None] * alpha[None, :])  # dL/dK
        by_lengths = (self.gaps.reshape(d, -1) @ (pull * b * slope).ravel()) * signal * inverse_lengths2
        by_signal = np.sum(pull * b * shared)
        by_noise = noise * np.trace(pull)
        by_u = self._by_weights(pull * shared, weights)
        distance = (theta - self.prior.mean) / self.prior.sd
        loss = 0.5 * self.data.y @ alpha + np.log(np.diag(factor)).sum() + 0.5 * distance @ distance
        gradient = np.concatenate([by_lengths, [by_signal, by_noise], by_u]) + distance / self.prior.sd
        return float(loss), gradient

    def _by_weights(self, pull: Array, weights: Array) -> Array:
        if len(weights) == 1:
            return np.zeros(0)
        by_pair = self.member.T @ np.where(self.is_same, 0.0, pull) @ self.member  # (T, T)
        return np.asarray(2 * by_pair @ weights * (1 - weights**2))[1:]
