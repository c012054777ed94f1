"""What all tests of the local service share."""

import pytest

from airflow_hpt.local.store import database


@pytest.fixture(autouse=True)
def no_disk_flushes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flushes guard against loss of power, which no test simulates; without them the tests are many times faster."""
    monkeypatch.setattr(database, "PRAGMAS", database.PRAGMAS.replace("synchronous = FULL", "synchronous = OFF"))
