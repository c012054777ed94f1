"""Makes a rendered template into a request: text that Jinja left behind becomes the types of the API's own model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from airflow_hpt.errors import InvalidRequest, LimitExceeded
from airflow_hpt.hooks.tuning import TuningHook

OPERATION = "CreateHyperParameterTuningJob"
BOOLEANS = {"true": True, "false": False}


def typed_request(hook: TuningHook, config: Any, *, parameter: str = "config") -> dict[str, Any]:
    """Return the request that a rendered `config` stands for; the argument is left as it is."""
    shape = hook.get_conn().meta.service_model.operation_model(OPERATION).input_shape
    request: dict[str, Any] = _typed(mapping(config, parameter), shape)
    for definition in request.get("TrainingJobDefinitions") or [request.get("TrainingJobDefinition")]:
        if isinstance(definition, dict) and isinstance(role := definition.get("RoleArn"), str):
            definition["RoleArn"] = hook.role_arn(role)
    return request


def check_request(request: Mapping[str, Any]) -> None:
    """Raise InvalidRequest for what the service would refuse, in words that name the member and what would work."""
    from airflow_hpt.domain.request import parse_request

    # Quotas are left to the service, because AWS raises them on request.
    with suppress(LimitExceeded):
        parse_request({"HyperParameterTuningJobName": "new", **request})


def mapping(value: Any, parameter: str) -> Mapping[str, Any]:
    """Return a rendered template field as a mapping: it is one already, or its text is JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise InvalidRequest(
                f"{parameter} was rendered to text that is not JSON ({value[:80]!r}). Pass a dictionary, or the other"
                " task's output (`make_config.output`), which keeps its type; in a template, end with `| tojson`."
            ) from None
    if not isinstance(value, Mapping):
        raise InvalidRequest(
            f"{parameter} must be a dictionary after rendering; it is {type(value).__name__} {value!r}."
        )
    return value


def _typed(value: Any, shape: Any) -> Any:
    """Return `value` in the types of `shape`; what does not convert stays, for botocore to name it."""
    if value is None:
        return None
    kind = shape.type_name
    if kind == "structure" and isinstance(value, Mapping):
        members = shape.members
        return {
            name: _typed(member, members[name]) if name in members else member
            for name, member in value.items()
            if member is not None
        }
    if kind == "list" and isinstance(value, list | tuple):
        return [_typed(item, shape.member) for item in value]
    if kind == "map" and isinstance(value, Mapping):
        return {str(key): _typed(item, shape.value) for key, item in value.items()}
    return _scalar(value, kind)


def _scalar(value: Any, kind: str) -> Any:
    try:
        match kind:
            case "integer" | "long" if isinstance(value, str):
                return int(value)
            case "float" | "double" if isinstance(value, str):
                return float(value)
            case "boolean" if isinstance(value, str):
                return BOOLEANS[value.strip().lower()]
            case "string" if isinstance(value, bool):
                return str(value).lower()
            case "string" if isinstance(value, int | float):
                return repr(value)
    except (ValueError, KeyError):
        return value
    return value
