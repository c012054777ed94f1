import http.client
import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from airflow_hpt.errors import AlreadyExists, CallRejected, InvalidRequest, LimitExceeded, NotFound
from airflow_hpt.local.service.app import DISCARD_LIMIT
from airflow_hpt.local.service.wire import BODY_LIMIT, decoded_request, plain
from tests.serving import CREDENTIALS, RawClient, served

ARN = "arn:aws:sagemaker:us-east-1:000000000000:hyper-parameter-tuning-job/digits"


class Scripted:
    """Operations that answer what a test tells them to, and remember what they were asked."""

    names = frozenset({"DescribeHyperParameterTuningJob", "StopHyperParameterTuningJob", "ListTags", "DeleteTags"})

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.answer: Callable[[], Mapping[str, Any] | None] = dict

    def call(self, operation: str, request: dict[str, Any]) -> Mapping[str, Any] | None:
        self.calls.append((operation, request))
        return self.answer()


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Scripted, RawClient]]:
    operations = Scripted()
    with served(operations) as client:
        yield operations, client


@pytest.fixture
def operations(server: tuple[Scripted, RawClient]) -> Scripted:
    server[0].__init__()
    return server[0]


@pytest.fixture
def client(server: tuple[Scripted, RawClient], operations: Scripted) -> RawClient:
    return server[1]


@pytest.fixture
def sagemaker(client: RawClient) -> Any:
    return boto3.client(
        "sagemaker",
        region_name="us-west-2",
        endpoint_url=f"http://127.0.0.1:{client.port}",
        aws_access_key_id=CREDENTIALS.access_key,
        aws_secret_access_key=CREDENTIALS.secret_key,
        config=Config(retries={"total_max_attempts": 1}),
    )


def raising(error: Exception) -> Callable[[], Mapping[str, Any]]:
    def answer() -> Mapping[str, Any]:
        raise error

    return answer


def test_an_answer_has_the_marks_of_aws(operations: Scripted, client: RawClient) -> None:
    operations.answer = lambda: {"Tags": [{"Key": "a", "Value": "é"}], "NextToken": None}
    reply = client.call("ListTags", {"ResourceArn": ARN})
    assert (reply.status, reply.json) == (200, {"Tags": [{"Key": "a", "Value": "é"}]})
    assert reply.headers["content-type"] == "application/x-amz-json-1.1"
    assert len(reply.headers["x-amzn-requestid"]) == 36
    assert operations.calls == [("ListTags", {"ResourceArn": ARN})]


def test_an_operation_without_output_answers_with_an_empty_body(operations: Scripted, client: RawClient) -> None:
    operations.answer = lambda: None
    reply = client.call("StopHyperParameterTuningJob", {"HyperParameterTuningJobName": "digits"})
    assert (reply.status, reply.raw) == (200, b"")


def test_an_output_without_members_is_an_empty_structure(operations: Scripted, client: RawClient) -> None:
    reply = client.call("DeleteTags", {"ResourceArn": ARN, "TagKeys": ["a"]})
    assert (reply.status, reply.raw) == (200, b"{}")


@pytest.mark.parametrize("error", [InvalidRequest, AlreadyExists, NotFound, LimitExceeded])
def test_boto3_raises_the_refusal_of_an_operation_by_its_code(
    operations: Scripted, sagemaker: Any, error: type[InvalidRequest]
) -> None:
    operations.answer = raising(error("digits cannot be had"))
    with pytest.raises(ClientError, match="digits cannot be had") as refusal:
        sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="digits")
    assert refusal.value.response["Error"]["Code"] == error.code
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_boto3_reads_times_as_they_were_meant(operations: Scripted, sagemaker: Any) -> None:
    moment = datetime(2026, 5, 17, 12, 0, 3, 250_000, tzinfo=UTC)
    operations.answer = lambda: {"HyperParameterTuningJobName": "digits", "CreationTime": moment}
    answer = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="digits")
    assert answer["CreationTime"] == moment


