"""A Gaussian process that may lean on the posteriors of related tasks.

Symbols, with n observations, d dimensions, c columns, T relatives, m points asked about:

- Z (n, c) expanded coordinates, owner (c,) the dimension of a column (see `cube`)
- y (n,) objectives on the model's scale, l (d,) length scales, v signal variance, e noise variance
- U (n, c) = w(Z) / l, the coordinates bent (see `warp`) and scaled, a and b (d,) the bends
- r^2 = |u - u'|^2 and M(r) = (1 + a + a^2 / 3) exp(-a) with a = sqrt(5) r (Matern 5/2)
- mu_t(z), S_t(z, z') posterior mean and covariance of relative t, w (T,) how much this task follows each of them

Prior of the task: mean m(z) = sum_t w_t mu_t(z), covariance K(z, z') = v M(r) + sum_t w_t^2 S_t(z, z') + o. What a
relative knows arrives as mean, what it does not know as variance, and the data of the task decide on w (the idea of
"Scalable meta-learning with Gaussian processes", Tighineanu et al. 2024), with o for an unknown offset between tasks.
Posterior: Rasmussen & Williams (2006), eqs. 2.25 and 2.26. theta holds log l, log a, log b, log v, log e and w.
"""

from functools import cached_property

import numpy as np
from scipy.linalg import cho_solve, solve_triangular
from scipy.linalg.lapack import dpotrf
from scipy.spatial.distance import cdist

from airflow_hpt.local.search.cube import Array, Indices
from airflow_hpt.local.search.warp import by_point, warped

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


class Spots:
    """Points Z (m, c) as a model sees them: `at` is U (m, c)."""

    def __init__(self, model: "Model", z: Array) -> None:
        self.model, self.z, self.at = model, z, model.scaled(z)

    @cached_property
    def stretch(self) -> Array:
        """Return the derivative (m, c) of U by Z."""
        return (by_point(self.z, *self.model.bends) if self.model.is_bent else 1.0) * self.model.scale


class Link:
    """The kernel (n, m) of a model between known points, bent and scaled U (n, c), and spots."""

    def __init__(self, model: "Model", u: Array, spots: Spots) -> None:
        self.u, self.spots = u, spots
        value, slope = matern(cdist(u, spots.at, "sqeuclidean"))
        self.k, self.slope = model.signal * value, model.signal * slope

    def pulled(self, weights: Array) -> Array:
        """Return the gradient (m, c) by Z of the sums over the known points of fixed `weights` (n, m) times k."""
        pull = weights * self.slope
        return np.asarray((pull.T @ self.u - pull.sum(axis=0)[:, None] * self.spots.at) * self.spots.stretch)


class Outlook:
    """What a relative says at Z (m, c): mean and variance (m,), and covariance `cross` (n, m) with the data."""

    def __init__(self, relative: "Relative", z: Array) -> None:
        model, self.gain = relative.model, relative.gain
        spots = Spots(model, z)
        self.its, self.own = Link(model, model.u, spots), Link(model, relative.u, spots)
        self.alpha, self.solved = model.alpha[:, None], cho_solve((model.factor, True), self.its.k, check_finite=False)
        self.mean: Array = model.alpha @ self.its.k
        self.variance = np.maximum(model.signal - np.sum(self.its.k * self.solved, axis=0), 0.0)
        self.cross: Array = self.own.k - self.gain.T @ self.its.k

    def by_mean(self) -> Array:
        """Return the gradient (m, c) of the mean."""
        return self.its.pulled(self.alpha)

    def by_variance(self) -> Array:
        """Return the gradient (m, c) of the variance."""
        return -2 * self.its.pulled(self.solved)

    def pulled(self, weights: Array) -> Array:
        """Return the gradient (m, c) by Z of the sums over the data of fixed `weights` (n, m) times `cross`."""
        return self.own.pulled(weights) - self.its.pulled(self.gain @ weights)


class Relative:
    """The posterior of a related task, seen from the points Z (n, c) of this one."""

    def __init__(self, model: "Model", z: Array) -> None:
        self.model, self.u = model, model.scaled(z)
        k = model.kernel(model.u, self.u)
        self.mean: Array = model.alpha @ k
        self.gain: Array = cho_solve((model.factor, True), k, check_finite=False)  # (n_t, n)
        self.covariance: Array = model.kernel(self.u, self.u) - k.T @ self.gain


