"""AWS Signature Version 4, checked with botocore's own signer.

The service runs programs that its callers name, so a request counts only when whoever sent it knows the secret key. A
signed request may be replayed for 15 minutes, as on AWS; the name of a tuning job keeps a replay from starting twice.
"""

import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from hashlib import sha256

from airflow_hpt.errors import CallRejected

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "sagemaker"
ALLOWED_SKEW = timedelta(minutes=15)
TIMESTAMP = "%Y%m%dT%H%M%SZ"
_PART = re.compile(r"(\w+)=([^,\s]+)")


@dataclass(frozen=True, slots=True)
class Credentials:
    """The one pair of keys that a local service accepts."""

    access_key: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """An HTTP request as it arrived; header names in lower case, repeated headers repeated."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """Return the first header of that name, or an empty text."""
        return next((value for key, value in self.headers if key == name), "")


@dataclass(frozen=True, slots=True)
class _Claim:
    """What the Authorization header claims."""

    access_key: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str


def verify(request: SignedRequest, credentials: Credentials, *, now: datetime) -> None:
    """Raise CallRejected unless `request` was signed with `credentials` within 15 minutes of `now`."""
    claim = _claim(request)
    timestamp = _timestamp(request)
    if not hmac.compare_digest(claim.access_key.encode(), credentials.access_key.encode()):
        raise CallRejected(
            "UnrecognizedClientException",
            "The security token included in the request is invalid. The keys of this service are those that "
            "`airflow-hpt local env` prints.",
        )
    _check_scope(claim, timestamp)
    _check_age(timestamp, now)
    _check_coverage(claim, request)
    expected = _signature(claim, request, credentials, timestamp)
    if not hmac.compare_digest(expected.encode(), claim.signature.encode()):
        raise _invalid(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. The keys of this service are those that `airflow-hpt local env` prints."
        )


def _claim(request: SignedRequest) -> _Claim:
    header = request.header("authorization")
    if not header:
        raise CallRejected("MissingAuthenticationTokenException", "Missing Authentication Token")
    algorithm, _, rest = header.partition(" ")
    if algorithm != ALGORITHM:
        raise CallRejected("IncompleteSignatureException", f"Unsupported AWS 'algorithm': '{algorithm[:64]}'.")
    parts = dict(_PART.findall(rest))
    if missing := [name for name in ("Credential", "Signature", "SignedHeaders") if name not in parts]:
        raise _incomplete(f"Authorization header requires '{name}' parameter." for name in missing)
    scope = parts["Credential"].split("/")
    if len(scope) != 5 or scope[4] != "aws4_request":
        raise _incomplete(["Credential must have exactly 5 slash-delimited elements and end in aws4_request."])
    access_key, date, region, service, _ = scope
    signed_headers = tuple(parts["SignedHeaders"].lower().split(";"))
    return _Claim(access_key, date, region, service, signed_headers, parts["Signature"])


def _timestamp(request: SignedRequest) -> datetime:
    amazon, plain = request.header("x-amz-date"), request.header("date")
    if not amazon and not plain:
        raise _incomplete(["Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."])
    try:
        if not amazon:
            return parsedate_to_datetime(plain).astimezone(UTC)
        return datetime.strptime(amazon, TIMESTAMP).replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise _incomplete([f"Date must be in ISO-8601 'basic format'. Got '{(amazon or plain)[:64]}'."]) from None


def _check_scope(claim: _Claim, timestamp: datetime) -> None:
    """Accept any region: a local service stands in for SageMaker in whichever region its callers are set to."""
    if claim.service != SERVICE:
        raise _invalid(f"Credential should be scoped to correct service: '{SERVICE}'.")
    if claim.date != (day := timestamp.strftime("%Y%m%d")):
        raise _invalid(f"Date in Credential scope does not match YYYYMMDD from the date of the request: '{day}'.")


def _check_age(timestamp: datetime, now: datetime) -> None:
    sent, current = timestamp.strftime(TIMESTAMP), now.strftime(TIMESTAMP)
    if timestamp < (earliest := now - ALLOWED_SKEW):
        limit = earliest.strftime(TIMESTAMP)
        raise _invalid(f"Signature expired: {sent} is now earlier than {limit} ({current} - 15 min.)")
    if timestamp > (latest := now + ALLOWED_SKEW):
        limit = latest.strftime(TIMESTAMP)
        raise _invalid(f"Signature not yet current: {sent} is still later than {limit} ({current} + 15 min.)")


def _check_coverage(claim: _Claim, request: SignedRequest) -> None:
    """Insist that the signature covers the host, every header that steers the call, and the body."""
    steering = {name for name, _ in request.headers if name == "host" or name.startswith("x-amz-")}
    if uncovered := sorted((steering | {"host"}) - set(claim.signed_headers)):
        raise _invalid(f"'{uncovered[0]}' must be a 'SignedHeader' in the AWS Authorization.")
    stated = request.header("x-amz-content-sha256")
    if stated and stated != sha256(request.body).hexdigest():
        raise _invalid("The value of X-Amz-Content-SHA256 is not the SHA-256 of the body that arrived.")


def _signature(claim: _Claim, request: SignedRequest, credentials: Credentials, timestamp: datetime) -> str:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials as Keys

    signer = SigV4Auth(Keys(credentials.access_key, credentials.secret_key), claim.service, claim.region)
    # The host that counts is the signed header; this one only makes the URL whole.
    replica = AWSRequest(request.method, f"http://localhost{request.path}?{request.query}", data=request.body)
    for name, value in request.headers:
        if name in claim.signed_headers:
            replica.headers.add_header(name, value)
    replica.context["timestamp"] = timestamp.strftime(TIMESTAMP)
    return str(signer.signature(signer.string_to_sign(replica, signer.canonical_request(replica)), replica))


def _incomplete(reasons: Iterable[str]) -> CallRejected:
    return CallRejected("IncompleteSignatureException", " ".join(reasons))


def _invalid(reason: str) -> CallRejected:
    return CallRejected("InvalidSignatureException", reason)
