"""Requests made from earlier tuning jobs."""

from typing import Any

import pytest

from airflow_hpt.domain.description import echo
from airflow_hpt.domain.inheritance import inherit
from airflow_hpt.domain.request import parse_request
from airflow_hpt.errors import InvalidRequest
from tests.domain.builders import RANGES, categories, make_channel, make_definition, make_part, make_request

CONFIG, DEFINITION = "HyperParameterTuningJobConfig", "TrainingJobDefinition"


def description(**changes: Any) -> dict[str, Any]:
    shown = echo(parse_request(make_request("base", **changes)))
    return {**shown, "HyperParameterTuningJobStatus": "Completed", "ResponseMetadata": {}}


def inherited(overrides: dict[str, Any], **changes: Any) -> dict[str, Any]:
    request = inherit(description(**changes), overrides)
    parse_request({"HyperParameterTuningJobName": "tune", **request})
    return request


def test_without_overrides_everything_but_name_and_parents_is_inherited() -> None:
    request = inherited({}, parents=("older",))
    assert request.keys() == {CONFIG, DEFINITION}
    assert request[DEFINITION]["StaticHyperParameters"] == make_definition()["StaticHyperParameters"]
    assert request[DEFINITION]["AlgorithmSpecification"] == make_definition()["AlgorithmSpecification"]


def test_an_earlier_request_serves_as_well_as_its_description() -> None:
    request = make_request()
    assert inherit(request, {}) == {CONFIG: request[CONFIG], DEFINITION: request[DEFINITION]}


def test_inheriting_leaves_its_arguments_as_they_were() -> None:
    earlier, overrides = description(), {DEFINITION: {"StaticHyperParameters": {"lr": "0.1"}}}
    inherit(earlier, overrides)
    assert (earlier, overrides) == (description(), {DEFINITION: {"StaticHyperParameters": {"lr": "0.1"}}})


def test_structures_are_merged_member_by_member() -> None:
    request = inherited(
        {
            "HyperParameterTuningJobName": "tune",
            CONFIG: {"ResourceLimits": {"MaxNumberOfTrainingJobs": 9}, "RandomSeed": 1},
            DEFINITION: {"ResourceConfig": {"InstanceCount": 2}, "Environment": {"A": "b"}},
        }
    )
    assert request["HyperParameterTuningJobName"] == "tune"
    assert request[CONFIG]["ResourceLimits"] == {"MaxParallelTrainingJobs": 2, "MaxNumberOfTrainingJobs": 9}
    assert request[DEFINITION]["ResourceConfig"] == {**make_definition()["ResourceConfig"], "InstanceCount": 2}
    assert request[DEFINITION]["Environment"] == {"A": "b"}


def test_an_override_of_none_takes_a_member_out() -> None:
    request = inherited({DEFINITION: {"InputDataConfig": None, "StaticHyperParameters": {"epochs": None}}})
    assert "InputDataConfig" not in request[DEFINITION]
    assert request[DEFINITION]["StaticHyperParameters"] == {"sagemaker_program": '"train.py"'}


def test_channels_are_merged_by_name() -> None:
    channel = {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3Uri": "s3://bucket/new"}}}
    request = inherited({DEFINITION: {"InputDataConfig": [channel, make_channel("test")]}})
    train, test = request[DEFINITION]["InputDataConfig"]
    assert train["DataSource"]["S3DataSource"] == {
        "S3DataType": "S3Prefix",
        "S3Uri": "s3://bucket/new",
        "S3DataDistributionType": "FullyReplicated",
    }
    assert test == make_channel("test")


def ranges_of(request: dict[str, Any]) -> dict[str, list[str]]:
    return {kind: [each["Name"] for each in listed] for kind, listed in request[CONFIG]["ParameterRanges"].items()}


def static_of(request: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = request[DEFINITION]["StaticHyperParameters"]
    return found


def tune(**ranges: list[dict[str, Any]]) -> dict[str, Any]:
    return {CONFIG: {"ParameterRanges": {f"{kind}ParameterRanges": listed for kind, listed in ranges.items()}}}


def test_one_range_can_be_changed() -> None:
    request = inherited(tune(Continuous=[{"Name": "lr", "MaxValue": "0.5"}]))
    assert request[CONFIG]["ParameterRanges"]["ContinuousParameterRanges"] == [
        {"Name": "lr", "MinValue": "5e-05", "MaxValue": "0.5", "ScalingType": "Logarithmic"}
    ]
    assert ranges_of(request)["IntegerParameterRanges"] == ["depth"]


def test_a_static_hyperparameter_becomes_tunable() -> None:
    request = inherited(tune(Integer=[{"Name": "epochs", "MinValue": "5", "MaxValue": "50"}]))
    assert ranges_of(request)["IntegerParameterRanges"] == ["depth", "epochs"]
    assert static_of(request) == {"sagemaker_program": '"train.py"'}


def test_a_tunable_hyperparameter_becomes_static() -> None:
    request = inherited({DEFINITION: {"StaticHyperParameters": {"lr": "0.1"}}})
    assert ranges_of(request)["ContinuousParameterRanges"] == []
    assert static_of(request) == {**make_definition()["StaticHyperParameters"], "lr": "0.1"}


def test_a_range_may_change_its_kind() -> None:
    request = inherited(tune(Categorical=[{"Name": "depth", "Values": ["2", "4"]}]))
    assert ranges_of(request) == {
        "IntegerParameterRanges": [],
        "ContinuousParameterRanges": ["lr"],
        "CategoricalParameterRanges": ["depth"],
    }


def test_values_of_a_category_are_replaced() -> None:
    ranges = {**RANGES, **categories(c=["a", "b"])}
    request = inherited(tune(Categorical=[{"Name": "c", "Values": ["b", "z"]}]), ranges=ranges)
    assert request[CONFIG]["ParameterRanges"]["CategoricalParameterRanges"] == [{"Name": "c", "Values": ["b", "z"]}]


def test_definitions_are_merged_by_name() -> None:
    override = {"TrainingJobDefinitions": [{"DefinitionName": "b", "RoleArn": "arn:aws:iam::123456789012:role/new"}]}
    request = inherited(override, definitions=[make_part("a"), make_part("b")])
    assert [each["RoleArn"][-3:] for each in request["TrainingJobDefinitions"]] == ["ing", "new"]


@pytest.mark.parametrize(
    ("overrides", "fault"),
    [
        ("x", "The request must be a structure"),
        (
            {CONFIG: {"ParameterRanges": {"IntegerParameterRanges": [{}]}}},
            r"IntegerParameterRanges\[0\].Name is missing",
        ),
        ({DEFINITION: []}, "TrainingJobDefinition must be a structure"),
    ],
)
def test_overrides_that_are_no_request_are_refused(overrides: Any, fault: str) -> None:
    with pytest.raises(InvalidRequest, match=fault):
        inherit(description(), overrides)
