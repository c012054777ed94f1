"""Whether an answer is what AWS's service model promises."""

from typing import Any

from airflow_hpt.local.service.shapes import checked, service_model

Shape = Any


def check_answer(operation: str, answer: Any) -> None:
    """Fail unless the decoded JSON of an answer has the shape of the operation's output and no member beyond it."""
    shape = service_model().operation_model(operation).output_shape
    if shape is None:
        assert answer is None, f"{operation} has no output, but answered {answer}"
        return
    checked(shape, answer)
    assert not (unknown := _unknown(shape, answer, operation)), f"unknown members: {unknown}"


def _unknown(shape: Shape, value: Any, path: str) -> list[str]:
    if shape.type_name == "structure":
        beyond = [f"{path}.{name}" for name in value.keys() - shape.members.keys()]
        return beyond + [hit for name in value.keys() & shape.members.keys()
                         for hit in _unknown(shape.members[name], value[name], f"{path}.{name}")]  # fmt: skip
    if shape.type_name == "list":
        return [hit for item in value for hit in _unknown(shape.member, item, f"{path}[]")]
    if shape.type_name == "map":
        return [hit for key, item in value.items() for hit in _unknown(shape.value, item, f"{path}[{key}]")]
    return []
