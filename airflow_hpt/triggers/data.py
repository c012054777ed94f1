"""Waits in the triggerer for refreshed data: for a deferred sensor, or as the watcher of an asset."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, ParamSpec, TypeVar

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_hpt.domain.fingerprint import EXAMPLES
from airflow_hpt.errors import HptError
from airflow_hpt.hooks.faults import PASSING
from airflow_hpt.hooks.progress import LONGEST_PAUSE_SECONDS
from airflow_hpt.hooks.refresh import WATCHING, OnEmpty, OnNoBaseline, RefreshWatch, fingerprint_in
from airflow_hpt.triggers.tuning import sit_out_the_race

# Looking at a hundred thousand objects takes a while; in threads of its own it keeps no other trigger waiting.
LOOKERS = ThreadPoolExecutor(4, thread_name_prefix="airflow-hpt-data")

P = ParamSpec("P")
T = TypeVar("T")


class DataRefreshed(BaseEventTrigger):
    """Fires when data has changed and come to rest; the event is the report described at `DataRefreshSensor`.

    As the trigger of an `AssetWatcher` it fires for each refresh, and on Airflow 3.3 remembers what it has reported.

    :param poll_seconds: seconds between two looks at the data
    :param once: end after the first report, or with the problem that prevents it
    """

    supports_triggerer_queue = True  # as deferred tasks may name one

    def __init__(
        self,
        *,
        inputs: Any,
        lineage: str | None = None,
        baseline: Any = None,
        listings: str | None = None,
        quiet_seconds: float = 60,
        min_objects: int = 0,
        min_bytes: int = 0,
        min_fraction: float = 0,
        on_empty: str = OnEmpty.WAIT,
        on_no_baseline: str = OnNoBaseline.REPORT,
        examples: int = EXAMPLES,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        poll_seconds: float = 60,
        once: bool = False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.inputs = inputs
        self.lineage = lineage
        self.baseline = baseline
        self.listings = listings
        self.quiet_seconds = quiet_seconds
        self.min_objects = min_objects
        self.min_bytes = min_bytes
        self.min_fraction = min_fraction
        self.on_empty = str(OnEmpty(on_empty))
        self.on_no_baseline = str(OnNoBaseline(on_no_baseline))
        self.examples = examples
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config
        self.poll_seconds = poll_seconds
        self.once = once
        RefreshWatch(self)  # refuses what cannot be watched while the author of the DAG is still looking

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what rebuilds this trigger in another process."""
        own = ("quiet_seconds", "poll_seconds", "once")
        return "airflow_hpt.triggers.data.DataRefreshed", {name: getattr(self, name) for name in (*WATCHING, *own)}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look at the data until it has been refreshed; unless `once`, go on looking after that."""
        watch = RefreshWatch(self)
        if self.once:
            started = asyncio.get_running_loop().time()
            event = await self._only_event(watch)
            await sit_out_the_race(asyncio.get_running_loop().time() - started)
            yield TriggerEvent(event)  # type: ignore[no-untyped-call]
            return
        memory = _Memory(getattr(self, "asset_state_store", None), self.inputs)
        watch.reported = await memory.recall()
        while True:
            event = await self._next_event(watch, memory)
            yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def _only_event(self, watch: RefreshWatch) -> dict[str, Any]:
        try:
            return await self._next_event(watch, None)
        except HptError as error:
            return {"problem": str(error)}

    async def _next_event(self, watch: RefreshWatch, memory: _Memory | None) -> dict[str, Any]:
        misses = 0
        while True:
            if memory:  # after the event was handed over: a refresh may be reported twice, but never lost
                await memory.remember(watch.reported)
            try:
                if event := await self._look(watch):
                    return event
                misses = 0
            except HptError as error:
                # Nobody would restart a watcher that has given up.
                if memory is None and not isinstance(error, PASSING):
                    raise
                watch.hook.sit_out(error)
                misses += 1
                self.log.warning("%s Looking again later.", error)
            await asyncio.sleep(self._pause(misses))

    async def _look(self, watch: RefreshWatch) -> dict[str, Any] | None:
        await watch.prepare()
        refresh = await _in_thread(watch.look)
        if refresh is None:
            return None
        await asyncio.sleep(self.quiet_seconds)
        return await _in_thread(watch.confirm, refresh)

    def _pause(self, misses: int) -> float:
        longest = max(LONGEST_PAUSE_SECONDS, self.poll_seconds)
        seconds: float = min(self.poll_seconds * 2.0 ** min(misses, 20), longest)
        return seconds * random.uniform(0.9, 1.0)


async def _in_thread(look: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    run = partial(copy_context().run, look, *args, **kwargs)  # the context says whose log it is
    return await asyncio.get_running_loop().run_in_executor(LOOKERS, run)


class _Memory:
    """What a watcher has reported, kept with its asset where Airflow can do that (3.3 and later)."""

    def __init__(self, store: Any, inputs: Any) -> None:
        self._store = store
        self._kept: str | None = None
        # Other watchers of the same asset have their own.
        self._key = f"data_fingerprint_{hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:8]}"

    async def recall(self) -> Any:
        if self._store is None:
            return None
        try:
            self._kept = await self._store.aget(self._key)
        except ValueError:  # several assets have this very watcher, and then Airflow does not say whose state is meant
            self._store = None
        return fingerprint_in(self._kept)

    async def remember(self, reported: Any) -> None:
        if self._store is not None and reported is not None and str(reported) != self._kept:
            await self._store.aset(self._key, str(reported))
            self._kept = str(reported)
