"""Describing a request with the service's additions, and the way back."""

from typing import Any

import pytest

from airflow_hpt.domain.description import echo, echo_definition, request_from_description, training_hyperparameters
from airflow_hpt.domain.request import parse_request
from tests.domain.builders import RANGES, categories, make_channel, make_definition, make_part, make_request

CONFIG, DEFINITION = "HyperParameterTuningJobConfig", "TrainingJobDefinition"


def described(**changes: Any) -> dict[str, Any]:
    return echo(parse_request(make_request(**changes), image_metrics=lambda image: None))


def described_definition(**changes: Any) -> dict[str, Any]:
    shown: dict[str, Any] = described(definition=make_definition(**changes))[DEFINITION]
    return shown


def test_the_service_adds_its_members_and_defaults() -> None:
    shown = described(limits={"MaxNumberOfTrainingJobs": 7})
    assert shown == {
        "HyperParameterTuningJobName": "tune",
        CONFIG: {
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "accuracy"},
            "ResourceLimits": {"MaxParallelTrainingJobs": 2, "MaxNumberOfTrainingJobs": 7},
            "ParameterRanges": {**RANGES, "CategoricalParameterRanges": []},
            "TrainingJobEarlyStoppingType": "Off",
        },
        DEFINITION: {
            **make_definition(),
            "StaticHyperParameters": {
                "epochs": "10",
                "sagemaker_program": '"train.py"',
                "_tuning_objective_metric": "accuracy",
            },
            "AlgorithmSpecification": {
                **make_definition()["AlgorithmSpecification"],
                "MetricDefinitions": [
                    {"Name": "accuracy", "Regex": "accuracy=([0-9.]+)"},
                    {"Name": "ObjectiveMetric", "Regex": "accuracy=([0-9.]+)"},
                ],
            },
            "InputDataConfig": [
                {
                    "ChannelName": "train",
                    "DataSource": {
                        "S3DataSource": {
                            "S3DataType": "S3Prefix",
                            "S3Uri": "s3://bucket/data",
                            "S3DataDistributionType": "FullyReplicated",
                        }
                    },
                }
            ],
            "EnableNetworkIsolation": False,
            "EnableInterContainerTrafficEncryption": False,
            "EnableManagedSpotTraining": False,
        },
    }


def test_describing_leaves_the_request_as_it_was() -> None:
    request = make_request()
    echo(parse_request(request))
    assert request == make_request()


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"StoppingCondition": {}}, {"StoppingCondition": {"MaxRuntimeInSeconds": 86_400}}),
        ({"EnableNetworkIsolation": True}, {"EnableNetworkIsolation": True}),
        ({"Environment": {"A": "b"}}, {"Environment": {"A": "b"}}),
        ({"DefinitionName": "only"}, {"DefinitionName": None}),
        (
            {"InputDataConfig": [{"ChannelName": "a", "DataSource": {"FileSystemDataSource": {"FileSystemId": "f"}}}]},
            {"InputDataConfig": [{"ChannelName": "a", "DataSource": {"FileSystemDataSource": {"FileSystemId": "f"}}}]},
        ),
        ({"InputDataConfig": None}, {"InputDataConfig": None}),
    ],
)
def test_members_are_kept_and_defaults_filled_in(given: dict[str, Any], shown: dict[str, Any]) -> None:
    found = described_definition(**given)
    assert {name: found.get(name) for name in shown} == shown


SMALL = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5}
BIG = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 5}


@pytest.mark.parametrize(
    ("given", "plain", "kept"),
    [
        ({**SMALL, "VolumeKmsKeyId": "key"}, {**SMALL, "VolumeKmsKeyId": "key"}, True),
        ({"InstanceConfigs": [SMALL]}, SMALL, False),
        ({"InstanceConfigs": [BIG, SMALL], "AllocationStrategy": "Prioritized"}, BIG, True),
    ],
)
def test_a_resource_config_is_shown_however_the_resources_were_given(
    given: dict[str, Any], plain: dict[str, Any], kept: bool
) -> None:
    shown = described_definition(ResourceConfig=None, HyperParameterTuningResourceConfig=given)
    assert shown["ResourceConfig"] == plain
    assert shown.get("HyperParameterTuningResourceConfig") == (given if kept else None)


