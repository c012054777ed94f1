import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_hpt.errors import ServiceUnavailable
from airflow_hpt.local.environment import CONNECTION, variables
from airflow_hpt.local.home import Home, Settings

HOLD = """
import sys
from pathlib import Path
from airflow_hpt.local.home import Home, Settings
home = Home(Path(sys.argv[1]))
with home.held():
    home.record(Settings(port=1234))
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folder_and_keys_are_for_their_owner_only(home: Home) -> None:
    home.credentials()
    assert mode(home.path) == 0o700
    assert mode(home.path / "credentials") == 0o600


def test_keys_are_made_once_and_differ_between_homes(home: Home, tmp_path: Path) -> None:
    assert home.credentials() == home.credentials()
    assert home.credentials() != Home(tmp_path / "other").credentials()


def test_a_home_that_cannot_be_written_is_refused_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ServiceUnavailable, match=r"file/home cannot be written: Not a directory.*--home"):
        Home(tmp_path / "file" / "home").prepare()


def test_one_process_serves_a_home_and_others_can_tell_which(home: Home) -> None:
    home.prepare()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, home.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    assert home.serving_pid() == holder.pid
    assert home.last_settings() == Settings(port=1234)
    with pytest.raises(ServiceUnavailable, match="Another local service already serves"), home.held():
        pass
    holder.kill()
    holder.communicate()
    assert home.serving_pid() is None
    with home.held():
        pass


def test_nobody_serves_a_home_that_was_never_used(home: Home) -> None:
    assert home.serving_pid() is None
    assert home.last_settings() == Settings()
    assert not home.path.exists()


def test_a_record_that_was_half_written_is_never_seen(home: Home) -> None:
    with home.held():
        home.record(Settings(port=1))
        home.record(Settings(port=2, s3_endpoint="http://127.0.0.1:5000"))
    assert home.last_settings() == Settings(port=2, s3_endpoint="http://127.0.0.1:5000")
    assert json.loads((home.path / "service.json").read_text())["pid"] == os.getpid()
    assert sorted(file.name for file in home.path.iterdir()) == ["lock", "service.json"]


def test_the_log_of_a_training_job_is_looked_for_in_the_home_only(home: Home) -> None:
    assert home.training_log("../../etc/passwd") == home.path / "jobs" / "passwd" / "log"


def test_the_variables_point_every_client_at_the_service(home: Home) -> None:
    values = variables(home, Settings(port=1234))
    keys = home.credentials()
    assert set(values) == {
        "HPT_ENDPOINT",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL_SAGEMAKER",
        "HPT_S3_ROOT",
        CONNECTION,
    }
    assert values["HPT_S3_ROOT"] == str(home.path / "s3")
    assert json.loads(values[CONNECTION]) == {
        "conn_type": "aws",
        "login": keys.access_key,
        "password": keys.secret_key,
        "extra": {"region_name": "us-east-1", "endpoint_url": "http://127.0.0.1:1234"},
    }


def test_a_service_on_an_s3_endpoint_points_s3_clients_there_too(home: Home) -> None:
    values = variables(home, Settings(s3_endpoint="http://127.0.0.1:5000"))
    assert "HPT_S3_ROOT" not in values
    assert values["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:5000"
    assert json.loads(values[CONNECTION])["extra"]["service_config"] == {
        "s3": {"endpoint_url": "http://127.0.0.1:5000"}
    }


@pytest.mark.airflow
def test_the_amazon_provider_reads_the_connection(home: Home) -> None:
    from airflow.providers.amazon.aws.utils.connection_wrapper import AwsConnectionWrapper
    from airflow.sdk import Connection

    values = variables(home, Settings(port=1234, s3_endpoint="http://127.0.0.1:5000"))
    wrapper = AwsConnectionWrapper(conn=Connection.from_json(values[CONNECTION], conn_id="hpt_local"))
    assert wrapper.get_service_endpoint_url("sagemaker") == "http://127.0.0.1:1234"
    assert wrapper.get_service_endpoint_url("s3") == "http://127.0.0.1:5000"
    assert (wrapper.region_name, wrapper.aws_access_key_id) == ("us-east-1", home.credentials().access_key)
