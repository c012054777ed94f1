"""Stops the tuning job of a deferred task that a user marks, should its trigger not see to that.

Airflow tells a trigger that a user has marked its task only once the trigger runs: hours later if no triggerer does,
and never in the second or two that one takes to start it. The API server, where users mark tasks, tells plugins in any
case.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from airflow_hpt.domain.states import TuningState
from airflow_hpt.errors import HptError
from airflow_hpt.hooks.tuning import TuningHook

logger = logging.getLogger(__name__)

TRIGGER = "airflow_hpt.triggers.tuning.TuningJobFinished"
GRACE_SECONDS = 10.0  # a trigger that runs has stopped its tuning job by then, and says so in the task's log
THREADS = 4

_pool = ThreadPoolExecutor(THREADS, thread_name_prefix="airflow-hpt-marks")


def follow_up(trigger: Any) -> None:
    """Look at what the trigger of a marked task instance waits for, a little later."""
    if trigger is not None and trigger.classpath == TRIGGER and (awaited := trigger.kwargs)["stop_on_kill"]:
        _pool.submit(_stop_unless_stopped, awaited, after=time.monotonic() + GRACE_SECONDS)


def _stop_unless_stopped(awaited: Mapping[str, Any], *, after: float) -> None:
    """Stop the tuning job that a trigger with these arguments waits for, unless it has stopped or ended by then."""
    time.sleep(max(after - time.monotonic(), 0))
    name = awaited["job_name"]
    client = {key: awaited[key] for key in ("aws_conn_id", "region_name", "verify", "botocore_config")}
    try:
        hook = TuningHook(**client)
        if hook.describe(name)["HyperParameterTuningJobStatus"] == TuningState.IN_PROGRESS and hook.stop(name):
            logger.info("Stopped tuning job %s: a user has ended its task, and no trigger has seen to it.", name)
    except HptError as error:  # nobody is left to fail
        logger.warning("Tuning job %s may go on although its task was ended: %s", name, error)
