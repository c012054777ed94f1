"""Requests checked against AWS's own service model, with AWS's texts for what does not fit.

The model (required members, types, lengths, patterns, enums, bounds) is the one that botocore ships. A member of the
wrong JSON type ends the check at once, as a SerializationException; all other faults are collected into one
ValidationException. Members that are null or unknown to the model are dropped.
"""

import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from airflow_hpt.errors import CallRejected, InvalidRequest
from airflow_hpt.local.service.patterns import compiled

Shape = Any  # botocore.model.Shape; botocore has no type stubs

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FLOAT32_MAX = 3.4028234663852886e38
SHOWN_CHARACTERS = 1024
SHOWN_FAULTS = 20
_SURROGATE = re.compile("[\ud800-\udfff]")
_JAVA_TYPES = {
    "string": "a String",
    "integer": "an Integer",
    "long": "a Long",
    "float": "a Float",
    "double": "a Double",
    "boolean": "a Boolean",
    "timestamp": "a Date",
}


@cache
def service_model() -> Any:
    """Return botocore's model of the SageMaker API."""
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    return ServiceModel(Loader().load_service_model("sagemaker", "service-2"))


def checked_request(operation: str, body: Any) -> dict[str, Any]:
    """Return the decoded JSON `body` as a request of `operation`: timestamps as datetimes, only members that count."""
    request: dict[str, Any] = checked(service_model().operation_model(operation).input_shape, body)
    return request


def checked(shape: Shape, body: Any) -> Any:
    """Return decoded JSON as a value of `shape`, or refuse it with all its faults."""
    faults: list[str] = []
    value = _read(shape, body, "", faults)
    if faults:
        count = "1 validation error" if len(faults) == 1 else f"{len(faults)} validation errors"
        raise InvalidRequest(f"{count} detected: {'; '.join(faults[:SHOWN_FAULTS])}")
    return value


def _read(shape: Shape, value: Any, path: str, faults: list[str]) -> Any:
    """Return `value` converted to `shape`; append what is wrong with it to `faults`."""
    if shape.type_name in _CONTAINERS:
        expected, read = _CONTAINERS[shape.type_name]
        if not isinstance(value, dict | list) or not isinstance(value, expected):
            raise _unserializable(_clash(shape, value), path)
        faults += _faults(path, value, _broken(shape, len(value), "length"))
        return read(shape, value, path, faults)
    converted = _scalar(shape, value, path)
    faults += _faults(path, value, _broken_rules(shape, converted))
    return converted


def _read_structure(shape: Shape, value: dict[str, Any], path: str, faults: list[str]) -> dict[str, Any]:
    members = {}
    for name, member in shape.members.items():
        below = f"{path}.{name[0].lower()}{name[1:]}".lstrip(".")
        if value.get(name) is not None:
            members[name] = _read(member, value[name], below, faults)
        elif name in shape.required_members:
            faults += _faults(below, None, ["Member must not be null"])
    return members


def _read_list(shape: Shape, value: list[Any], path: str, faults: list[str]) -> list[Any]:
    if shape.member.type_name in _CONTAINERS:
        return [
            _read(shape.member, item, f"{path}.{index}.member", faults)
            for index, item in enumerate(value, start=1)
            if not _is_null(item, f"{path}.{index}.member", faults)
        ]
    items = [item if item is None else _scalar(shape.member, item, path) for item in value]
    if any(item is None or any(_broken_rules(shape.member, item)) for item in items):
        faults += _faults(path, value, [f"Member must satisfy constraint: [{', '.join(_all_rules(shape.member))}]"])
    return items


def _read_map(shape: Shape, value: dict[str, Any], path: str, faults: list[str]) -> dict[str, Any]:
    keys = {_scalar(shape.key, key, path): item for key, item in value.items()}
    if any(any(_broken_rules(shape.key, key)) for key in keys):
        faults += _faults(path, value, [f"Map keys must satisfy constraint: [{', '.join(_all_rules(shape.key))}]"])
    if shape.value.type_name in _CONTAINERS:
        return {key: _read(shape.value, item, f"{path}.{key}.member", faults) for key, item in keys.items()}
    items = {key: item if item is None else _scalar(shape.value, item, path) for key, item in keys.items()}
    if any(item is None or any(_broken_rules(shape.value, item)) for item in items.values()):
        faults += _faults(path, value, [f"Map value must satisfy constraint: [{', '.join(_all_rules(shape.value))}]"])
    return items


