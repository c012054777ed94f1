"""A Gaussian process that may lean on the posteriors of related tasks.

Symbols, with n observations, d dimensions, c columns, T relatives, m points asked about:

- Z (n, c) expanded coordinates, owner (c,) the dimension of a column (see `cube`)
- y (n,) objectives on the model's scale, l (d,) length scales, v signal variance, e noise variance
- r^2 = |(z - z') / l|^2 and M(r) = (1 + a + a^2 / 3) exp(-a) with a = sqrt(5) r (Matern 5/2)
- mu_t(z), S_t(z, z') posterior mean and covariance of relative t, w (T,) how much this task follows each of them

Prior of the task: mean m(z) = sum_t w_t mu_t(z), covariance K(z, z') = v M(r) + sum_t w_t^2 S_t(z, z') + o. What a
relative knows arrives as mean, what it does not know as variance, and the data of the task decide on w (the idea of
"Scalable meta-learning with Gaussian processes", Tighineanu et al. 2024), with o for an unknown offset between tasks.
Posterior: Rasmussen & Williams (2006), eqs. 2.25 and 2.26. theta holds log l, log v, log e and w.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import cho_solve, solve_triangular
from scipy.linalg.lapack import dpotrf, dpotri
from scipy.spatial.distance import cdist

from airflow_hpt.local.search.cube import Array, Indices

ROOT5 = np.sqrt(5.0)
JITTER = 1e-8  # added to the diagonal, and ten times more at each failed factorisation
OFFSET = 0.3  # o, when there are relatives
LEAST = 1e-12  # variances below this are rounding errors


def matern(r2: Array) -> tuple[Array, Array]:
    """Return M(r) for squared distances, and -2 dM / d(r^2)."""
    a = ROOT5 * np.sqrt(r2)
    decay = np.exp(-a)
    return (1 + a + a * a / 3) * decay, (5 / 3) * (1 + a) * decay


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


def inverted(factor: Array) -> Array:
    """Return the inverse of the matrix whose lower Cholesky factor is `factor`."""
    lower = dpotri(factor, lower=1)[0]
    return np.asarray(lower + np.tril(lower, -1).T)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a posterior says at one point z (c,), with gradients by z; `cross` (n,) is its covariance with the data."""

    mean: float
    by_mean: Array
    variance: float
    by_variance: Array
    cross: Array
    by_cross: Array


class Relative:
    """The posterior of a related task, seen from the points Z (n, c) of this one."""

    def __init__(self, model: "Model", z: Array) -> None:
        self.model, self.u = model, z * model.scale
        k = model.kernel(model.u, self.u)
        self.mean: Array = model.alpha @ k
        self.gain: Array = cho_solve((model.factor, True), k, check_finite=False)  # (n_t, n)
        self.covariance: Array = model.kernel(self.u, self.u) - k.T @ self.gain

    def predict(self, z: Array) -> tuple[Array, Array, Array]:
        """Return mean (m,), variance (m,) and covariance with the data (n, m) at the rows of `z`."""
        u = z * self.model.scale
        k = self.model.kernel(self.model.u, u)
        half = solve_triangular(self.model.factor, k, lower=True, check_finite=False)
        variance = np.maximum(self.model.signal - np.einsum("ij,ij->j", half, half), 0.0)
        return self.model.alpha @ k, variance, self.model.kernel(self.u, u) - self.gain.T @ k

    def outlook(self, z: Array) -> Outlook:
        """Return what the relative says at one point."""
        k, pull = self.model.kernel_with_slope(self.model.u, z)
        own, own_pull = self.model.kernel_with_slope(self.u, z)
        weighted = self.model.inverse @ k
        return Outlook(
            mean=float(self.model.alpha @ k),
            by_mean=self.model.alpha @ pull,
            variance=max(float(self.model.signal - k @ weighted), 0.0),
            by_variance=-2 * weighted @ pull,
            cross=own - self.gain.T @ k,
            by_cross=own_pull - self.gain.T @ pull,
        )


