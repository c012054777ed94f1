"""Objectives on the scale that the model expects: minimised, near standard normal, bad outliers softened.

Symbols: y (n,) objectives, smaller is better; c their median; g the spread of the better half.
"""

import numpy as np

from airflow_hpt.local.search.cube import Array

REACH = 3.0  # values worse than the median by more than this many spreads of the better half are drawn in to it


def softened(y: Array) -> Array:
    """Return finite `y` with its worst values drawn in, on a scale where squares neither overflow nor vanish.

    A diverged training job must not flatten the differences among the good ones, and how bad it was does not matter.
    """
    largest = np.abs(y).max(initial=0.0)
    scaled = y / largest if largest > 0 else y
    centre = np.median(scaled)
    better = centre - scaled[scaled <= centre]
    reach = REACH * np.sqrt(np.mean(better**2))
    return np.minimum(scaled, centre + reach) if reach > 0 else scaled


def standardised(y: Array) -> Array:
    """Return `y` with mean 0 and standard deviation 1; constant values all become 0."""
    centred = y - y.mean()
    spread = centred.std()
    return centred / spread if spread > 1e-12 else np.zeros_like(y)
