"""Making a new request from an earlier tuning job, so that a retuning job need not repeat the baseline's request."""

from collections.abc import Mapping
from typing import Any

from airflow_hpt.domain.description import request_from_description
from airflow_hpt.domain.fields import Fields
from airflow_hpt.domain.ranges import NAME_LENGTH, RANGE_LISTS, TUNABLE_LIMIT

Members = dict[str, Any]

KEYS = ("Name", "ChannelName", "DefinitionName")  # what the entries of lists of the API are known by
NOT_INHERITED = ("HyperParameterTuningJobName", "WarmStartConfig")


def inherit(earlier: Mapping[str, Any], overrides: Mapping[str, Any]) -> Members:
    """Return the request of an earlier tuning job (its Describe answer, or the request itself) with `overrides` on top.

    Structures are merged member by member, lists whose entries have names (ranges, channels, metric definitions) entry
    by entry; anything else is replaced. An override of None takes a member out. A hyperparameter that the overrides
    make static leaves the ranges, and one that they give a range leaves the static hyperparameters and ranges of other
    kinds. The job's name and its parents are not inherited.
    """
    base = {name: value for name, value in request_from_description(earlier).items() if name not in NOT_INHERITED}
    _make_way(base, Fields(overrides))
    merged: Members = _merge(base, overrides)
    return merged


def _make_way(base: Members, overrides: Fields) -> None:
    """Take out of `base` the hyperparameters that `overrides` put elsewhere."""
    given = overrides.optional("HyperParameterTuningJobConfig").optional("ParameterRanges")
    tuned = {
        each.text("Name", limit=NAME_LENGTH): kind
        for kind in RANGE_LISTS
        for each in given.structures(kind, limit=TUNABLE_LIMIT)
    }
    static = overrides.optional("TrainingJobDefinition").optional("StaticHyperParameters").members()
    fixed = base.get("TrainingJobDefinition", {}).get("StaticHyperParameters", {})
    for name in tuned.keys() & fixed.keys():
        del fixed[name]
    ranges = base.get("HyperParameterTuningJobConfig", {}).get("ParameterRanges", {})
    for kind, listed in ranges.items():
        ranges[kind] = [each for each in listed if each["Name"] not in static and tuned.get(each["Name"], kind) == kind]


def _merge(base: Any, override: Any) -> Any:
    if isinstance(override, Mapping):
        merged = dict(base) if isinstance(base, Mapping) else {}
        for name, value in override.items():
            merged[name] = None if value is None else _merge(merged.get(name), value)
        return {name: value for name, value in merged.items() if value is not None}
    key = _key(override)
    if key is None or not isinstance(base, list):
        return override
    entries = {each.get(key): each for each in base}
    return list({**entries, **{each[key]: _merge(entries.get(each[key]), each) for each in override}}.values())


def _key(entries: Any) -> str | None:
    """Return the member that names every one of the entries, or None when they have no names."""
    if not isinstance(entries, list | tuple) or not all(isinstance(each, Mapping) for each in entries):
        return None
    return next((key for key in KEYS if entries and all(key in each for each in entries)), None)
