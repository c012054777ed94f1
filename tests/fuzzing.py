"""Requests made from AWS's service model: some good, most of them wrong somewhere, all of them JSON."""

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from airflow_hpt.local.service.shapes import service_model

Shape = Any

TEXTS = [
    "", " ", "a", "digits", "nowhere", "a" * 33, "x" * 300, "-a", "a_b", "\x00", "a\nb", "é€😀", "../../etc/passwd",
    "%s{}$(id)`", "0", "1", "5", "-1", "0.5", "1e-400", "1e309", "nan", "inf", "0x10", "1_000", "٣", "9" * 300,
    "true", "null", '"64"', "{", "[]", "x", "y", "epochs", "score", "_tuning_objective_metric", "sagemaker_program",
    "train.py", "(", "(a+)+$", "score=(.*)", ".+", "s3://models/out", "s3://bucket", "s3:///", "file:///tmp",
    "https://bucket/key", "arn:aws:iam::000000000000:role/training",
    "arn:aws:sagemaker:us-east-1:000000000000:hyper-parameter-tuning-job/digits", "digits-001-00000000",
    "arn:aws:sagemaker:us-east-1:000000000000:training-job/digits-001-00000000", "Name",
    "HyperParameterTuningJobName", "HyperParameterTuningJobStatus", "CreationTime", "Tags.team",
    "2026-01-01T00:00:00Z", "InProgress",
]  # fmt: skip

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def requests(operation: str) -> st.SearchStrategy[Any]:
    """Return a strategy for bodies of `operation`."""
    return values(service_model().operation_model(operation).input_shape)


def mutants(operation: str, request: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for `request` with one to three of its members replaced, removed or added."""
    shape = service_model().operation_model(operation).input_shape
    places = list(_places(shape, request, ()))
    change = st.sampled_from(places).flatmap(lambda place: st.tuples(st.just(place[0]), values(place[1]) | st.none()))
    return st.lists(change, min_size=1, max_size=3).map(lambda changes: _changed(request, changes))


def values(shape: Shape, depth: int = 0) -> st.SearchStrategy[Any]:
    """Return a strategy for values of `shape`, now and then of another one."""
    return st.integers(0, 24).flatmap(lambda chance: JUNK if chance == 0 else _fitting(shape, depth))


def _fitting(shape: Shape, depth: int) -> st.SearchStrategy[Any]:
    kind, limits = shape.type_name, shape.metadata
    if kind == "structure":
        return _structure(shape, depth)
    if kind == "list":
        return st.lists(values(shape.member, depth + 1), min_size=min(limits.get("min", 0), 1), max_size=3)
    if kind == "map":
        return st.dictionaries(_texts(shape.key), values(shape.value, depth + 1), max_size=3)
    if kind == "string":
        return _texts(shape)
    if kind == "boolean":
        return st.booleans()
    if kind in ("integer", "long"):
        return st.integers(limits.get("min", -5), min(limits.get("max", 50), 50)) | st.integers()
    return st.floats(allow_nan=False) | st.integers(0, 2_000_000_000)


def _structure(shape: Shape, depth: int) -> st.SearchStrategy[Any]:
    members = {name: member for name, member in shape.members.items() if depth < 6 or member.type_name == "string"}
    required = {name: values(member, depth + 1) for name, member in members.items() if name in shape.required_members}
    optional = {name: values(member, depth + 1) for name, member in members.items() if name not in required}
    return st.lists(st.sampled_from(sorted(optional)), max_size=4, unique=True).flatmap(
        lambda chosen: st.fixed_dictionaries(required | {name: optional[name] for name in chosen})
    ) if optional else st.fixed_dictionaries(required)  # fmt: skip


def _texts(shape: Shape) -> st.SearchStrategy[str]:
    if "enum" in shape.metadata:
        return st.sampled_from(shape.metadata["enum"]) | st.sampled_from(TEXTS)
    return st.sampled_from(TEXTS) | st.text(max_size=12)


def _places(shape: Shape, value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Shape]]:
    """Yield every place in a request where a member is or could be, with its shape."""
    if path:
        yield path, shape
    if shape.type_name == "structure" and isinstance(value, dict):
        for name, member in shape.members.items():
            yield from _places(member, value.get(name), (*path, name))
    elif shape.type_name == "list" and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _places(shape.member, item, (*path, index))
    elif shape.type_name == "map" and isinstance(value, dict):
        for key, item in value.items():
            yield from _places(shape.value, item, (*path, key))


def _changed(request: dict[str, Any], changes: list[tuple[tuple[str | int, ...], Any]]) -> dict[str, Any]:
    changed: Any = copy.deepcopy(request)
    for path, value in changes:
        inner = changed
        for step in path[:-1]:
            inner = inner.get(step) if isinstance(inner, dict) else None
        if isinstance(inner, dict):
            inner[path[-1]] = value
    return changed  # type: ignore[no-any-return]
