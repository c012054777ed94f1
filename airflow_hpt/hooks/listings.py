"""Listings of data: as temporary files while they are compared, and kept by fingerprint for later comparisons."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO
from weakref import finalize

from airflow_hpt.domain.fingerprint import Entry, Fingerprint, take_fingerprint
from airflow_hpt.hooks.data import Channel, DataHook


class Listing:
    """The entries of one state of the data, in a file; a hundred thousand take a few megabytes."""

    def __init__(self, file: IO[bytes] | None = None) -> None:
        self.file = file or TemporaryFile()  # noqa: SIM115 - closed with the listing
        finalize(self, self.file.close)

    def __iter__(self) -> Iterator[Entry]:
        self.file.seek(0)
        with gzip.open(self.file, "rt") as lines:
            for line in lines:
                yield Entry(*json.loads(line))

    def recording(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Yield `entries` and write them down."""
        with gzip.open(self.file, "wt", compresslevel=1) as lines:
            for entry in entries:
                lines.write(json.dumps(entry) + "\n")
                yield entry


@dataclass(frozen=True, slots=True)
class Survey:
    """The data as one look found it; `last_modified` is in seconds since the epoch."""

    fingerprint: Fingerprint
    listing: Listing
    empty: tuple[Channel, ...]
    last_modified: float | None


def survey(data: DataHook, channels: Iterable[Channel]) -> Survey:
    """Look at everything that lies in `channels`."""
    dates: dict[Channel, float | None] = {}

    def entries() -> Iterator[Entry]:
        for channel in channels:
            dates[channel] = None
            for entry, modified in data.list(channel):
                dates[channel] = max(modified, dates[channel] or 0)
                yield entry

    listing = Listing()
    fingerprint = take_fingerprint(listing.recording(entries()))
    empty = tuple(channel for channel, date in dates.items() if date is None)
    return Survey(fingerprint, listing, empty, max((date for date in dates.values() if date is not None), default=None))


class Listings:
    """Remembers the listing that was seen last, and keeps all of them by fingerprint if it is given a location."""

    def __init__(self, data: DataHook, location: str | None) -> None:
        self._data = data
        self._location = location
        self._last: tuple[Fingerprint, Listing] | None = None

    def keep(self, seen: Survey) -> None:
        """Keep a listing, unless it is kept already."""
        if self._last is None or self._last[0] != seen.fingerprint:
            if self._location:
                seen.listing.file.seek(0)
                self._data.write(self._uri(seen.fingerprint), seen.listing.file)
            self._last = seen.fingerprint, seen.listing

    def find(self, fingerprint: Fingerprint) -> Listing | None:
        """Return the listing that a fingerprint was taken of, if it was kept."""
        if self._last is not None and self._last[0] == fingerprint:
            return self._last[1]
        if self._location and (file := self._data.read(self._uri(fingerprint))):
            return Listing(file)
        return None

    def _uri(self, fingerprint: Fingerprint) -> str:
        return f"{str(self._location).rstrip('/')}/{fingerprint}.jsonl.gz"
