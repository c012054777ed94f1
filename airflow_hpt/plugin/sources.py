"""The connections that the pages may use, and their reading: kept for moments, bounded in time, one at a time each.

A viewer acts with the rights of these connections, so they are listed by an administrator and not by the address of a
page. Every connection has threads of its own: a service that hangs keeps no other one's pages waiting, and none of
Airflow's own threads.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, TypeVar
from urllib.parse import urlencode

from airflow_hpt._compat import SECTION, page_connections
from airflow_hpt.errors import ConnectionUnusable, CredentialsExpired, ServiceUnavailable
from airflow_hpt.hooks.tuning import TuningHook

T = TypeVar("T")

CLIENT = {"connect_timeout": 3, "read_timeout": 5, "retries": {"mode": "standard", "total_max_attempts": 2}}
PATIENCE_SECONDS = 4.0  # that a page waits for its answers; the reading goes on and serves the next look
THREADS = 4
MOST_KEPT = 32
FRESH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Source:
    """A connection, perhaps in another region than its own."""

    connection: str
    region: str | None = None

    def __str__(self) -> str:
        return f"{self.connection}@{self.region}" if self.region else self.connection

    @property
    def query(self) -> str:
        """Return the part of an address that names this source."""
        return urlencode({"connection": self.connection} | ({"region": self.region} if self.region else {}))


@dataclass(slots=True)
class Kept:
    """A reading, going on since `since` on the monotonic clock or done then."""

    future: Future[Any]
    since: float

    @property
    def is_fresh(self) -> bool:
        """Say whether this serves another look."""
        return not self.future.done() or time.monotonic() - self.since < FRESH_SECONDS

    def finish(self, _: Future[Any]) -> None:
        """Count the age from now on."""
        self.since = time.monotonic()


@dataclass(slots=True)
class Reader:
    """Reads from one source."""

    source: Source
    _kept: OrderedDict[Hashable, Kept] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)
    _pool: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix=f"airflow-hpt-{self.source}")

    async def read(self, read: Callable[..., T], *args: Hashable) -> T:
        """Return what `read(hook, ...)` gives, or gave moments ago; raise its error, or that it takes too long."""
        reading = asyncio.wrap_future(self._going_on(read, args))
        try:
            found: T = await asyncio.wait_for(asyncio.shield(reading), PATIENCE_SECONDS)
        except TimeoutError:
            raise ServiceUnavailable(
                f"The tuning service behind Airflow connection {str(self.source)!r} has not answered for"
                f" {PATIENCE_SECONDS:g} seconds. This page looks again by itself."
            ) from None
        return found

    def _going_on(self, read: Callable[..., T], args: tuple[Hashable, ...]) -> Future[T]:
        """Return the reading that was asked for, a new one unless there is one that is fresh."""
        key = (read, args)
        with self._lock:
            kept = self._kept.get(key)
            if kept is None or not kept.is_fresh:
                kept = self._kept[key] = Kept(self._pool.submit(self._call, read, *args), time.monotonic())
                kept.future.add_done_callback(kept.finish)
            self._kept.move_to_end(key)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
            return kept.future

    def _call(self, read: Callable[..., T], *args: Hashable) -> T:
        # A new hook each time, because somebody may have changed the connection; the client behind it is kept.
        hook = TuningHook(self.source.connection, region_name=self.source.region, botocore_config=CLIENT)
        try:
            return read(hook, *args)
        except CredentialsExpired as error:
            hook.sit_out(error)
            raise


class Sources:
    """All sources that the pages may use, as Airflow's configuration lists them."""

    def __init__(self) -> None:
        self._readers: dict[Source, Reader] = {}

    def all(self) -> list[Reader]:
        """Return a reader for every source, in the order of the list."""
        return [self._reader(source) for source in listed(page_connections())]

    def get(self, connection: str, region: str | None) -> Reader:
        """Return the reader of a source; raise ConnectionUnusable if the pages may not use it."""
        asked = Source(connection, region)
        if asked not in listed(page_connections()):
            raise ConnectionUnusable(
                f"The tuning pages may not use Airflow connection {str(asked)!r}. An administrator can add it to"
                f" [{SECTION}] page_connections of Airflow's configuration."
            )
        return self._reader(asked)

    def _reader(self, source: Source) -> Reader:
        if source not in self._readers:
            self._readers[source] = Reader(source)
        return self._readers[source]


def listed(text: str) -> list[Source]:
    """Return the sources that a configuration lists.

    >>> [str(source) for source in listed("aws_default, aws_default@eu-west-1,")]
    ['aws_default', 'aws_default@eu-west-1']
    """
    entries = (entry.strip().partition("@") for entry in text.split(","))
    return list(dict.fromkeys(Source(connection, region or None) for connection, _, region in entries if connection))
