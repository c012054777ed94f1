"""What is believed about theta (see `gp`) before any training job has run.

Length scales grow with the square root of the dimension, so that problems of many hyperparameters are not taken for
rougher ones (Hvarfner et al. 2024), but are left wide: the data decide. Few of these figures matter much;
docs/decisions/0003-search-engine.md has the table of what was tried.
"""

import numpy as np

from airflow_hpt.local.search.cube import Array
from airflow_hpt.local.search.evidence import Prior

SMOOTH = (np.sqrt(2.0), np.sqrt(3.0))  # mean and deviation of log l, before sqrt(d): Hvarfner et al. (2024), section 4
ROUGH = (np.log(0.25), 1.5)
SIGNAL = (1.0, 1.5)
NOISE = (-7.5, 2.0)
BEND = (0.0, 0.5)  # of log a and log b
FARTHEST_BEND = 1.5
OWN = np.log(0.3)  # how much less a child differs from its relatives than from nothing
WEIGHT = (0.8, 0.5)  # the sum of the weights of the relatives, and its deviation


def prior_for(d: int, relatives: int = 0, *, is_rough: bool = False, is_bent: bool = True) -> Prior:
    """Return the prior over theta in d dimensions, with a weight for each of `relatives`.

    Bends are for tasks that stand alone: parents and children gained nothing by them.
    """
    share = max(relatives, 1)
    length, length_sd = ROUGH if is_rough else SMOOTH
    bend = FARTHEST_BEND if is_bent and not relatives else 0.0

    def layout(lengths: float, bend: float, signal: float, noise: float, weight: float) -> Array:
        return np.concatenate([np.full(d, lengths), np.full(2 * d, bend), [signal, noise], np.full(relatives, weight)])

    return Prior(
        mean=layout(
            length + 0.5 * np.log(d), BEND[0], SIGNAL[0] + (OWN if relatives else 0.0), NOISE[0], WEIGHT[0] / share
        ),
        sd=layout(length_sd, BEND[1], SIGNAL[1], NOISE[1], WEIGHT[1] / np.sqrt(share)),
        low=layout(np.log(0.02), -bend, -6.0, -14.0, -3.0),
        high=layout(np.log(50.0), bend, 6.0, 1.0, 3.0),
    )