def test_each_of_several_definitions_is_described() -> None:
    shown = described(definitions=[make_part("a"), make_part("b", ranges=categories(c=["x", "y"]))])
    first, second = shown["TrainingJobDefinitions"]
    assert DEFINITION not in shown
    assert (first["DefinitionName"], first["TuningObjective"]["MetricName"]) == ("a", "accuracy")
    assert second["HyperParameterRanges"] == {
        "IntegerParameterRanges": [],
        "ContinuousParameterRanges": [],
        "CategoricalParameterRanges": [{"Name": "c", "Values": ["x", "y"]}],
    }


def test_grid_shows_the_budget_that_it_counted() -> None:
    limits = {"MaxNumberOfTrainingJobs": None}
    shown = described(Strategy="Grid", ranges=categories(c=["x", "y", "z"]), limits=limits)
    assert shown[CONFIG]["ResourceLimits"] == {"MaxParallelTrainingJobs": 2, "MaxNumberOfTrainingJobs": 3}


def test_a_training_job_gets_static_tuned_and_injected_hyperparameters() -> None:
    (training,) = parse_request(make_request()).definitions
    assert training_hyperparameters(training, {"lr": "0.01"}) == {
        "epochs": "10",
        "sagemaker_program": '"train.py"',
        "lr": "0.01",
        "_tuning_objective_metric": "accuracy",
    }


REQUESTS = [
    make_request(parents=("one",)),
    make_request(definitions=[make_part("a"), make_part("b")]),
    make_request(definition=make_definition(ResourceConfig=None, HyperParameterTuningResourceConfig=BIG)),
    make_request(
        HyperParameterTuningJobObjective={"Type": "Maximize", "MetricName": "ObjectiveMetric"},
        definition=make_definition(
            AlgorithmSpecification={
                "TrainingImage": "image",
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "ObjectiveMetric", "Regex": "=(.+)"}],
            },
        ),
    ),
]


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_description_leads_back_to_an_equal_request(request_: dict[str, Any]) -> None:
    shown = echo(parse_request(request_))
    back = request_from_description({**shown, "FailureReason": None, "HyperParameterTuningJobStatus": "Failed"})
    assert echo(parse_request(back)) == shown
    if "TrainingJobDefinition" in back:
        assert back[DEFINITION]["StaticHyperParameters"] == request_[DEFINITION]["StaticHyperParameters"]
        assert back[DEFINITION]["AlgorithmSpecification"] == request_[DEFINITION]["AlgorithmSpecification"]


def test_members_that_a_client_shows_as_null_are_left_out() -> None:
    definition = {"VpcConfig": None, "InputDataConfig": [{**make_channel("a"), "ShuffleConfig": None}]}
    back = request_from_description({"Autotune": None, DEFINITION: definition})
    assert back == {DEFINITION: {"InputDataConfig": [make_channel("a")]}}


@pytest.mark.parametrize("metric", ["accuracy", "ObjectiveMetric"])
def test_the_objective_metric_comes_last_and_once(metric: str) -> None:
    specification = {
        "TrainingImage": "image",
        "TrainingInputMode": "File",
        "MetricDefinitions": [
            {"Name": "ObjectiveMetric", "Regex": "a=(.+)"},
            {"Name": "accuracy", "Regex": "a=(.+)"},
        ],
    }
    request = make_request(
        definition=make_definition(AlgorithmSpecification=specification),
        HyperParameterTuningJobObjective={"Type": "Maximize", "MetricName": metric},
    )
    (training,) = parse_request(request).definitions
    names = [each["Name"] for each in echo_definition(training)["AlgorithmSpecification"]["MetricDefinitions"]]
    assert names == ["accuracy", "ObjectiveMetric"]