def test_a_fault_of_the_service_itself_is_an_internal_failure_with_a_traceback_in_the_log(
    operations: Scripted, client: RawClient, caplog: pytest.LogCaptureFixture
) -> None:
    operations.answer = raising(ZeroDivisionError("a bug"))
    reply = client.call("ListTags", {"ResourceArn": ARN})
    assert (reply.status, reply.code) == (500, "InternalFailure")
    assert "a bug" not in reply.message
    assert "ZeroDivisionError: a bug" in caplog.text


def test_a_value_that_json_cannot_hold_is_an_internal_failure_too(operations: Scripted, client: RawClient) -> None:
    operations.answer = lambda: {"Tags": object()}
    assert client.call("ListTags", {"ResourceArn": ARN}).code == "InternalFailure"


@pytest.mark.parametrize(
    "target", ["", "SageMaker", "SageMaker.", "SageMaker.Nope", "sagemaker.ListTags", "S.ListTags"]
)
def test_an_unknown_target_is_an_unknown_operation(client: RawClient, target: str) -> None:
    reply = client.send(b"{}", client.signed_headers(b"{}", target=target))
    assert (reply.status, reply.code) == (400, "UnknownOperationException")
    assert "DescribeHyperParameterTuningJob, ListTags, StopHyperParameterTuningJob" in reply.message


def test_an_operation_that_exists_on_aws_only_says_so(sagemaker: Any) -> None:
    with pytest.raises(
        ClientError, match=r"UnknownOperation.*ListEndpoints exists on AWS but not in the local service"
    ):
        sagemaker.list_endpoints()


