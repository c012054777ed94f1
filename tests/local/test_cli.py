import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from airflow_hpt.local import daemon
from airflow_hpt.local.home import Home
from airflow_hpt.testing import LocalService
from tests.serving import ENVIRONMENT, airflow_hpt


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "a home")
    yield home
    daemon.stop(home)


def test_start_status_env_and_stop(home: Home) -> None:
    option = ("--home", home.path)
    assert "No local service runs" in airflow_hpt("local", "status", *option, code=1)
    started = airflow_hpt("local", "start", *option, "--port", 0)
    endpoint = home.last_settings().endpoint
    assert f"runs at {endpoint}" in started
    assert f"already runs at {endpoint}" in airflow_hpt("local", "start", *option, "--port", 0)
    assert f"runs at {endpoint}" in airflow_hpt("local", "status", *option)
    lines = airflow_hpt("local", "env", *option)
    script = lines + 'printf "%s|%s" "$HPT_ENDPOINT" "$AIRFLOW_CONN_HPT_LOCAL"'
    shown, connection = subprocess.check_output(["/bin/sh", "-c", script], text=True).split("|")
    assert (shown, json.loads(connection)["extra"]["endpoint_url"]) == (endpoint, endpoint)
    assert "has stopped" in airflow_hpt("local", "stop", *option)
    assert "was not running" in airflow_hpt("local", "stop", *option)
    assert home.serving_pid() is None


def test_of_several_starts_at_once_one_starts_it_and_all_succeed(home: Home) -> None:
    with ThreadPoolExecutor() as pool:
        starts = [pool.submit(airflow_hpt, "local", "start", "--home", home.path, "--port", 0) for _ in range(3)]
        printed = [start.result() for start in starts]
    assert all(f"runs at {home.last_settings().endpoint} (process {home.serving_pid()})" in text for text in printed)
    named = subprocess.check_output(["pgrep", "-f", str(home.path)], text=True).split()
    assert named == [str(home.serving_pid())], "a slower start is left, and would take over when this service stops"


def test_a_port_in_use_is_a_clear_error(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = airflow_hpt("local", "start", "--home", home.path, "--port", port, code=1)
    assert f"Port {port} of 127.0.0.1 cannot be used: Address already in use" in message
    assert "Traceback" not in message


def test_a_home_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    message = airflow_hpt("local", "start", "--home", tmp_path / "file" / "home", code=1)
    assert message.startswith("error: The home folder")


def test_a_crash_at_start_shows_the_end_of_the_log(home: Home) -> None:
    home.prepare()
    home.database.write_text("this is not a database, " * 100)
    message = airflow_hpt("local", "start", "--home", home.path, "--port", 0, code=1)
    assert "The local service ended with code 1" in message
    assert "not a database" in message


def test_s3_is_a_folder_or_a_service(home: Home) -> None:
    both = ("--s3-root", home.path, "--s3-endpoint", "http://127.0.0.1:1")
    assert "not both" in airflow_hpt("local", "start", "--home", home.path, *both, code=2)


@pytest.mark.parametrize("command", [["jobs"], ["report", "digits"]])
def test_commands_that_need_the_service_say_how_to_start_it(home: Home, command: list[str]) -> None:
    message = airflow_hpt(*command, "--home", home.path, code=1)
    assert f"Start it with: airflow-hpt local start --home '{home.path}'" in message


def test_a_log_that_does_not_exist_is_a_clear_error(home: Home) -> None:
    assert "There is no log" in airflow_hpt("local", "logs", "nowhere", "--home", home.path, code=1)


@pytest.mark.parametrize("command", ["status", "env"])
def test_quick_commands_load_no_client_and_no_engine(home: Home, command: str) -> None:
    script = (
        "import sys\nfrom airflow_hpt.local.cli import app\n"
        f"app(['local', {command!r}, '--home', sys.argv[1]], standalone_mode=False)\n"
        "print(sorted({'numpy', 'scipy', 'boto3', 'botocore', 'rich', 'starlette', 'airflow'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script, home.path], capture_output=True, text=True, env=ENVIRONMENT)
    assert done.stdout.endswith("[]\n"), done.stdout + done.stderr


def test_a_fresh_service_has_no_jobs_and_knows_no_report(hpt_local_service: LocalService, home: Home) -> None:
    option = ("--home", hpt_local_service.home.path)
    assert "can't find a tuning job called nowhere" in airflow_hpt("report", "nowhere", *option, code=1)
    assert "request" in airflow_hpt("local", "logs", *option)