class Model:
    """The posterior of a task at one theta."""

    def __init__(
        self, z: Array, y: Array, owner: Indices, *, theta: Array, relatives: tuple[Relative, ...] = ()
    ) -> None:
        d = int(owner.max()) + 1
        self.z, self.y, self.owner, self.theta, self.relatives = z, y, owner, theta, relatives
        self.scale: Array = np.exp(-theta[:d])[owner]
        self.u = z * self.scale
        self.signal, self.noise = np.exp(theta[d : d + 2]).tolist()
        self.offset = OFFSET if relatives else 0.0
        self.shares = list(zip(theta[d + 2 :].tolist(), relatives, strict=True))
        covariance, residual = self.offset + self.kernel(self.u, self.u), y.copy()
        for w, each in self.shares:
            covariance += w * w * each.covariance
            residual -= w * each.mean
        self.factor = factorised(covariance, self.noise)
        self.alpha: Array = cho_solve((self.factor, True), residual, check_finite=False)

    @cached_property
    def inverse(self) -> Array:
        """Return the inverse (n, n) of the covariance of the data: dear once, cheap for many single points."""
        return inverted(self.factor)

    def kernel(self, u: Array, v: Array) -> Array:
        """Return v M between the rows of `u` and `v`, both divided by the length scales."""
        return np.asarray(self.signal * matern(cdist(u, v, "sqeuclidean"))[0])

    def kernel_with_slope(self, u: Array, z: Array) -> tuple[Array, Array]:
        """Return v M (n,) between the rows of `u` (as in `kernel`) and z (c,), and its gradient (n, c) by z."""
        gap = u - z * self.scale
        value, slope = matern(np.einsum("ij,ij->i", gap, gap))
        return self.signal * value, (self.signal * slope)[:, None] * gap * self.scale

    def predict(self, z: Array) -> tuple[Array, Array]:
        """Return mean and standard deviation (m,), without noise, at the rows of `z` (m, c)."""
        k = self.offset + self.kernel(self.u, z * self.scale)
        mean, variance = np.zeros(len(z)), np.full(len(z), self.signal + self.offset)
        for w, each in self.shares:
            relative_mean, relative_variance, cross = each.predict(z)
            mean += w * relative_mean
            variance += w * w * relative_variance
            k += w * w * cross
        half = solve_triangular(self.factor, k, lower=True, check_finite=False)
        variance -= np.einsum("ij,ij->j", half, half)
        return mean + self.alpha @ k, np.sqrt(np.maximum(variance, LEAST))

    def slopes(self, z: Array) -> tuple[float, float, Array, Array]:
        """Return mean, standard deviation and their gradients (c,) at one point `z` (c,)."""
        k, pull = self.kernel_with_slope(self.u, z)
        k += self.offset
        mean, variance = 0.0, self.signal + self.offset
        by_mean, by_variance = np.zeros_like(z), np.zeros_like(z)
        for w, each in self.shares:
            said = each.outlook(z)
            mean, variance = mean + w * said.mean, variance + w * w * said.variance
            by_mean += w * said.by_mean
            by_variance += w * w * said.by_variance
            k += w * w * said.cross
            pull += w * w * said.by_cross
        weighted = cho_solve((self.factor, True), k, check_finite=False)
        sd = float(np.sqrt(max(variance - float(k @ weighted), LEAST)))
        return (
            mean + float(self.alpha @ k),
            sd,
            by_mean + self.alpha @ pull,
            (by_variance - 2 * weighted @ pull) / (2 * sd),
        )

    def believing(self, z: Array) -> "Model":
        """Return the model that takes its own mean at the rows of `z` for results (kriging believer)."""
        if not len(z):
            return self
        whole, y = np.vstack([self.z, z]), np.concatenate([self.y, self.predict(z)[0]])
        relatives = tuple(Relative(each.model, whole) for each in self.relatives)
        return Model(whole, y, self.owner, theta=self.theta, relatives=relatives)
