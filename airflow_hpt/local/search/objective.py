"""Objectives on the scale that the model expects: minimised, near standard normal, bad outliers softened.

Symbols: y (n,) losses, smaller is better and infinite where a training job has no objective; c their median; g the
spread of the better half.
"""

from collections.abc import Sequence

import numpy as np

from airflow_hpt.local.search.base import Observation
from airflow_hpt.local.search.cube import Array, Indices

REACH = 2.0  # values worse than the median by more than this many spreads of the better half are drawn in to it
TIED = 1e-12  # spreads below this share of the magnitude are rounding errors


def losses(observations: Sequence[Observation], *, maximize: bool) -> Array:
    """Return y (n,) for `observations`; an objective that is missing or not finite becomes infinite."""
    values = np.array([np.nan if each.objective is None else each.objective for each in observations], dtype=float)
    return np.where(np.isfinite(values), -values if maximize else values, np.inf)


def magnitude(y: Array) -> float:
    """Return the largest size among finite losses, to divide by: then no square can overflow."""
    return float(np.abs(y).max(initial=0.0)) or 1.0


def softened(y: Array) -> Array:
    """Return finite `y` with its worst values drawn in.

    A diverged training job must not flatten the differences among the good ones, and how bad it was does not matter.
    """
    centre = np.median(y)
    better = centre - y[y <= centre]
    reach = REACH * np.sqrt(np.mean(better**2))
    return np.minimum(y, centre + reach) if reach > 0 else y


def standardised(y: Array) -> Array:
    """Return `y` with mean 0 and standard deviation 1; constant values all become 0."""
    centred = y - y.mean()
    spread = centred.std()
    return centred / spread if spread > TIED else np.zeros_like(y)


def representative(y: Array, cap: int) -> Indices:
    """Return the indices of at most `cap` values, in order: the best half of them, and a regular choice of the rest."""
    if len(y) <= cap:
        return np.arange(len(y), dtype=np.int64)
    ranked = np.argsort(y, kind="stable")
    best, others = ranked[: cap // 2], np.sort(ranked[cap // 2 :])
    spread = others[np.linspace(0, len(others) - 1, cap - len(best)).astype(int)]
    return np.asarray(np.sort(np.concatenate([best, spread])), dtype=np.int64)
