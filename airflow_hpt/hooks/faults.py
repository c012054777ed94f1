"""Turns what botocore raises into this package's errors; nothing above this module knows botocore's."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from airflow_hpt.errors import (
    AccessRefused,
    AlreadyExists,
    ConnectionUnusable,
    CredentialsExpired,
    HptError,
    InvalidRequest,
    LimitExceeded,
    NotFound,
    ServiceUnavailable,
)

# What a wait sits out: busy or restarting services, lost packets, credentials that something else renews.
PASSING = (ServiceUnavailable, CredentialsExpired)

BY_CODE: Mapping[str, type[HptError]] = {
    **{error.code: error for error in (InvalidRequest, AlreadyExists, NotFound, LimitExceeded)},
    **dict.fromkeys(("ExpiredToken", "ExpiredTokenException", "RequestExpired"), CredentialsExpired),
    **dict.fromkeys(
        (
            "AccessDenied",
            "AccessDeniedException",
            "IncompleteSignature",
            "IncompleteSignatureException",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "InvalidSignatureException",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "NotAuthorized",
            "OptInRequired",
            "SignatureDoesNotMatch",
            "UnrecognizedClientException",
        ),
        AccessRefused,
    ),
    **dict.fromkeys(
        (
            "PriorRequestNotComplete",
            "RequestLimitExceeded",
            "RequestThrottled",
            "SlowDown",
            "Throttling",
            "ThrottlingException",
            "TooManyRequestsException",
        ),
        ServiceUnavailable,
    ),
}


@contextmanager
def translated(operation: str, *, endpoint: str, connection: str | None) -> Iterator[None]:
    """Raise this package's errors for botocore's, worded for somebody who reads an Airflow task log."""
    from botocore import exceptions

    try:
        yield
    except exceptions.ClientError as error:
        raise _refused(operation, error.response, endpoint, connection) from error
    except exceptions.ParamValidationError as error:
        raise InvalidRequest(str(error)) from error
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as error:
        raise AccessRefused(f"{_named(connection)} holds no usable credentials: {error}.") from error
    except (exceptions.HTTPClientError, exceptions.ConnectionError, exceptions.IncompleteReadError) as error:
        raise ServiceUnavailable(_silent(endpoint, error)) from error


def _refused(operation: str, response: Mapping[str, Mapping[str, object]], endpoint: str, conn: str | None) -> HptError:
    code = str(response.get("Error", {}).get("Code", ""))
    message = str(response.get("Error", {}).get("Message", ""))
    status = int(str(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)))
    kind = BY_CODE.get(code) or (ServiceUnavailable if status >= 500 or status == 429 else InvalidRequest)
    if issubclass(kind, AccessRefused):
        return kind(_locked_out(operation, f"{code}: {message}", endpoint, conn))
    if kind is ServiceUnavailable:
        return kind(f"{operation} was turned away by {endpoint} ({code}: {message}).")
    return kind(f"{operation} was refused ({code}): {message}")


def _locked_out(operation: str, said: str, endpoint: str, connection: str | None) -> str:
    text = f"{operation} was refused by {endpoint} ({said}). Check the credentials of {_named(connection)}."
    if is_local(endpoint):
        text += " `airflow-hpt local env` prints the ones that the local service accepts."
    return text


def _silent(endpoint: str, error: Exception) -> str:
    text = f"No answer from the tuning service at {endpoint} ({error})."
    if is_local(endpoint):
        text += (
            " Start the local service with `airflow-hpt local start`;"
            " `airflow-hpt local env` prints its endpoint and a matching Airflow connection."
        )
    return text


def _named(connection: str | None) -> str:
    return f"Airflow connection {connection!r}" if connection else "boto3's default chain (aws_conn_id is None)"


def is_local(endpoint: str) -> bool:
    """Say whether `endpoint` is a service on this machine."""
    return urlsplit(endpoint).hostname in ("127.0.0.1", "localhost", "::1", "host.docker.internal")


def no_such_connection(connection: str) -> ConnectionUnusable:
    """Return the error for a connection that Airflow does not know."""
    return ConnectionUnusable(
        f"Airflow knows no connection {connection!r}. Create it (type `aws`), or set AIRFLOW_CONN_{connection.upper()};"
        " for the local service `airflow-hpt local env` prints that line. To use boto3's default chain on purpose, pass"
        " aws_conn_id=None."
    )


def no_region(connection: str | None, *, given: str | None) -> ConnectionUnusable:
    """Return the error for a connection that names no AWS region, or something else in its place."""
    return ConnectionUnusable(
        f'{_named(connection)} names no AWS region{f" but {given!r}" if given else ""}. Add "region_name" to its extra,'
        " such as eu-west-1, or pass region_name to the task."
    )
