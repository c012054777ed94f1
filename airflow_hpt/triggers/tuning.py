"""Waits for a tuning job in the triggerer: no worker slot, boto3 in threads, no aiobotocore.

On Airflow 3.3 all tuning jobs on one connection are followed by one listing per interval instead of a call for each.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Coroutine, Hashable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_hpt._compat import in_thread, is_deferred, shares_polls, was_marked_by_a_user
from airflow_hpt.errors import HptError, NotFound
from airflow_hpt.hooks.faults import PASSING
from airflow_hpt.hooks.outcome import has_reached
from airflow_hpt.hooks.progress import Watch
from airflow_hpt.hooks.tuning import TuningHook

if TYPE_CHECKING:
    from airflow_hpt.hooks.polling import Listing

# A task that is resumed within a few seconds of its deferral can be mistaken for a lost one by the scheduler, because
# its first process is still being tidied away; the busier the scheduler, the later. Events wait until that is over.
RACE_SECONDS = 8.0

# A tuning job that no listing has mentioned for this many intervals is looked at by itself, in case one went missing.
SILENT_INTERVALS = 20

STATE_SECONDS = 15  # half of what Airflow gives to `on_kill`; the first question to an idle triggerer can take seconds

_unfinished: set[asyncio.Future[None]] = set()  # event loops keep no tasks alive by themselves


class TuningJobFinished(BaseEventTrigger):
    """Fires when a tuning job has ended, or cannot be watched any longer.

    :param job_name: name of the tuning job
    :param poll_seconds: seconds between two looks
    :param stop_on_kill: stop the tuning job when a user marks or clears the deferred task (Airflow 3.3 or later)
    :param wait_until_created: take a job that does not exist for one that does not exist yet
    :param target_objective: fire as soon as a training job is this good
    """

    supports_triggerer_queue = True  # as deferred tasks may name one

    def __init__(
        self,
        job_name: str,
        *,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        poll_seconds: float = 30,
        stop_on_kill: bool = False,
        wait_until_created: bool = False,
        target_objective: float | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.job_name = job_name
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config
        self.poll_seconds = poll_seconds
        self.stop_on_kill = stop_on_kill
        self.wait_until_created = wait_until_created
        self.target_objective = target_objective
        self._hook = TuningHook.of(self)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what rebuilds this trigger in another process."""
        return (
            "airflow_hpt.triggers.tuning.TuningJobFinished",
            {
                "job_name": self.job_name,
                "aws_conn_id": self.aws_conn_id,
                "region_name": self.region_name,
                "verify": self.verify,
                "botocore_config": self.botocore_config,
                "poll_seconds": self.poll_seconds,
                "stop_on_kill": self.stop_on_kill,
                "wait_until_created": self.wait_until_created,
                "target_objective": self.target_objective,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look at the tuning job until it has ended."""
        started = asyncio.get_running_loop().time()
        watch = Watch(self.job_name, self.poll_seconds)
        problem = None
        try:
            while watch.ending is None:
                await self._look(watch)
                if watch.ending is None:
                    await asyncio.sleep(watch.pause * random.uniform(0.9, 1.0))
        except HptError as error:
            problem = str(error)
        except asyncio.CancelledError:
            await self._stop_if_marked()
            raise
        yield await self._event(watch, started, problem)

    def shared_stream_key(self) -> Hashable | None:
        """Return what this trigger must have in common with others to be served by the same listings."""
        if self.target_objective is not None or not shares_polls():
            return None  # listings do not tell objectives
        config = json.dumps(self.botocore_config, sort_keys=True)
        return ("airflow_hpt", self.aws_conn_id, self.region_name, str(self.verify), config, self.poll_seconds)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[Listing | None]:
        """Yield what has changed, once per interval; None when it cannot be listed."""
        from airflow_hpt.hooks.polling import changes

        hook = cls(**kwargs)._hook
        async for listing in changes(hook, poll_seconds=kwargs["poll_seconds"]):
            yield listing

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Listing | None]) -> AsyncIterator[TriggerEvent]:
        """Pick the tuning job out of the listings until it has ended."""
        started = asyncio.get_running_loop().time()
        watch = Watch(self.job_name, self.poll_seconds)
        problem = None
        try:
            await self._look(watch)  # whatever happened before the first listing
            silent = 0
            while watch.ending is None:
                listing = await anext(shared_stream)
                silent = 0 if self._take(watch, listing) else silent + 1
                if listing is None or silent == SILENT_INTERVALS:
                    await self._look(watch)
                    silent = 0
        except HptError as error:
            problem = str(error)
        yield await self._event(watch, started, problem)

    def _take(self, watch: Watch, listing: Listing | None) -> bool:
        """Take in what a listing says of the tuning job, if anything."""
        summary: Mapping[str, Any] | None = (listing or {}).get(self.job_name)
        if summary is None:
            return False
        if line := watch.saw(dict(summary)):
            self.log.info("%s", line)
        return True

    async def _event(self, watch: Watch, started: float, problem: str | None) -> TriggerEvent:
        await sit_out_the_race(asyncio.get_running_loop().time() - started)
        event = {"job_name": self.job_name, "status": watch.status, "problem": problem}
        return TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        """Stop the tuning job if a user has ended the deferred task.

        Airflow takes it for a user's act, too, when a triggerer that had stalled finds that another one has taken its
        triggers over. The task still waits then. It also does after a user has cleared it and its next try is deferred,
        but that try has stopped the job itself.
        """
        await _see_through(self._stop_unless_awaited())

    async def _stop_unless_awaited(self) -> None:
        if not await self._is_awaited():
            await self._stop()

    async def _is_awaited(self) -> bool:
        """Say whether the task still waits; when Airflow cannot tell in time, its word counts that a user ended it."""
        if self.task_instance is None:
            return False
        asked = asyncio.ensure_future(in_thread(is_deferred, self.task_instance))
        await asyncio.wait([asked], timeout=STATE_SECONDS)
        return asked.done() and not asked.exception() and asked.result()

    async def _stop(self) -> None:
        if not self.stop_on_kill:
            return
        try:
            await self._hook.prepare()
            if await in_thread(self._hook.stop, self.job_name):
                self.log.info("Stopped tuning job %s: its task was ended by a user.", self.job_name)
        except HptError as error:  # nobody is left to fail
            self.log.warning("Tuning job %s may go on although its task was ended: %s", self.job_name, error)

    async def _stop_if_marked(self) -> None:
        """Do what `on_kill` does, on an Airflow that has none and cancels for other reasons too."""
        if hasattr(BaseEventTrigger, "on_kill") or self.task_instance is None or self._has_timed_out():
            return
        await _see_through(self._stop_once_marked())

    async def _stop_once_marked(self) -> None:
        if await in_thread(was_marked_by_a_user, self.task_instance):
            await self._stop()

    def _has_timed_out(self) -> bool:
        """Say whether Airflow has resumed the task because of the time; then it may have failed without a user."""
        end = getattr(self, "timeout_after", None)  # set by the triggerer
        return end is not None and end.replace(tzinfo=end.tzinfo or UTC) <= datetime.now(UTC)

    async def _look(self, watch: Watch) -> None:
        try:
            await self._hook.prepare()
            description = await in_thread(self._hook.describe, self.job_name)
        except PASSING as error:
            self._hook.sit_out(error)
            self.log.warning("%s", watch.missed(error))
        except NotFound:
            if not self.wait_until_created:
                raise
        else:
            if line := watch.saw(description):
                self.log.info("%s", line)
            if self.target_objective is not None and has_reached(description, self.target_objective):
                watch.ending = description


async def _see_through(work: Coroutine[Any, Any, None]) -> None:
    """Do some work to its end although Airflow cancels a trigger that has not ended anew every second."""
    task = asyncio.ensure_future(work)
    _unfinished.add(task)
    task.add_done_callback(_unfinished.discard)
    await asyncio.shield(task)


async def sit_out_the_race(elapsed: float) -> None:
    """Wait until an event can be sent safely, `elapsed` seconds after its trigger has started."""
    if elapsed < RACE_SECONDS:
        await asyncio.sleep(RACE_SECONDS - elapsed)
