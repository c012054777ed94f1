"""Finds the parents of a warm start and builds its request; every rule is checked before SageMaker is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow_hpt.domain.spec import WarmStartType
from airflow_hpt.errors import InvalidRequest

LABELS = {each.name: each for each in WarmStartType} | {
    "IDENTICAL_DATA_AND_ALGORITHM": WarmStartType.IDENTICAL,
    "TRANSFER_LEARNING": WarmStartType.TRANSFER,
}


def job_name(value: Any, *, parameter: str = "job_name") -> str:
    """Return the one tuning job that a rendered field means: a name, or the result of another task."""
    names = job_names(value, parameter=parameter)
    if len(names) != 1:
        raise InvalidRequest(f"{parameter} must name one tuning job; it names {len(names)}: {names}.")
    return names[0]


def job_names(value: Any, *, parameter: str) -> list[str]:
    """Return the tuning jobs that a rendered field means, each once: names, results of other tasks, lists of either."""
    return list(dict.fromkeys(_names(value, parameter)))


def _names(value: Any, parameter: str) -> Iterator[str]:
    if isinstance(value, str) and value.strip():
        yield value.strip()
    elif isinstance(value, Mapping) and isinstance(value.get("job_name"), str):
        yield value["job_name"]
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _names(item, parameter)
    else:
        raise InvalidRequest(
            f"{parameter} holds {value!r} after rendering; a tuning job is given by its name or by the result (XCom) of"
            " a task that ran one. A task that failed or was skipped has no result."
        )


def warm_start_type(label: str) -> WarmStartType:
    """Return the type that a label of the documentation or a value of the API means."""
    try:
        return LABELS.get(label) or WarmStartType(label)
    except ValueError:
        raise InvalidRequest(
            f"warm_start_type is {label!r}; it is one of {', '.join(map(repr, map(str, WarmStartType)))}."
        ) from None
