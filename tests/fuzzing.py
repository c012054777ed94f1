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


@st.composite
def mutants(draw: st.DrawFn, operation: str, request: dict[str, Any]) -> dict[str, Any]:
    """Draw `request` with one to three of its members replaced, removed or added."""
    changed: Any = copy.deepcopy(request)
    places = list(_places(service_model().operation_model(operation).input_shape, request, ()))
    for path, shape in draw(st.lists(st.sampled_from(places), min_size=1, max_size=3)):
        inner = changed
        for step in path[:-1]:
            inner = _inside(inner, step)
        if isinstance(inner, dict):
            inner[path[-1]] = draw(values(shape) | st.none())
    return changed  # type: ignore[no-any-return]


def _inside(outer: Any, step: str | int) -> Any:
    """Return the member at `step`; None where an earlier change has removed it."""
    if isinstance(outer, dict):
        return outer.get(step)
    return outer[step] if isinstance(outer, list) and isinstance(step, int) and step < len(outer) else None


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
        low = limits.get("min", -5)
        return st.integers(low, min(limits.get("max", low + 50), low + 50)) | st.integers()
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
