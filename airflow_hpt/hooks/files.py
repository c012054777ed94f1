"""Files as data: listed in the order in which S3 would list them, each with a hash of its content."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Iterator
from typing import IO, NamedTuple

from airflow_hpt.domain.fingerprint import DIGEST_LENGTH
from airflow_hpt.errors import ObjectUnavailable

DRAFT = ".airflow-hpt-draft-"  # what this class and the local service are just writing
ABSENT = {errno.ENOENT, errno.ENOTDIR}
RACY_NANOSECONDS = 2_000_000_000  # a file that changed just now may change again without its dates showing it


class Found(NamedTuple):
    """An object or a file below a location; `modified` is in seconds since the epoch."""

    key: str
    size: int
    mark: str
    modified: float


class Files:
    """Reads and writes files; an unchanged file is hashed once."""

    def __init__(self) -> None:
        self._marks: dict[str, tuple[tuple[int, ...], str]] = {}

    def below(self, prefix: str) -> Iterator[Found]:
        """Yield the files whose paths begin with `prefix`, in order; keys are what follows it."""
        folder, _, start = prefix.rpartition("/")
        for path in _walk(folder or "/", start, frozenset()):
            if found := self._file(path, path.removeprefix(prefix)):
                yield found

    def only(self, path: str) -> Iterator[Found]:
        """Yield one file, if it is there."""
        if os.path.isfile(path) and (found := self._file(path, "")):
            yield found

    def read(self, path: str) -> IO[bytes] | None:
        """Return a stream of a file, None if it does not exist."""
        try:
            return open(path, "rb")
        except OSError as error:
            if error.errno in ABSENT:
                return None
            raise _unreadable(path, error) from error

    def write(self, path: str, content: IO[bytes]) -> None:
        """Store a stream as a file, all of it or nothing."""
        folder = os.path.dirname(path)
        draft = os.path.join(folder, f"{DRAFT}{os.getpid()}-{os.urandom(4).hex()}")
        try:
            os.makedirs(folder, exist_ok=True)
            with open(draft, "wb") as file:
                file.write(content.read())
            os.replace(draft, path)
        except OSError as error:
            raise ObjectUnavailable(f"{path} cannot be written: {error.strerror}.") from error

    def _file(self, path: str, key: str) -> Found | None:
        try:
            facts = os.stat(path)
            return Found(key, facts.st_size, self._mark(path, facts), facts.st_mtime)
        except OSError as error:
            if error.errno in ABSENT:  # removed since its folder was read
                return None
            raise _unreadable(path, error) from error

    def _mark(self, path: str, facts: os.stat_result) -> str:
        state = (facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino)
        known, mark = self._marks.get(path, (None, ""))
        if known == state:
            return mark
        with open(path, "rb") as file:
            mark = hashlib.file_digest(file, "sha256").hexdigest()[:DIGEST_LENGTH]
        if time.time_ns() - max(facts.st_mtime_ns, facts.st_ctime_ns) > RACY_NANOSECONDS:
            self._marks[path] = state, mark
        return mark


def _walk(folder: str, start: str, above: frozenset[str]) -> Iterator[str]:
    real = os.path.realpath(folder)
    if real in above:  # a link to a folder that contains it
        return
    try:
        with os.scandir(folder) as entries:
            named = sorted((each.name + "/" * each.is_dir(), each) for each in entries if each.name.startswith(start))
    except OSError as error:
        if error.errno in ABSENT:
            return
        raise _unreadable(folder, error) from error
    for name, entry in named:
        if name.endswith("/"):
            yield from _walk(entry.path, "", above | {real})
        elif entry.is_file() and not name.startswith(DRAFT):
            yield entry.path


def _unreadable(path: str, error: OSError) -> ObjectUnavailable:
    return ObjectUnavailable(
        f"{path} cannot be read: {error.strerror}. The workers need access to it, and for deferred tasks and asset"
        " watchers so does the triggerer."
    )
