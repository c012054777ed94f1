"""Finds the tuning jobs that a rendered field means: by name, from results of other tasks, or by lineage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from airflow_hpt.errors import InvalidRequest
from airflow_hpt.hooks.identity import LINEAGE_TAG, TAG_PREFIX, tagged
from airflow_hpt.hooks.tuning import TuningHook

MOST_PARENTS = 5


def latest(lineage: str, *, limit: int = MOST_PARENTS) -> dict[str, Any]:
    """Mean the latest tuning jobs of a lineage, up to `limit`, as the parents of a warm start.

    >>> latest("digits", limit=2)
    {'lineage': 'digits', 'limit': 2}
    """
    return {"lineage": lineage, "limit": limit}


def job_name(value: Any, *, parameter: str = "job_name") -> str:
    """Return the one tuning job that a rendered field means: a name, or the result of another task."""
    names = list(dict.fromkeys(_names(value, parameter)))
    if len(names) != 1:
        raise InvalidRequest(f"{parameter} must name one tuning job; it names {len(names)}: {names}.")
    return names[0]


def parent_names(hook: TuningHook, value: Any, *, own: Mapping[str, str]) -> list[str]:
    """Return the parents that a rendered field means, each once, the preferred ones first.

    `own` are the tags of the task's own tuning jobs, which are none of its parents.
    """
    if isinstance(value, Mapping) and "lineage" in value and "job_name" not in value:
        lineage, limit = value["lineage"], str(value.get("limit", MOST_PARENTS))
        if isinstance(lineage, str) and lineage.strip() and limit.isdecimal():
            return _latest(hook, lineage, limit=int(limit), own=own)
        raise InvalidRequest(f"parents holds {value!r} after rendering; latest() takes a lineage and a whole number.")
    return list(dict.fromkeys(_names(value, "parents")))


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


def _latest(hook: TuningHook, lineage: str, *, limit: int, own: Mapping[str, str]) -> list[str]:
    """Return the latest tuning jobs of a lineage that found something; one that failed has nothing to teach."""
    has_ended = {"Name": "HyperParameterTuningJobStatus", "Operator": "In", "Value": "Completed,Stopped"}
    jobs = lineage_jobs(hook, lineage, has_ended)
    others = (job["HyperParameterTuningJobName"] for job in jobs if job.get("BestTrainingJob") and not _is(job, own))
    return list(islice(others, limit))


def lineage_jobs(hook: TuningHook, lineage: str, *filters: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the tuning jobs of a lineage that pass all `filters`, with their tags, the latest first."""
    return hook.search(tagged(LINEAGE_TAG, lineage), *filters)


def _is(job: Mapping[str, Any], own: Mapping[str, str]) -> bool:
    tags = {tag["Key"]: tag["Value"] for tag in job.get("Tags", ())}
    task = {key: value for key, value in own.items() if key != f"{TAG_PREFIX}generation"}
    return all(tags.get(key) == value for key, value in task.items())
