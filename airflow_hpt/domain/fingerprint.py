"""What identifies a state of the training data, and how two states differ.

Listings are streams of entries in ascending order of channel and key, so that a hundred thousand objects take no more
memory than one.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import merge
from itertools import groupby, repeat
from typing import NamedTuple

from airflow_hpt.errors import InvalidRequest

DIGEST_LENGTH = 32
FINGERPRINT = re.compile(rf"([0-9a-f]{{{DIGEST_LENGTH}}})-([0-9]+)-([0-9]+)")
EXAMPLES = 10


class Entry(NamedTuple):
    """One object of a channel's data.

    `key` is relative to the channel's location, so the same data in another place has the same fingerprint; `mark` is
    whatever changes with the content: an S3 ETag, or a hash of a file.
    """

    channel: str
    key: str
    size: int
    mark: str

    @property
    def place(self) -> tuple[str, str]:
        """Return where in the data the object belongs, and what listings are sorted by."""
        return self.channel, self.key

    @property
    def path(self) -> str:
        """Return the place as people read it."""
        return f"{self.channel.rstrip('/')}/{self.key}" if self.key else self.channel


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A state of the data: equal for equal keys and contents; its text fits a tag."""

    digest: str
    objects: int
    bytes: int

    def __str__(self) -> str:
        return f"{self.digest}-{self.objects}-{self.bytes}"

    @classmethod
    def parse(cls, text: str) -> "Fingerprint":
        """Return the fingerprint that `text` was made from."""
        if not (match := FINGERPRINT.fullmatch(text)):
            raise InvalidRequest(
                f"{text!r} is not a data fingerprint; it looks like {'0' * DIGEST_LENGTH}-<objects>-<bytes> and comes"
                " from the member `data_fingerprint` of a tuning result or of a refresh report."
            )
        return cls(match[1], int(match[2]), int(match[3]))


@dataclass(frozen=True, slots=True)
class Batch:
    """Objects that changed in the same way, the first of them by path."""

    objects: int = 0
    bytes: int = 0
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        shown = ", ".join(self.examples[:3]) + (", ..." if self.objects > 3 else "")
        return f"{self.objects} ({shown})"


@dataclass(frozen=True, slots=True)
class Difference:
    """How the data changed; the bytes of changed objects are those that they have now."""

    added: Batch = field(default_factory=Batch)
    changed: Batch = field(default_factory=Batch)
    removed: Batch = field(default_factory=Batch)

    @property
    def objects(self) -> int:
        """Return how many objects are concerned."""
        return self.added.objects + self.changed.objects + self.removed.objects

    @property
    def bytes(self) -> int:
        """Return how many bytes are concerned."""
        return self.added.bytes + self.changed.bytes + self.removed.bytes

    def __str__(self) -> str:
        batches = (("added", self.added), ("changed", self.changed), ("removed", self.removed))
        return "; ".join(f"{what} {batch}" for what, batch in batches if batch.objects) or "unchanged"


def take_fingerprint(entries: Iterable[Entry]) -> Fingerprint:
    """Return the fingerprint of a listing."""
    digest, objects, size = hashlib.sha256(), 0, 0
    for entry in _ascending(entries):
        digest.update(json.dumps(entry, separators=(",", ":")).encode())
        objects += 1
        size += entry.size
    return Fingerprint(digest.hexdigest()[:DIGEST_LENGTH], objects, size)


def compare(before: Iterable[Entry], after: Iterable[Entry], *, examples: int = EXAMPLES) -> Difference:
    """Return what was added, changed and removed between two listings, with up to `examples` paths of each."""
    added, changed, removed = _Tally(examples), _Tally(examples), _Tally(examples)
    for old, new in _paired(before, after):
        if old is None and new is not None:
            added.count(new)
        elif new is None and old is not None:
            removed.count(old)
        elif new is not None and old != new:
            changed.count(new)
    return Difference(added.batch(), changed.batch(), removed.batch())


class _Tally:
    """A batch that is being counted."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._objects = 0
        self._bytes = 0
        self._examples: list[str] = []

    def count(self, entry: Entry) -> None:
        self._objects += 1
        self._bytes += entry.size
        if len(self._examples) < self._room:
            self._examples.append(entry.path)

    def batch(self) -> Batch:
        return Batch(self._objects, self._bytes, tuple(self._examples))


def _paired(before: Iterable[Entry], after: Iterable[Entry]) -> Iterator[tuple[Entry | None, Entry | None]]:
    """Yield both states of every place that occurs in either listing."""
    sides = zip(repeat(True), _ascending(before)), zip(repeat(False), _ascending(after))
    for _, group in groupby(merge(*sides, key=_place), key=_place):
        found = dict(group)
        yield found.get(True), found.get(False)


def _place(sided: tuple[bool, Entry]) -> tuple[str, str]:
    return sided[1].place


def _ascending(entries: Iterable[Entry]) -> Iterator[Entry]:
    last: tuple[str, str] | None = None
    for entry in entries:
        if last is not None and entry.place <= last:
            raise ValueError(f"A listing has {entry.place} after {last}; sort it by channel and key, each place once.")
        last = entry.place
        yield entry