class Model:
    """The posterior of a task at one theta."""

    def __init__(
        self, z: Array, y: Array, owner: Indices, *, theta: Array, relatives: tuple[Relative, ...] = ()
    ) -> None:
        d = int(owner.max()) + 1
        self.z, self.y, self.owner, self.theta, self.relatives = z, y, owner, theta, relatives
        self.scale: Array = np.exp(-theta[:d])[owner]
        self.is_bent = bool(theta[d : 3 * d].any())
        self.bends: tuple[Array, Array] = (np.exp(theta[d : 2 * d])[owner], np.exp(theta[2 * d : 3 * d])[owner])
        self.u = self.scaled(z)
        self.signal, self.noise = np.exp(theta[3 * d : 3 * d + 2]).tolist()
        self.offset = OFFSET if relatives else 0.0
        self.shares = list(zip(theta[3 * d + 2 :].tolist(), relatives, strict=True))
        covariance, residual = self.offset + self.kernel(self.u, self.u), y.copy()
        for w, each in self.shares:
            covariance += w * w * each.covariance
            residual -= w * each.mean
        self.factor = factorised(covariance, self.noise)
        self.alpha: Array = cho_solve((self.factor, True), residual, check_finite=False)

    def scaled(self, z: Array) -> Array:
        """Return U (m, c) of the rows of `z`."""
        return (warped(z, *self.bends) if self.is_bent else z) * self.scale

    def kernel(self, u: Array, v: Array) -> Array:
        """Return v M between the rows of `u` and `v`, both bent and scaled."""
        return np.asarray(self.signal * matern(cdist(u, v, "sqeuclidean"))[0])

    def predict(self, z: Array) -> tuple[Array, Array]:
        """Return mean and standard deviation (m,), without noise, at the rows of `z` (m, c)."""
        mean, variance, k = self._prior(self.kernel(self.u, self.scaled(z)), self._said(z))
        half = solve_triangular(self.factor, k, lower=True, check_finite=False)
        variance -= np.einsum("ij,ij->j", half, half)
        return mean + self.alpha @ k, np.sqrt(np.maximum(variance, LEAST))

    def slopes(self, z: Array) -> tuple[Array, Array, Array, Array]:
        """Return mean and standard deviation (m,) and their gradients (m, c) at the few rows of `z` (m, c)."""
        own = Link(self, self.u, Spots(self, z))
        said = self._said(z)
        mean, variance, k = self._prior(own.k, said)
        weighted = cho_solve((self.factor, True), k, check_finite=False)
        sd = np.sqrt(np.maximum(variance - np.sum(k * weighted, axis=0), LEAST))
        alpha = np.repeat(self.alpha[:, None], len(z), axis=1)
        by_mean, by_variance = own.pulled(alpha), -2 * own.pulled(weighted)
        for w, each in said:
            by_mean += w * each.by_mean() + w * w * each.pulled(alpha)
            by_variance += w * w * (each.by_variance() - 2 * each.pulled(weighted))
        return mean + self.alpha @ k, sd, by_mean, by_variance / (2 * sd[:, None])

    def _said(self, z: Array) -> list[tuple[float, Outlook]]:
        return [(w, Outlook(each, z)) for w, each in self.shares]

    def _prior(self, own: Array, said: list[tuple[float, Outlook]]) -> tuple[Array, Array, Array]:
        """Return mean and variance (m,) before the task's data, and the covariance (n, m) with them; `own` is v M."""
        mean, variance = np.zeros(own.shape[1]), np.full(own.shape[1], self.signal + self.offset)
        k = self.offset + own
        for w, each in said:
            mean += w * each.mean
            variance += w * w * each.variance
            k += w * w * each.cross
        return mean, variance, k

    def believing(self, z: Array) -> "Model":
        """Return the model that takes its own mean at the rows of `z` for results (kriging believer)."""
        if not len(z):
            return self
        whole, y = np.vstack([self.z, z]), np.concatenate([self.y, self.predict(z)[0]])
        relatives = tuple(Relative(each.model, whole) for each in self.relatives)
        return Model(whole, y, self.owner, theta=self.theta, relatives=relatives)
