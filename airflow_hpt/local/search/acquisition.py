"""The logarithm of expected improvement, and how it changes.

Symbols: m mean and s standard deviation of the posterior at a point (minimised), b the value to improve on,
z = (b - m) / s, phi and Phi density and distribution function of the standard normal.

EI = s h(z) with h(z) = phi(z) + z Phi(z). Far below 0, h underflows while its logarithm does not (Ament et al. 2023,
"Unexpected improvements to expected improvement", eq. 9):
log h(z) = log phi(z) + log(1 - sqrt(pi/2) |z| erfcx(|z| / sqrt 2)).
"""

import numpy as np
from scipy.special import erfcx, log_ndtr, ndtr

from airflow_hpt.local.search.cube import Array

HALF_LOG_2PI = 0.5 * np.log(2 * np.pi)
NEAR, FAR = -1.0, -1e4  # the direct formula above NEAR, the expansion log phi(z) - 2 log|z| below FAR


def log_expected_improvement(mean: Array, sd: Array, best: float) -> Array:
    """Return log EI for posterior means and standard deviations of equal shape."""
    return np.asarray(np.log(sd) + _log_h((best - mean) / sd))


def slopes(mean: Array, sd: Array, best: float) -> tuple[Array, Array]:
    """Return the derivatives of log EI by the mean and by the standard deviation."""
    z = (best - mean) / sd
    log_h = _log_h(z)
    by_mean = -np.exp(log_ndtr(z) - log_h) / sd  # EI' = -Phi(z)
    by_sd = np.exp(-0.5 * z**2 - HALF_LOG_2PI - log_h) / sd  # EI' = phi(z)
    return by_mean, by_sd


def _log_h(z: Array) -> Array:
    near = np.maximum(z, NEAR)
    middle = -np.clip(z, FAR, NEAR)
    far = np.maximum(-z, -FAR)
    direct = np.log(np.exp(-0.5 * near**2 - HALF_LOG_2PI) + near * ndtr(near))
    tail = np.log1p(-np.sqrt(np.pi / 2) * middle * erfcx(middle / np.sqrt(2)))
    beyond = -2 * np.log(far)
    log_phi = -0.5 * np.minimum(z, NEAR) ** 2 - HALF_LOG_2PI
    return np.asarray(np.where(z > NEAR, direct, log_phi + np.where(z > FAR, tail, beyond)))