@pytest.mark.parametrize("content_type", ["text/plain", "", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_wrong_content_type_is_refused(client: RawClient, content_type: str) -> None:
    body = json.dumps({"ResourceArn": ARN}).encode()
    reply = client.send(body, client.signed_headers(body, content_type=content_type))
    assert (reply.status, reply.code) == (404, "UnknownOperationException")


@pytest.mark.parametrize("content_type", ["application/json", "application/x-amz-json-1.1; charset=utf-8"])
def test_the_usual_content_types_are_accepted(client: RawClient, content_type: str) -> None:
    body = json.dumps({"ResourceArn": ARN}).encode()
    assert client.send(body, client.signed_headers(body, content_type=content_type)).status == 200


BROKEN = [
    b"", b"{", b"{}{}", b"[1,]", b"nul", b"\xff\xfe", b'{"ResourceArn": NaN}', b'{"a": "\x01"}', "\ufeff{}".encode(),
    b"[" * 100_000, b'{"a":' * 100_000, b"1" * 10_000, '{"ResourceArn": "é"}'.encode("latin-1"),
]  # fmt: skip


@pytest.mark.parametrize("body", BROKEN, ids=lambda body: repr(body[:12]))
def test_broken_json_is_a_serialization_exception(operations: Scripted, client: RawClient, body: bytes) -> None:
    reply = client.call("ListTags", body)
    assert (reply.status, reply.code, operations.calls) == (400, "SerializationException", [])


@given(st.binary(max_size=64))
def test_no_body_whatever_is_an_internal_failure(server: tuple[Scripted, RawClient], body: bytes) -> None:
    assert server[1].call("ListTags", body).status == 400


def test_an_expression_nested_beyond_reason_is_refused() -> None:
    body = b'{"Resource":"Endpoint","SearchExpression":' + b'{"SubExpressions":[' * 400 + b"{}" + b"]}" * 400 + b"}"
    with pytest.raises(CallRejected, match="it is nested too deeply"):
        decoded_request("Search", body)


def test_a_request_is_refused_before_it_is_read_when_it_is_not_signed(operations: Scripted, client: RawClient) -> None:
    headers = client.signed_headers(b"{", target="SageMaker.Nope")
    del headers["Authorization"]
    assert client.send(b"{", headers).code == "MissingAuthenticationTokenException"
    assert client.call("ListTags", {"ResourceArn": ARN}, age=timedelta(days=1)).code == "InvalidSignatureException"
    assert operations.calls == []


def test_a_replay_is_a_request_like_any_other(operations: Scripted, client: RawClient) -> None:
    body = json.dumps({"ResourceArn": ARN}).encode()
    headers = client.signed_headers(body)
    assert [client.send(body, headers).status for _ in range(2)] == [200, 200]


def test_a_body_over_the_limit_is_refused_without_being_kept(operations: Scripted, client: RawClient) -> None:
    body = b" " * (50 * 1024 * 1024)
    reply = client.call("ListTags", body)
    assert (reply.status, reply.code) == (413, "RequestEntityTooLargeException")
    assert client.call("ListTags", {"ResourceArn": ARN}).status == 200


def test_a_body_at_the_limit_is_read(client: RawClient) -> None:
    body = json.dumps({"ResourceArn": ARN}).encode().ljust(BODY_LIMIT)
    assert client.call("ListTags", body).status == 200


def test_an_endless_body_is_cut_off(client: RawClient) -> None:
    connection = socket.create_connection(("127.0.0.1", client.port))
    connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    sent = 0
    try:
        while sent < 4 * DISCARD_LIMIT:
            connection.sendall(chunk)
            sent += len(chunk)
    except OSError:
        pass
    connection.close()
    assert DISCARD_LIMIT <= sent < 4 * DISCARD_LIMIT


def test_a_client_that_hangs_up_halfway_harms_nobody(client: RawClient) -> None:
    with socket.create_connection(("127.0.0.1", client.port)) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    assert client.call("ListTags", {"ResourceArn": ARN}).status == 200


def test_requests_run_side_by_side(operations: Scripted, client: RawClient) -> None:
    together = threading.Barrier(5, timeout=20)
    operations.answer = lambda: {"Tags": [{"Key": "met", "Value": str(together.wait() >= 0)}]}
    clients = [RawClient(client.port) for _ in range(5)]
    threads = [threading.Thread(target=each.call, args=("ListTags", {"ResourceArn": ARN})) for each in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in clients:
        each.close()
    assert not together.broken


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("PUT", "/bucket/key"), ("GET", "/bucket?x=1"), ("POST", "/x")]
)
def test_a_request_of_another_aws_service_gets_an_answer_that_its_client_can_read(
    client: RawClient, method: str, path: str
) -> None:
    reply = client.send(b"", {}, method=method, path=path)
    assert reply.status == 501
    assert b"<Code>NotImplemented</Code>" in reply.raw


def test_the_health_check_needs_no_signature_and_tells_little(client: RawClient) -> None:
    reply = client.send(b"", {}, method="GET", path="/health")
    assert (reply.status, sorted(reply.json)) == (200, ["pid", "service", "version"])


def test_every_request_leaves_one_line_in_the_log(client: RawClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "airflow_hpt.requests")
    client.call("StopHyperParameterTuningJob", {"HyperParameterTuningJobName": "digits"})
    client.call("ListTags", b"{")
    client.send(b"{}", client.signed_headers(b"{}", target="a b\tc status=200"))
    lines = [record.getMessage() for record in caplog.records if record.name == "airflow_hpt.requests"]
    assert [line.partition(" ms=")[0] for line in lines] == [
        "StopHyperParameterTuningJob status=200 error=-",
        "ListTags status=400 error=SerializationException",
        "abcstatus=200 status=400 error=UnknownOperationException",
    ]
    assert " job=digits id=" in lines[0]


def test_an_unfinished_request_does_not_hold_up_others(client: RawClient) -> None:
    stalled = http.client.HTTPConnection("127.0.0.1", client.port)
    stalled.putrequest("POST", "/")
    stalled.putheader("Content-Length", "10")
    stalled.endheaders()
    assert client.call("ListTags", {"ResourceArn": ARN}).status == 200
    stalled.close()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes(timezones=st.just(UTC)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_every_answer_is_json_without_null_members_and_bare_infinities(value: Any) -> None:
    def check(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert all(member is not None for _, member in pairs)
        return dict(pairs)

    json.loads(json.dumps(plain(value), allow_nan=False), object_pairs_hook=check)
