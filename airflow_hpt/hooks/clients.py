"""Clients of boto3, made once per process for each connection as it currently reads.

Making one takes most of a second, and a triggerer waits for a thousand tuning jobs on one connection.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

from airflow_hpt.errors import InvalidRequest
from airflow_hpt.hooks import faults

# Patient with a busy service, quick to notice one that is not there; the connection and the task may say otherwise.
DEFAULTS: Mapping[str, Any] = {
    "connect_timeout": 5,
    "read_timeout": 30,
    "retries": {"mode": "standard", "total_max_attempts": 3},
    "max_pool_connections": 50,
}

# What a task may say; an empty connection is none of it, because it would mean other credentials than those meant.
MEANINGS: Mapping[str, str] = {
    "aws_conn_id": "it takes the id of an Airflow connection, or None for boto3's default chain",
    "region_name": "it takes an AWS region such as 'eu-west-1', or None for that of the connection",
    "verify": "it takes True, False, the path of a CA bundle, or None for what the connection says",
}

TEXT = re.compile(r"\S")
REGION = re.compile(r"\A(?!\d+\Z)(?!-)[A-Za-z0-9-]{1,63}(?<!-)\Z")  # what botocore takes for one

_clients: dict[tuple[Hashable, ...], Any] = {}
_lock = Lock()


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """What a task says about its client, in the words of the amazon provider."""

    aws_conn_id: str | None = "aws_default"
    region_name: str | None = None
    verify: bool | str | None = None
    botocore_config: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        """Raise InvalidRequest for what templates can leave behind and boto3 would misunderstand."""
        for field, pattern in (("aws_conn_id", TEXT), ("region_name", REGION), ("verify", TEXT)):
            value = getattr(self, field)
            is_text = isinstance(value, str) and pattern.search(value)
            if not (is_text or value is None or (field == "verify" and isinstance(value, bool))):
                raise InvalidRequest(f"{field} holds {value!r} after rendering; {MEANINGS[field]}.")


def settled(settings: ClientSettings, connection: Any) -> Any:
    """Return a connection as clients need it; talks to Airflow, which has to know the secrets in it."""
    from airflow.providers.amazon.aws.utils.connection_wrapper import AwsConnectionWrapper
    from botocore.config import Config

    wrapper = AwsConnectionWrapper(connection, settings.region_name, verify=settings.verify)
    of_connection, of_task = wrapper.botocore_config or Config(), Config(**settings.botocore_config or {})
    wrapper.botocore_config = Config(**DEFAULTS).merge(of_connection).merge(of_task)
    return wrapper


def client_for(service: str, *, settings: ClientSettings, connection: Any) -> Any:
    """Return the client of an AWS service on a settled connection; safe in any thread."""
    key = _key(service, settings, connection)
    with _lock:
        if key not in _clients:
            _clients[key] = _make(service, settings, connection)
        return _clients[key]


def forget(connection: Any) -> None:
    """Drop the clients on a connection whose credentials have expired."""
    with _lock:
        for key in [key for key in _clients if key[-1] == _read(connection)]:
            del _clients[key]


def _key(service: str, settings: ClientSettings, connection: Any) -> tuple[Hashable, ...]:
    own = (service, settings.aws_conn_id, settings.region_name, settings.verify)
    config = json.dumps(settings.botocore_config, sort_keys=True, default=repr)
    return (*own, config, _read(connection))


def _read(connection: Any) -> tuple[str, ...]:
    return tuple(str(getattr(connection, field, None)) for field in ("conn_id", "login", "password", "extra_config"))


def _make(service: str, settings: ClientSettings, connection: Any) -> Any:
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
    from botocore.exceptions import InvalidRegionError, NoRegionError

    aws = AwsBaseHook(aws_conn_id=settings.aws_conn_id, client_type=service)
    # Given here because AwsBaseHook would fetch it by itself: over the event loop, and falling back to other
    # credentials without a word when the connection does not exist.
    aws.__dict__["conn_config"] = connection
    try:
        with faults.translated("Sign-in", endpoint="AWS", connection=settings.aws_conn_id):
            return aws.get_client_type(region_name=connection.region_name)
    except (NoRegionError, InvalidRegionError) as error:
        raise faults.no_region(settings.aws_conn_id, given=connection.region_name) from error
