"""The SQLite store: its contract, and what is particular to SQLite."""

import re
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from airflow_hpt.domain.records import StopCause
from airflow_hpt.domain.states import TrainingState, TuningState
from airflow_hpt.errors import ServiceUnavailable
from airflow_hpt.local.store import Store
from airflow_hpt.local.store.database import SCHEMA, Database
from tests.contracts.store import NOW, StoreContract, add, claim, end, run
from tests.local.fakes import parse


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


class TestSqliteStore(StoreContract):
    @pytest.fixture
    def open_store(self, path: Path) -> Callable[[], Store]:
        return lambda: Store(path, parse=parse)


@pytest.mark.parametrize(
    ("table", "column", "values"),
    [
        ("tuning_job", "state", set(TuningState)),
        ("training_job", "state", set(TrainingState)),
        ("training_job", "stop_cause", set(StopCause)),
    ],
)
def test_the_schema_knows_the_same_states_as_the_rules(table: str, column: str, values: set[str]) -> None:
    body = SCHEMA.read_text().partition(f"CREATE TABLE {table}")[2].partition(";")[0]
    listed = re.search(rf"^    {column} .*CHECK \({column} IN \(([^)]*)\)\)", body, re.MULTILINE)
    assert listed
    assert set(re.findall(r"'([^']*)'", listed[1])) == values


@pytest.mark.parametrize(("table", "state"), [("tuning_job", "InProgress"), ("training_job", "Running")])
def test_the_database_itself_refuses_to_leave_a_final_state(path: Path, table: str, state: str) -> None:
    store = Store(path, parse=parse)
    job = add(store)
    run(store, job, 0.5)
    end(store, job)
    store.close()
    with sqlite3.connect(path) as connection, pytest.raises(sqlite3.IntegrityError, match="cannot change its state"):
        connection.execute(f"UPDATE {table} SET state = ?, ended_at = NULL", [state])
    connection.close()


def test_every_move_leaves_a_trace(path: Path) -> None:
    store = Store(path, parse=parse)
    job = add(store)
    training = run(store, job, 0.5, state="Failed")
    end(store, job)
    store.close()
    connection = sqlite3.connect(path)
    trail = connection.execute("SELECT resource, before, after FROM transition ORDER BY id").fetchall()
    connection.close()
    assert trail == [
        ("tuning/digits", None, "InProgress"),
        (f"training/{training.name}", None, "Claimed"),
        (f"training/{training.name}", "Claimed", "Running"),
        (f"training/{training.name}", "Running", "Failed"),
        ("tuning/digits", "InProgress", "Completed"),
    ]


def test_a_home_of_a_newer_version_is_refused(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(ServiceUnavailable, match=r"newer airflow-hpt \(schema 99; this one knows 1\)\. Upgrade"):
        Store(path, parse=parse)


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_text("not a database, but long enough to look like a file with a header of its own" * 20)
    with pytest.raises(ServiceUnavailable, match=re.escape(f"{path} cannot be opened as the state of a local service")):
        Store(path, parse=parse)


def test_a_reader_sees_one_moment_and_does_not_wait_for_a_writer(path: Path) -> None:
    database = Database(path)
    count = "SELECT count(*) FROM tag"
    with database.read() as before:
        assert before.execute(count).fetchone()[0] == 0
        with database.write() as writing:
            writing.execute("INSERT INTO tag VALUES ('tuning/digits', 'team', 'vision')")
            with database.read() as during:
                assert during.execute(count).fetchone()[0] == 0
        assert before.execute(count).fetchone()[0] == 0
        with database.read() as after:
            assert after.execute(count).fetchone()[0] == 1
    database.close()


def test_many_threads_may_use_one_store(path: Path) -> None:
    store = Store(path, parse=parse)
    job = add(store, jobs=40, parallel=40)

    def work(_: int) -> None:
        training = claim(store, job)
        store.training_jobs.record(training.name, [("ObjectiveMetric", 0.5)], since=0, until=9, now=NOW)
        assert store.training_jobs.find(training.name)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40)))
    assert [each.index for each in store.training_jobs.of(job)] == list(range(1, 41))
    store.close()
