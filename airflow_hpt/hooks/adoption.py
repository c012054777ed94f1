"""Creates the tuning job of a task, or takes over the one that an earlier try of the same task has started."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from airflow_hpt.domain.states import TuningState
from airflow_hpt.errors import AlreadyExists, NotFound
from airflow_hpt.hooks.identity import LINEAGE_TAG, REQUEST_TAG, TaskIdentity, with_tags
from airflow_hpt.hooks.outcome import is_wasted
from airflow_hpt.hooks.policies import Stopped
from airflow_hpt.hooks.telemetry import count
from airflow_hpt.hooks.tuning import TuningHook

logger = logging.getLogger(__name__)

MOST_ATTEMPTS = 100


@dataclass(frozen=True, slots=True)
class Order:
    """A tuning job that a task wants.

    `build` makes its request, and is called only if there is a job to create. `asked` is a digest of what the task was
    told to ask for. `fixed_name` is a name that the user insists on; it serves the first job of the first generation.
    """

    build: Callable[[], Mapping[str, Any]]
    asked: str
    identity: TaskIdentity
    prefix: str
    fixed_name: str | None
    lineage: str
    stopped: Stopped

    @property
    def tags(self) -> dict[str, str]:
        """Return the tags of the order's tuning jobs."""
        return {LINEAGE_TAG: self.lineage, **self.identity.tags(), REQUEST_TAG: self.asked}

    def name(self, attempt: int) -> str:
        """Return the name of this order's tuning job after `attempt` jobs that ended badly."""
        if self.fixed_name and not attempt and not self.identity.generation:
            return self.fixed_name
        return self.identity.job_name(self.fixed_name or self.prefix, attempt)


def ensure_job(hook: TuningHook, order: Order) -> str:
    """Return the name of an order's tuning job, created unless an earlier try has left one that is still good."""
    for attempt in range(MOST_ATTEMPTS):
        name = order.name(attempt)
        found = _find(hook, name) or _create(hook, name, order)
        if found is None:
            logger.info("Created tuning job %s.", name)
            count("tuning_jobs_created")
            return name
        _check_owner(hook, found, order)
        status = found["HyperParameterTuningJobStatus"]
        if not is_wasted(found, order.stopped):
            logger.info("Took over tuning job %s (%s), started by an earlier try of this task.", name, status)
            count("tuning_jobs_taken_over", status=status)
            return name
        logger.info("Tuning job %s of an earlier try is %s; this try gets a new one.", name, status)
    raise AlreadyExists(f"{MOST_ATTEMPTS} tuning jobs of this task have failed, the last one {name}; clear the task.")


def stop_predecessors(hook: TuningHook, order: Order) -> None:
    """Stop what the task had started before it was cleared and nobody waits for any more.

    Airflow tells a trigger that its task was cleared only if the trigger has started already, and a blocking task not
    at all when its process is gone.
    """
    for generation in range(order.identity.generation):
        earlier = replace(order, identity=replace(order.identity, generation=generation))
        for attempt in range(MOST_ATTEMPTS):
            found = _find(hook, name := earlier.name(attempt))
            if found is None:
                break
            if found["HyperParameterTuningJobStatus"] == TuningState.IN_PROGRESS:
                _check_owner(hook, found, earlier)
                hook.stop(name)
                logger.info("Stopped tuning job %s, which this task had started before it was cleared.", name)


def _find(hook: TuningHook, name: str) -> dict[str, Any] | None:
    try:
        return hook.describe(name)
    except NotFound:
        return None


def _create(hook: TuningHook, name: str, order: Order) -> dict[str, Any] | None:
    """Create the job; return its description instead if it turns out to exist.

    That happens when the answer to a first request was lost on the way and boto3 has sent the request again.
    """
    request = with_tags({**order.build(), "HyperParameterTuningJobName": name}, order.tags)
    try:
        hook.call("CreateHyperParameterTuningJob", **request)
    except AlreadyExists:
        return hook.describe(name)
    return None


def _check_owner(hook: TuningHook, found: Mapping[str, Any], order: Order) -> None:
    tags = hook.tags(found["HyperParameterTuningJobArn"])
    differing = [key for key, value in order.identity.tags().items() if tags.get(key) != value]
    if differing:
        name = found["HyperParameterTuningJobName"]
        theirs = ", ".join(f"{key}={tags.get(key, 'absent')}" for key in differing)
        raise AlreadyExists(
            f"The name {name} is taken by a tuning job that this task did not start ({theirs}). Leave"
            " HyperParameterTuningJobName out of the config and the task finds a free name by itself, the same one for"
            " every retry."
        )
    if tags.get(REQUEST_TAG) != order.asked:
        logger.warning(
            "What this task asks for has changed since tuning job %s was started, which goes on as it is. Clear the"
            " task to start a new one.",
            found["HyperParameterTuningJobName"],
        )
