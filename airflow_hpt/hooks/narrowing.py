"""Narrows the ranges of a warm start to the surroundings of what was best before."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_hpt.domain.request import parse_request
from airflow_hpt.domain.space import CategoricalRange, Range, typed, wire_text

logger = logging.getLogger(__name__)

NUMERIC = ("IntegerParameterRanges", "ContinuousParameterRanges")


def narrowed(request: Mapping[str, Any], bests: Sequence[Mapping[str, str]], *, keep: float) -> dict[str, Any]:
    """Return the request with every numeric range cut to the share `keep` around the best values of the parents.

    `bests` are the tuned hyperparameters of the parents' best training jobs. Shares are measured as the range is
    scaled. A range reaches from the lowest to the highest best value and half the share beyond, and never beyond
    itself; a hyperparameter that no parent has tuned keeps its range.
    """
    spec = parse_request({"HyperParameterTuningJobName": "new", **request})
    ends = {each.name: _ends(each, bests, keep) for each in spec.definitions[0].space.ranges}
    config = dict(request["HyperParameterTuningJobConfig"])
    ranges = dict(config["ParameterRanges"])
    for member in NUMERIC:
        if member in ranges:
            ranges[member] = [{**each, **ends[each["Name"]]} for each in ranges[member]]
            for each in ranges[member]:
                logger.info("%s is searched from %s to %s.", each["Name"], each["MinValue"], each["MaxValue"])
    return {**request, "HyperParameterTuningJobConfig": {**config, "ParameterRanges": ranges}}


def _ends(of: Range, bests: Sequence[Mapping[str, str]], keep: float) -> dict[str, str]:
    if isinstance(of, CategoricalRange):
        return {}
    units = [min(max(of.to_unit(typed(of, best[of.name])), 0.0), 1.0) for best in bests if of.name in best]
    if not units:
        return {}
    low, high = max(min(units) - keep / 2, 0.0), min(max(units) + keep / 2, 1.0)
    return {"MinValue": wire_text(of.from_unit(low)), "MaxValue": wire_text(of.from_unit(high))}
