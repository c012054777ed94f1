"""Lists, for all who wait on one connection, the tuning jobs that have changed since the last look."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from airflow_hpt._compat import in_thread
from airflow_hpt.errors import HptError
from airflow_hpt.hooks.faults import PASSING
from airflow_hpt.hooks.progress import LONGEST_PAUSE_SECONDS
from airflow_hpt.hooks.tuning import TuningHook

logger = logging.getLogger(__name__)

Listing: TypeAlias = Mapping[str, Mapping[str, Any]]

# Listings overlap by more than clocks may differ and a listing may take.
OVERLAP = timedelta(minutes=5)


async def changes(hook: TuningHook, *, poll_seconds: float) -> AsyncIterator[Listing | None]:
    """Yield the summaries of tuning jobs that have changed, by name, once per interval and for ever.

    None stands for a listing that is refused for good, by a role that may describe tuning jobs but not list them: who
    waits then looks for itself. Faults that pass are sat out, and the next listing covers the time that they took.
    """
    since, pause = datetime.now(UTC) - OVERLAP, poll_seconds
    while True:
        await asyncio.sleep(pause)
        began = datetime.now(UTC)
        try:
            await hook.prepare()
            listing = await in_thread(_list, hook, since)
        except PASSING as error:
            hook.sit_out(error)
            pause = min(2 * pause, max(LONGEST_PAUSE_SECONDS, poll_seconds))
            logger.warning("%s Will list tuning jobs again in %.0f s.", error, pause)
            continue
        except HptError as error:
            logger.warning("Tuning jobs cannot be listed, so each is looked at by itself: %s", error)
            pause = poll_seconds
            yield None
            continue
        since, pause = began - OVERLAP, poll_seconds
        yield listing


def _list(hook: TuningHook, since: datetime) -> Listing:
    operation, key = "ListHyperParameterTuningJobs", "HyperParameterTuningJobSummaries"
    return {
        each["HyperParameterTuningJobName"]: each for each in hook.pages(operation, key, LastModifiedTimeAfter=since)
    }
