import re
import unicodedata
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_hpt.errors import CallRejected, InvalidRequest
from airflow_hpt.local.service.patterns import compiled, translate
from airflow_hpt.local.service.shapes import checked_request, service_model
from tests.requests import make_tuning_request

NAME_PATTERN = "Member must satisfy regular expression pattern: ^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,31}"
VALUE_RULES = "[Member must have length less than or equal to 2500, Member must have length greater than or equal to 0"


def faults_of(operation: str, body: Any) -> str:
    with pytest.raises(InvalidRequest, match=r"^[0-9]+ validation errors? detected: ") as refusal:
        checked_request(operation, body)
    return str(refusal.value)


def changed(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return `body` with the member at a dotted path set."""
    *parents, last = path.split(".")
    inner: Any = body
    for parent in parents:
        inner = inner[int(parent)] if parent.isdigit() else inner.setdefault(parent, {})
    inner[last] = value
    return body


def test_a_good_request_comes_back_as_it_was() -> None:
    request = make_tuning_request("digits")
    assert checked_request("CreateHyperParameterTuningJob", request) == request


def test_null_and_unknown_members_are_dropped() -> None:
    assert checked_request(
        "ListTags", {"ResourceArn": "arn:aws:sagemaker:a:000000000000:b/c", "X": 1, "NextToken": None}
    ) == {"ResourceArn": "arn:aws:sagemaker:a:000000000000:b/c"}


def test_times_become_datetimes() -> None:
    request = checked_request("ListHyperParameterTuningJobs", {"CreationTimeAfter": 1.5})
    assert request == {"CreationTimeAfter": datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("a" * 33, "Member must have length less than or equal to 32"),
        ("a_b", NAME_PATTERN),
        ("-a", NAME_PATTERN),
        ("a-", NAME_PATTERN),
        ("a\n", NAME_PATTERN),
        ("ä", NAME_PATTERN),
    ],
)
def test_a_bad_name_gets_one_fault_in_the_words_of_aws(name: str, rule: str) -> None:
    assert faults_of("DescribeHyperParameterTuningJob", {"HyperParameterTuningJobName": name}) == (
        f"1 validation error detected: Value '{name}' at 'hyperParameterTuningJobName' "
        f"failed to satisfy constraint: {rule}"
    )


DEFINITION, CONFIG = "TrainingJobDefinition", "HyperParameterTuningJobConfig"
FAULTS: list[tuple[str, Any, str]] = [
    (f"{CONFIG}.Strategy", "Guess", "Value 'Guess' at 'hyperParameterTuningJobConfig.strategy' failed to satisfy "
     "constraint: Member must satisfy enum value set: [Bayesian, Random, Hyperband, Grid]"),
    (f"{CONFIG}.Strategy", None, "Value null at 'hyperParameterTuningJobConfig.strategy' failed to satisfy "
     "constraint: Member must not be null"),
    (f"{CONFIG}.ResourceLimits.MaxRuntimeInSeconds", 119, "Value '119' at 'hyperParameterTuningJobConfig."
     "resourceLimits.maxRuntimeInSeconds' failed to satisfy constraint: Member must have value greater than or equal "
     "to 120"),
    ("Tags", [{"Key": "a", "Value": "b"}, {"Value": "b"}], "Value null at 'tags.2.member.key' failed to satisfy "
     "constraint: Member must not be null"),
    ("Tags", [{"Key": "a", "Value": "!"}], "Value '!' at 'tags.1.member.value' failed to satisfy constraint: Member "
     r"must satisfy regular expression pattern: ([\p{L}\p{Z}\p{N}_.:/=+\-@]*)"),
    ("Tags", [None], "Value null at 'tags.1.member' failed to satisfy constraint: Member must not be null"),
    ("WarmStartConfig", {"WarmStartType": "TransferLearning", "ParentHyperParameterTuningJobs": []},
     "Value '[]' at 'warmStartConfig.parentHyperParameterTuningJobs' failed to satisfy constraint: "
     "Member must have length greater than or equal to 1"),
    (f"{CONFIG}.ParameterRanges.CategoricalParameterRanges", [{"Name": "c", "Values": ["x" * 257]}],
     "at 'hyperParameterTuningJobConfig.parameterRanges.categoricalParameterRanges.1.member.values' failed to satisfy "
     "constraint: Member must satisfy constraint: [Member must have length less than or equal to 256"),
    (f"{DEFINITION}.StaticHyperParameters", {"a": "x" * 2501}, "at 'trainingJobDefinition.staticHyperParameters' "
     f"failed to satisfy constraint: Map value must satisfy constraint: {VALUE_RULES}"),
    (f"{DEFINITION}.StaticHyperParameters", {"a": None}, "Value '{a=null}' at 'trainingJobDefinition."
     f"staticHyperParameters' failed to satisfy constraint: Map value must satisfy constraint: {VALUE_RULES}"),
    (f"{DEFINITION}.Environment", {"1A": "x"}, "Value '{1A=x}' at 'trainingJobDefinition.environment' failed to "
     "satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 512"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "text"), FAULTS)
def test_a_fault_is_told_with_its_path_its_value_and_its_rule(path: str, value: Any, text: str) -> None:
    message = faults_of("CreateHyperParameterTuningJob", changed(make_tuning_request(), path, value))
    assert message.startswith("1 validation error detected: ")
    assert text in message


def test_all_faults_are_told_together() -> None:
    message = faults_of("CreateHyperParameterTuningJob", {"Autotune": {"Mode": "On"}})
    assert message.startswith("3 validation errors detected: Value null at 'hyperParameterTuningJobName' failed")
    assert message.count("; ") == 2


def test_a_huge_value_or_a_huge_number_of_faults_does_not_make_a_huge_message() -> None:
    tags = [{"Key": "x" * 10_000, "Value": "!"}] * 50
    assert len(faults_of("AddTags", {"ResourceArn": "arn:aws:sagemaker:a:000000000000:b/c", "Tags": tags})) < 30_000


TYPE_CLASHES: list[tuple[str, Any, str]] = [
    (f"{CONFIG}.ResourceLimits.MaxNumberOfTrainingJobs", "5", "STRING_VALUE can not be converted to an Integer"),
    (f"{CONFIG}.ResourceLimits.MaxNumberOfTrainingJobs", 1.5, "NUMBER_VALUE can not be converted to an Integer"),
    (f"{CONFIG}.ResourceLimits.MaxNumberOfTrainingJobs", 2**31, "NUMBER_VALUE can not be converted to an Integer"),
    (f"{CONFIG}.ResourceLimits.MaxNumberOfTrainingJobs", 10**400, "NUMBER_VALUE can not be converted to an Integer"),
    (f"{CONFIG}.TuningJobCompletionCriteria", {"TargetObjectiveMetricValue": 1e39}, "NUMBER_VALUE can not be"),
    (f"{CONFIG}.TuningJobCompletionCriteria", {"TargetObjectiveMetricValue": float("inf")}, "NUMBER_VALUE can not be"),
    ("HyperParameterTuningJobName", 5, "NUMBER_VALUE can not be converted to a String"),
    ("HyperParameterTuningJobName", True, "TRUE_VALUE can not be converted to a String"),
    ("HyperParameterTuningJobName", ["a"], "Start of list found where not expected"),
    ("HyperParameterTuningJobName", {}, "Start of structure or map found where not expected"),
    ("HyperParameterTuningJobName", "\ud800", "STRING_VALUE can not be converted to a String"),
    (f"{DEFINITION}.EnableManagedSpotTraining", 1, "NUMBER_VALUE can not be converted to a Boolean"),
    (f"{DEFINITION}.EnableManagedSpotTraining", "true", "STRING_VALUE can not be converted to a Boolean"),
    (f"{DEFINITION}.StaticHyperParameters", {"epochs": 5}, "NUMBER_VALUE can not be converted to a String"),
    (f"{DEFINITION}.StaticHyperParameters", [], "Start of list found where not expected"),
    (f"{DEFINITION}.StoppingCondition", "x", "Unexpected field type"),
    ("Tags", {}, "Start of structure or map found where not expected"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "text"), TYPE_CLASHES)
def test_a_wrong_json_type_is_a_serialization_exception(path: str, value: Any, text: str) -> None:
    spelled = ".".join(part[0].lower() + part[1:] for part in path.split("."))
    with pytest.raises(CallRejected, match=f"^{text}.* at '{spelled}") as refusal:
        checked_request("CreateHyperParameterTuningJob", changed(make_tuning_request(), path, value))
    assert refusal.value.code == "SerializationException"


@pytest.mark.parametrize("body", [None, 1, "x", True, [], [{}]])
def test_a_body_that_is_no_object_is_a_serialization_exception(body: Any) -> None:
    with pytest.raises(CallRejected, match=r"Unexpected field type|Start of list found where not expected"):
        checked_request("ListTags", body)


@pytest.mark.parametrize("number", ["1e300", "-1e300", "1e18", "1e999"])
def test_a_time_outside_the_calendar_is_a_serialization_exception(number: str) -> None:
    with pytest.raises(CallRejected, match="NUMBER_VALUE can not be converted to a Date"):
        checked_request("ListHyperParameterTuningJobs", {"CreationTimeAfter": float(number)})


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert checked_request("ListHyperParameterTuningJobs", {"MaxResults": 5.0}) == {"MaxResults": 5}


def test_every_pattern_of_the_model_can_be_translated() -> None:
    model = service_model()
    patterns = {model.shape_for(name).metadata.get("pattern") for name in model.shape_names} - {None}
    broken_in_java_too = {r"([\p{L}\p{Z}\p{N}_.:\/=+\-@]*)${1,128}", r"([\p{L}\p{Z}\p{N}_.:\/=+\-@]*)${1,256}"}
    surrogates = {p for p in patterns if r"\uD800" in p}
    for pattern in patterns - broken_in_java_too - surrogates:
        re.compile(translate(pattern), re.ASCII)


@given(st.characters(exclude_categories=["Cs"]))
def test_a_category_in_a_pattern_holds_exactly_its_characters(character: str) -> None:
    is_member = unicodedata.category(character)[0] in "LZN"
    assert bool(compiled(r"[\p{L}\p{Z}\p{N}]").fullmatch(character)) == is_member
    assert bool(compiled(r"\p{Lu}").fullmatch(character)) == (unicodedata.category(character) == "Lu")


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        (r".+", "a\rb", False),
        (r".+", "a\u2028", False),
        (r"[.]+", "a", False),
        (r"[^.]+", "a\nb", True),
        (r"\w+", "é", False),
        (r"\d+", "٣", False),
        (r"\.", ".", True),
        (r"\.", "a", False),
        (r"[\]a]+", "]a", True),
        (r"[\S\s]*", "a\r\n", True),
    ],
)
def test_patterns_mean_what_they_mean_in_java(pattern: str, text: str, fits: bool) -> None:
    assert bool(compiled(pattern).fullmatch(text)) == fits