_CONTAINERS: Mapping[str, tuple[type, Callable[[Shape, Any, str, list[str]], Any]]] = {
    "structure": (dict, _read_structure),
    "list": (list, _read_list),
    "map": (dict, _read_map),
}


def _is_null(item: Any, path: str, faults: list[str]) -> bool:
    if item is None:
        faults += _faults(path, None, ["Member must not be null"])
    return item is None


def _scalar(shape: Shape, value: Any, path: str) -> Any:
    """Return `value` as the scalar type of `shape`, or refuse it as AWS's deserialiser does."""
    kind = shape.type_name
    if kind == "string" and isinstance(value, str) and not _SURROGATE.search(value):
        return value
    if kind == "boolean" and isinstance(value, bool):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            if (number := _NUMBERS[kind](value)) is not None:
                return number
        except (KeyError, OverflowError):  # a number where a string or a boolean belongs, or a date past the year 9999
            pass
    raise _unserializable(_clash(shape, value), path)


def _whole(bits: int) -> Callable[[float], int | None]:
    return lambda number: int(number) if number == int(number) and -(2**bits) <= number < 2**bits else None


def _real(limit: float) -> Callable[[float], float | None]:
    return lambda number: float(number) if abs(number) <= limit else None


_NUMBERS: Mapping[str, Callable[[float], Any]] = {
    "integer": _whole(31),
    "long": _whole(63),
    "float": _real(FLOAT32_MAX),
    "double": _real(sys.float_info.max),
    "timestamp": lambda seconds: EPOCH + timedelta(seconds=seconds),
}


def _clash(shape: Shape, value: Any) -> str:
    if isinstance(value, dict):
        return "Start of structure or map found where not expected"
    if isinstance(value, list):
        return "Start of list found where not expected"
    if shape.type_name in _CONTAINERS:
        return "Unexpected field type"
    token = {str: "STRING_VALUE", bool: f"{str(value).upper()}_VALUE"}.get(type(value), "NUMBER_VALUE")
    return f"{token} can not be converted to {_JAVA_TYPES[shape.type_name]}"


def _unserializable(text: str, path: str) -> CallRejected:
    return CallRejected("SerializationException", f"{text} at '{path}'" if path else text)


def _broken_rules(shape: Shape, value: Any) -> Iterator[str]:
    """Yield the constraints of a scalar shape that `value` does not meet."""
    if isinstance(value, str):
        too_long = len(value) > shape.metadata.get("max", math.inf)
        yield from _broken(shape, len(value), "length")
        if "enum" in shape.metadata and value not in shape.metadata["enum"]:
            yield _enum_rule(shape)
        # AWS names one fault for a text that is too long; and a pattern need not run over megabytes.
        if not too_long and (pattern := shape.metadata.get("pattern")) and not compiled(pattern).fullmatch(value):
            yield _pattern_rule(pattern)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _broken(shape, value, "value")


def _broken(shape: Shape, size: float, measure: str) -> Iterator[str]:
    if size > shape.metadata.get("max", math.inf):
        yield f"Member must have {measure} less than or equal to {shape.metadata['max']}"
    if size < shape.metadata.get("min", -math.inf):
        yield f"Member must have {measure} greater than or equal to {shape.metadata['min']}"


def _all_rules(shape: Shape) -> Iterator[str]:
    """Yield every constraint of a scalar shape, which is what AWS prints for items of lists and maps."""
    measure = "length" if shape.type_name == "string" else "value"
    yield from _broken(shape, math.inf, measure)
    yield from _broken(shape, -math.inf, measure)
    if "enum" in shape.metadata:
        yield _enum_rule(shape)
    if "pattern" in shape.metadata:
        yield _pattern_rule(shape.metadata["pattern"])
    yield "Member must not be null"


def _enum_rule(shape: Shape) -> str:
    return f"Member must satisfy enum value set: [{', '.join(shape.metadata['enum'])}]"


def _pattern_rule(pattern: str) -> str:
    # The published model leaves out the anchor that the service prints in front of the patterns of names.
    anchor = "^" if pattern.startswith("[a-zA-Z0-9](-*") else ""
    return f"Member must satisfy regular expression pattern: {anchor}{pattern}"


def _faults(path: str, value: Any, rules: Iterator[str] | list[str]) -> list[str]:
    return [f"Value {_shown(value)} at '{path}' failed to satisfy constraint: {rule}" for rule in rules]


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    text = _java_text(value)
    return f"'{text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + '...'}'"


def _java_text(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_java_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_java_text, value)) + "]"
    if isinstance(value, bool | None):
        return {True: "true", False: "false", None: "null"}[value]
    return str(value)
