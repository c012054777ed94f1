"""The SQLite file of a home folder: one writer at a time, readers that never wait for it."""

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_hpt.errors import ServiceUnavailable

SCHEMA_VERSION = 1
SCHEMA = Path(__file__).with_name("schema.sql")
BUSY_SECONDS = 30.0

# docs/decisions/0001-sqlite.md gives the reasons.
PRAGMAS = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"


class Database:
    """A pool of connections to one SQLite file; safe to use from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._readers: deque[sqlite3.Connection] = deque()
        self._writing = threading.Lock()
        try:
            self._writer = self._connect()
            self._prepare()
        except sqlite3.DatabaseError as error:
            raise ServiceUnavailable(f"{path} cannot be opened as the state of a local service: {error}.") from error

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction that sees and makes the only changes; it is kept unless an error leaves the block."""
        with self._writing:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Open a view of one moment, which later writes do not change."""
        reader = self._readers.pop() if self._readers else self._connect()
        reader.execute("BEGIN")
        try:
            yield reader
        finally:
            reader.execute("ROLLBACK")
            self._readers.append(reader)

    def close(self) -> None:
        """Close every connection; nobody may be reading or writing any more."""
        with self._writing:
            self._writer.close()
        while self._readers:
            self._readers.pop().close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.executescript(PRAGMAS)
        return connection

    def _prepare(self) -> None:
        version = self._writer.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            self._writer.close()
            raise ServiceUnavailable(
                f"{self._path} was written by a newer airflow-hpt (schema {version}; this one knows {SCHEMA_VERSION}). "
                "Upgrade airflow-hpt, or start the local service with another home folder."
            )
        if version == 0:
            steps = ("BEGIN IMMEDIATE;", SCHEMA.read_text(), f"PRAGMA user_version = {SCHEMA_VERSION};", "COMMIT;")
            self._writer.executescript("\n".join(steps))
