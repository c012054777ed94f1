"""Whose tuning job it is: names and tags as pure functions of the Airflow task that asked for it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_hpt.domain.names import tuning_job_name
from airflow_hpt.errors import InvalidRequest

TAG_PREFIX = "airflow-hpt:"
LINEAGE_TAG = f"{TAG_PREFIX}lineage"
DATA_TAG = f"{TAG_PREFIX}data"  # holds a data fingerprint
REQUEST_TAG = f"{TAG_PREFIX}request"  # holds a digest of what was asked for
REASON_TAG = f"{TAG_PREFIX}warm-start"  # says why the tuning job starts as it does

NOT_IN_A_TAG = re.compile(r"[^\w\s.:/=+\-@]")
TAG_VALUE_LIMIT = 256


@dataclass(frozen=True, slots=True)
class TaskIdentity:
    """One task generation: the same for every retry, another one after the task is cleared."""

    dag: str
    run: str
    task: str
    map_index: int
    generation: int

    @classmethod
    def of(cls, ti: Any) -> TaskIdentity:
        """Return the identity of a running task instance."""
        map_index = -1 if ti.map_index is None else ti.map_index
        # Airflow raises max_tries above the task's retries each time the task is cleared, and at no other time.
        generation = max(ti.max_tries - ti.task.retries, 0)
        return cls(ti.dag_id, ti.run_id, ti.task_id, map_index, generation)

    def job_name(self, prefix: str, attempt: int) -> str:
        """Return the name of the tuning job of this generation; `attempt` counts jobs that ended badly before it."""
        return tuning_job_name(prefix, self.dag, self.run, self.task, self.map_index, self.generation, attempt)

    def tags(self) -> dict[str, str]:
        """Return the tags that tell this task's tuning jobs from all others."""
        facts = {
            "dag": self.dag,
            "run": self.run,
            "task": self.task,
            "map-index": str(self.map_index),
            "generation": str(self.generation),
        }
        return {f"{TAG_PREFIX}{name}": tag_value(fact) for name, fact in facts.items()}


def text(value: Any, parameter: str) -> str | None:
    """Return a rendered template field as text, None if there is none in it."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidRequest(f"{parameter} holds {value!r} after rendering; it takes a text.")
    return str(value)


def tag_value(text: str) -> str:
    """Return `text` with what a tag cannot hold replaced."""
    return NOT_IN_A_TAG.sub("_", text)[:TAG_VALUE_LIMIT]


def tagged(tag: str, value: str) -> dict[str, str]:
    """Return the search filter that tuning jobs pass on which a tag has this value."""
    return {"Name": f"Tags.{tag}", "Operator": "Equals", "Value": tag_value(value)}


def with_tags(request: Mapping[str, Any], tags: Mapping[str, str]) -> dict[str, Any]:
    """Return the request with more tags; they win over tags of the same name."""
    given = {tag["Key"]: tag["Value"] for tag in request.get("Tags", ())}
    added = {key: tag_value(value) for key, value in tags.items()}
    return {**request, "Tags": [{"Key": key, "Value": value} for key, value in {**given, **added}.items()]}


def digest(*asked: Any) -> str:
    """Return a digest of what a task asks for."""
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()[:16]
