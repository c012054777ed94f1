"""The tags of tuning jobs and training jobs."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from airflow_hpt.errors import InvalidRequest
from airflow_hpt.local.store.database import Database

TAG_LIMIT = 50


class Tagged(StrEnum):
    """What can carry tags."""

    TUNING = "tuning"
    TRAINING = "training"


class Tags:
    """Tags by the kind and the name of the job that carries them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, kind: Tagged, name: str) -> dict[str, str]:
        """Return the tags of a job in the order of their keys."""
        with self._database.read() as connection:
            found = connection.execute("SELECT key, value FROM tag WHERE resource = ? ORDER BY key", [f"{kind}/{name}"])
            return {row["key"]: row["value"] for row in found}

    def put(self, kind: Tagged, name: str, tags: Mapping[str, str]) -> None:
        """Add tags, or new values of those that exist; refuse to pass the limit of tags for a job."""
        with self._database.write() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO tag VALUES (?, ?, ?)", [(f"{kind}/{name}", *tag) for tag in tags.items()]
            )
            (count,) = connection.execute("SELECT count(*) FROM tag WHERE resource = ?", [f"{kind}/{name}"]).fetchone()
            if count > TAG_LIMIT:
                raise InvalidRequest(
                    f"With these tags {name} would have {count}; at most {TAG_LIMIT} are allowed. Delete some first."
                )

    def remove(self, kind: Tagged, name: str, keys: Iterable[str]) -> None:
        """Remove the tags with these keys; keys that are not there are ignored."""
        with self._database.write() as connection:
            connection.executemany(
                "DELETE FROM tag WHERE resource = ? AND key = ?", [(f"{kind}/{name}", key) for key in keys]
            )
