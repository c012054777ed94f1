"""Input warping: the axis of a hyperparameter is bent where the objective changes faster at one end than at the other.

Symbols: z coordinates; a, b > 0 the bend of a column, both 1 for none. Inside [0, 1], w(z) = 1 - (1 - z^a)^b, which is
the distribution function of Kumaraswamy; outside, where only parents' points lie, w(z) = z.

After Snoek et al. (2014), "Input warping for Bayesian optimization of non-stationary functions", who take the beta
distribution, which has no derivatives in closed form.
"""

import numpy as np

from airflow_hpt.local.search.cube import Array

EDGE = 1e-6  # how near to 0 and 1 w is evaluated: its slope may be infinite there


def warped(z: Array, a: Array, b: Array) -> Array:
    """Return w at z (m, c) for bends a and b (c,)."""
    return np.where(_is_inside(z), 1 - (1 - np.clip(z, EDGE, 1 - EDGE) ** a) ** b, z)


def by_point(z: Array, a: Array, b: Array) -> Array:
    """Return the derivative (m, c) of w by z."""
    inner = np.clip(z, EDGE, 1 - EDGE)
    power = inner**a
    return np.where(_is_inside(z), a * b * power / inner * (1 - power) ** (b - 1), 1.0)


def by_bend(z: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """Return the derivatives (m, c) of w by log a and by log b."""
    inner = np.clip(z, EDGE, 1 - EDGE)
    power = inner**a
    rest = (1 - power) ** b
    is_inside = _is_inside(z)
    by_a = a * b * power * rest / (1 - power) * np.log(inner)
    by_b = -b * rest * np.log(1 - power)
    return np.where(is_inside, by_a, 0.0), np.where(is_inside, by_b, 0.0)


def _is_inside(z: Array) -> Array:
    return np.asarray((z >= 0) & (z <= 1))
