"""The Search operation on tuning jobs: filters, nested filters and expressions of them."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from airflow_hpt.errors import InvalidRequest
from airflow_hpt.local.service.operations.context import Answer, Context, Request
from airflow_hpt.local.service.operations.properties import Entity, check_name, compared, refuse_structure, values_in
from airflow_hpt.local.service.operations.tokens import cursor_of, token_after
from airflow_hpt.local.service.operations.tuning import description
from airflow_hpt.local.store.pages import Cursor

OPERATION = "Search"
RESOURCE = "HyperParameterTuningJob"
PAGE = 10

Test: TypeAlias = Callable[[Entity], bool]

COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "Equals": lambda value, other: bool(value == other),
    "GreaterThan": lambda value, other: bool(value > other),
    "GreaterThanOrEqualTo": lambda value, other: bool(value >= other),
    "LessThan": lambda value, other: bool(value < other),
    "LessThanOrEqualTo": lambda value, other: bool(value <= other),
}


def search(context: Context, request: Request) -> Answer:
    """Answer Search for tuning jobs, the latest change first unless a sort order is asked for."""
    if request["Resource"] != RESOURCE:
        raise InvalidRequest(f"The local service searches {RESOURCE} only, but Resource is {request['Resource']}.")
    cursor = cursor_of(OPERATION, request)
    by = request.get("SortBy", "LastModifiedTime")
    check_name(by)
    is_wanted = _expression(request.get("SearchExpression") or {})
    entities = [
        Entity(job, region=context.region, describe=lambda job: description(context, job))
        for job in context.store.tuning_jobs.all()
    ]
    found = _sorted([each for each in entities if is_wanted(each)], by, request.get("SortOrder") != "Ascending")
    start = cursor.id if cursor else 0
    end = start + request.get("MaxResults", PAGE)
    following = Cursor("", end) if end < len(found) else None
    return {
        "Results": [{RESOURCE: each.members} for each in found[start:end]],
        "NextToken": token_after(following, OPERATION, request),
        "TotalHits": {"Value": len(found), "Relation": "EqualTo"},
    }


def _expression(expression: Mapping[str, Any]) -> Test:
    tests = [
        *(_filter(each) for each in expression.get("Filters") or ()),
        *(_nested(each) for each in expression.get("NestedFilters") or ()),
        *(_expression(each) for each in expression.get("SubExpressions") or ()),
    ]
    is_any = expression.get("Operator") == "Or" and tests
    return lambda entity: any(test(entity) for test in tests) if is_any else all(test(entity) for test in tests)


def _filter(given: Mapping[str, Any]) -> Test:
    name = given["Name"]
    check_name(name)
    fits = _condition(given)
    return lambda entity: fits(entity.values(name))


def _nested(given: Mapping[str, Any]) -> Test:
    """Return a test that one member of a list meets all the filters, not each filter some member."""
    prefix = given["NestedPropertyName"]
    check_name(prefix)
    conditions = []
    for each in given["Filters"]:
        if not each["Name"].startswith(f"{prefix}."):
            raise InvalidRequest(
                f"NestedFilters on {prefix} filter what is in it, such as {prefix}.Name, but one is on {each['Name']}."
            )
        conditions.append((each["Name"].removeprefix(f"{prefix}."), _condition(each)))
    return lambda entity: any(
        all(fits(values_in(member, path)) for path, fits in conditions) for member in entity.values(prefix)
    )


def _condition(given: Mapping[str, Any]) -> Callable[[list[Any]], bool]:
    """Return what a filter asks of the values of its property."""
    name, operator, text = given["Name"], given.get("Operator", "Equals"), given.get("Value")
    if operator in ("Exists", "NotExists"):
        return lambda values: bool(values) == (operator == "Exists")
    if text is None:
        raise InvalidRequest(f"The filter {operator} on {name} needs a Value.")
    if operator == "Contains":
        return lambda values: any(isinstance(value, str) and text in value for value in values)
    if operator == "In":
        choices = text.split(",")
        return lambda values: any(value == compared(value, each, name=name) for value in values for each in choices)
    if operator == "NotEquals":
        return lambda values: all(value != compared(value, text, name=name) for value in values)
    compare = COMPARISONS[operator]
    return lambda values: any(compare(value, compared(value, text, name=name)) for value in values)


def _sorted(entities: list[Entity], by: str, descending: bool) -> list[Entity]:
    """Return the entities in the order of a property; those that lack it come last."""
    having = [each for each in entities if each.values(by)]
    lacking = [each for each in entities if not each.values(by)]
    for each in having:
        refuse_structure(each.values(by)[0], by)
    return sorted(having, key=lambda each: each.values(by)[0], reverse=descending) + lacking
