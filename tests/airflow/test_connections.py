"""What a task says when the service cannot be reached or does not let it in."""

import socket
from typing import Any

import pytest

from airflow_hpt import TuningHook, TuningJobOperator
from airflow_hpt.errors import AccessRefused, ConnectionUnusable, ServiceUnavailable
from tests.airflow.conftest import make_connection, make_context
from tests.airflow.fake_sagemaker import FakeSageMaker
from tests.airflow.requests import make_config

pytestmark = pytest.mark.airflow


def run(**changes: Any) -> Any:
    operator = TuningJobOperator(task_id="tune", config=make_config(), **changes)
    return operator.execute(make_context(operator))


def test_a_missing_connection_is_not_replaced_by_other_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of the machine")
    with pytest.raises(ConnectionUnusable, match=r"no connection 'nowhere'.*AIRFLOW_CONN_NOWHERE.*aws_conn_id=None"):
        run(aws_conn_id="nowhere")


def test_a_region_may_be_given_by_the_task(fake: FakeSageMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_NO_REGION", make_connection(fake.endpoint, region_name=None))
    assert TuningHook("no_region", region_name="eu-north-1").region == "eu-north-1"


def test_a_local_service_that_does_not_run_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("AIRFLOW_CONN_DOWN", make_connection(f"http://127.0.0.1:{port}"))
    quick = {"retries": {"total_max_attempts": 1}}
    with pytest.raises(ServiceUnavailable, match=rf"http://127\.0\.0\.1:{port}.*`airflow-hpt local start`"):
        run(aws_conn_id="down", botocore_config=quick)


@pytest.mark.parametrize("code", ["UnrecognizedClientException", "InvalidSignatureException", "AccessDeniedException"])
def test_refused_credentials_name_the_connection(fake: FakeSageMaker, code: str) -> None:
    fake.fail_next(code)
    with pytest.raises(AccessRefused, match=rf"{code}.*connection 'fake'.*`airflow-hpt local env`"):
        run(aws_conn_id="fake")


def test_wrong_credentials_are_refused_by_the_local_service(hpt_airflow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WRONG", make_connection(hpt_airflow.endpoint, region_name="us-east-1"))
    with pytest.raises(AccessRefused, match=r"connection 'wrong'.*`airflow-hpt local env`"):
        run(aws_conn_id="wrong")


def test_no_connection_means_boto3_s_own_chain(hpt_airflow: Any) -> None:
    assert TuningHook(None).endpoint == hpt_airflow.endpoint


def test_what_the_task_says_of_its_client_wins_over_the_defaults(fake: FakeSageMaker) -> None:
    config = TuningHook("fake", botocore_config={"read_timeout": 7}).get_conn().meta.config
    assert (config.read_timeout, config.connect_timeout) == (7, 5)
