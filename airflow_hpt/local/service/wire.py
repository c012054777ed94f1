"""The AWS JSON 1.1 protocol: HTTP requests into calls of operations, results and errors into HTTP answers."""

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import uuid4

from airflow_hpt.errors import CallRejected, HptError, RequestRefused
from airflow_hpt.local.service.shapes import checked_request, service_model

CONTENT_TYPE = "application/x-amz-json-1.1"
ACCEPTED_CONTENT_TYPES = (CONTENT_TYPE, "application/x-amz-json-1.0", "application/json")
TARGET_PREFIX = "SageMaker."
BODY_LIMIT = 4 * 1024 * 1024  # far above any real request; a tuning job with every list full is below 1 MB


class Operations(Protocol):
    """The operations of the API, as the wire needs them."""

    @property
    def names(self) -> Collection[str]:
        """Return the names of the operations that can be called."""
        ...

    def call(self, operation: str, request: dict[str, Any]) -> Mapping[str, Any] | None:
        """Carry out a checked request; None stands for an operation without output, a RequestRefused for a refusal."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes
    error: str = ""  # the code of the error, for the log
    request_id: str = field(default_factory=lambda: str(uuid4()))

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that AWS sends with every answer."""
        return {"x-amzn-RequestId": self.request_id, "Content-Type": CONTENT_TYPE}


def operation_of(target: str, content_type: str, known: Collection[str]) -> str:
    """Return the operation that the header X-Amz-Target asks for."""
    if content_type.partition(";")[0].strip().lower() not in ACCEPTED_CONTENT_TYPES:
        raise CallRejected("UnknownOperationException", f"The Content-Type must be {CONTENT_TYPE}.", status=404)
    prefix, operation = target[: len(TARGET_PREFIX)], target[len(TARGET_PREFIX) :]
    if prefix == TARGET_PREFIX and operation in known:
        return operation
    is_real = prefix == TARGET_PREFIX and operation in service_model().operation_names
    what = f"{operation} exists on AWS but not in the local service" if is_real else f"Unknown target '{target[:128]}'"
    raise CallRejected("UnknownOperationException", f"{what}, which knows {', '.join(sorted(known))}.")


def decoded_request(operation: str, body: bytes) -> dict[str, Any]:
    """Return the body of a request of `operation`, checked against the model of the API."""
    try:
        return checked_request(operation, json.loads(body.decode(), parse_constant=_refuse_constant))
    except (ValueError, RecursionError) as error:  # broken UTF-8 and broken JSON are ValueErrors
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:256]
        raise CallRejected("SerializationException", f"The body is not the JSON of a request: {reason}.") from None


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def success(result: Mapping[str, Any] | None) -> Answer:
    """Return the answer to a call that succeeded; an operation without output has an empty body."""
    return Answer(200, b"" if result is None else json.dumps(plain(result)).encode())


def failure(error: HptError) -> Answer:
    """Return the answer that tells a client of `error`."""
    if isinstance(error, CallRejected):
        return _error(error.status, error.code, str(error))
    if isinstance(error, RequestRefused):
        return _error(400, error.code, str(error))
    return _error(500, "InternalFailure", "The local service failed; its log (`airflow-hpt local logs`) says why.")


def _error(status: int, code: str, message: str) -> Answer:
    return Answer(status, json.dumps({"__type": code, "message": message}).encode(), error=code)


def plain(value: Any) -> Any:
    """Return `value` as AWS JSON: times as seconds since the epoch, members that are None left out.

    >>> plain({"A": None, "B": [1.5, {"C": None}], "D": float("inf")})
    {'B': [1.5, {}], 'D': 'Infinity'}
    """
    if isinstance(value, Mapping):
        return {name: plain(member) for name, member in value.items() if member is not None}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return round(value.timestamp(), 3)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
