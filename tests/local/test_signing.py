from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from airflow_hpt.errors import CallRejected
from airflow_hpt.local.service.signing import Credentials, SignedRequest, verify
from tests.serving import CREDENTIALS, RawClient

Headers = dict[str, str]


def make_request(
    body: bytes = b"{}", *, change: Callable[[Headers], Headers] = dict, **signing: object
) -> SignedRequest:
    headers = change(RawClient(port=1).signed_headers(body, **signing))
    return SignedRequest("POST", "/", "", tuple((name.lower(), value) for name, value in headers.items()), body)


def check(request: SignedRequest) -> None:
    verify(request, CREDENTIALS, now=datetime.now(UTC))


def without(*names: str) -> Callable[[Headers], Headers]:
    return lambda headers: {name: value for name, value in headers.items() if name not in names}


def with_(**more: str) -> Callable[[Headers], Headers]:
    return lambda headers: headers | {name.replace("_", "-"): value for name, value in more.items()}


def in_authorization(old: str, new: str) -> Callable[[Headers], Headers]:
    return lambda headers: headers | {"Authorization": headers["Authorization"].replace(old, new)}


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
@pytest.mark.parametrize("age", [timedelta(0), timedelta(minutes=14), timedelta(minutes=-14)])
def test_a_request_signed_with_the_keys_of_the_service_is_accepted_in_any_region(region: str, age: timedelta) -> None:
    check(make_request(region=region, age=age))


def test_the_date_header_is_read_when_there_is_no_amazon_one() -> None:
    moment = datetime(2026, 5, 17, 12, 0, 3, tzinfo=UTC)
    request = make_request(change=with_(Date="Sun, 17 May 2026 12:00:03 GMT"))
    headers = tuple(pair for pair in request.headers if pair[0] != "x-amz-date")
    with pytest.raises(CallRejected, match="Date in Credential scope does not match"):
        verify(SignedRequest("POST", "/", "", headers, b"{}"), CREDENTIALS, now=moment)


REFUSALS = {
    "unsigned": (without("Authorization"), "MissingAuthenticationTokenException", "Missing Authentication Token"),
    "other scheme": (with_(Authorization="Basic abc"), "IncompleteSignatureException", "Unsupported AWS 'algorithm'"),
    "no parts": (
        with_(Authorization="AWS4-HMAC-SHA256 x"),
        "IncompleteSignatureException",
        "requires 'Credential' parameter. Authorization header requires 'Signature' parameter",
    ),
    "short scope": (in_authorization("/aws4_request", ""), "IncompleteSignatureException", "5 slash-delimited"),
    "no date": (without("X-Amz-Date"), "IncompleteSignatureException", "either a 'X-Amz-Date' or a 'Date'"),
    "odd date": (with_(X_Amz_Date="yesterday"), "IncompleteSignatureException", "Got 'yesterday'"),
    "unknown key": (
        in_authorization("HPTTESTKEY", "AKIAOTHER"),
        "UnrecognizedClientException",
        "airflow-hpt local env",
    ),
    "other day in scope": (in_authorization("/eu-west-1", "x/eu-west-1"), "InvalidSignatureException", "Date in Cred"),
    "other region": (in_authorization("eu-west-1", "eu-west-2"), "InvalidSignatureException", "does not match the sig"),
    "target altered": (with_(X_Amz_Target="SageMaker.Search"), "InvalidSignatureException", "does not match the sig"),
    "host altered": (with_(Host="elsewhere:80"), "InvalidSignatureException", "does not match the signature"),
    "signature altered": (in_authorization("Signature=", "Signature=0"), "InvalidSignatureException", "does not match"),
    "signature not ASCII": (
        in_authorization("Signature=", "Signature=é"),
        "InvalidSignatureException",
        "does not match",
    ),
    "target not covered": (
        in_authorization(";x-amz-target", ""),
        "InvalidSignatureException",
        "'x-amz-target' must be a 'SignedHeader'",
    ),
    "host not covered": (in_authorization(";host", ""), "InvalidSignatureException", "'host' must be a 'SignedHeader'"),
    "smuggled header": (
        with_(X_Amz_Content_Sha256="UNSIGNED-PAYLOAD"),
        "InvalidSignatureException",
        "'x-amz-content-sha256' must be a 'SignedHeader'",
    ),
}


@pytest.mark.parametrize(("change", "code", "text"), REFUSALS.values(), ids=REFUSALS)
def test_a_request_that_is_not_properly_signed_is_refused(
    change: Callable[[Headers], Headers], code: str, text: str
) -> None:
    with pytest.raises(CallRejected, match=text) as refusal:
        check(make_request(change=change))
    assert (refusal.value.code, refusal.value.status) == (code, 400)


def test_a_wrong_secret_is_refused() -> None:
    with pytest.raises(CallRejected, match="does not match the signature you provided"):
        check(make_request(credentials=Credentials(CREDENTIALS.access_key, "a guess")))


def test_a_signature_for_another_service_is_refused() -> None:
    with pytest.raises(CallRejected, match="correct service: 'sagemaker'"):
        check(make_request(service="s3"))


def test_an_altered_body_is_refused() -> None:
    request = make_request(b'{"A": 1}')
    with pytest.raises(CallRejected, match="does not match the signature you provided"):
        check(SignedRequest("POST", "/", "", request.headers, b'{"A": 2}'))


@pytest.mark.parametrize(
    ("age", "text"), [(16, "Signature expired"), (60 * 24 * 9, "expired"), (-16, "not yet current")]
)
def test_an_old_or_future_request_is_refused(age: int, text: str) -> None:
    with pytest.raises(CallRejected, match=text):
        check(make_request(age=timedelta(minutes=age)))


def test_the_secret_does_not_show() -> None:
    assert CREDENTIALS.secret_key not in repr(CREDENTIALS)
