"""Requests and records for the tests; every builder takes the few facts that a test is about."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_hpt.domain.records import TrainingJob, TuningJob
from airflow_hpt.domain.request import parse_request
from airflow_hpt.domain.states import TrainingState, TuningState

Request = dict[str, Any]

EPOCH = datetime(2026, 11, 1, tzinfo=UTC)
CUSTOM_IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/digits:1.0"
RANGES: Mapping[str, Any] = {
    "ContinuousParameterRanges": [{"Name": "lr", "MinValue": "5e-05", "MaxValue": "0.1", "ScalingType": "Logarithmic"}],
    "IntegerParameterRanges": [{"Name": "depth", "MinValue": "2", "MaxValue": "9"}],
}


def at(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def categories(**values: list[str]) -> Request:
    return {"CategoricalParameterRanges": [{"Name": name, "Values": listed} for name, listed in values.items()]}


def make_definition(**changes: Any) -> Request:
    """Return a training job definition; a change of None takes the member out."""
    definition = {
        "StaticHyperParameters": {"epochs": "10", "sagemaker_program": '"train.py"'},
        "AlgorithmSpecification": {
            "TrainingImage": CUSTOM_IMAGE,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "accuracy", "Regex": "accuracy=([0-9.]+)"}],
        },
        "RoleArn": "arn:aws:iam::123456789012:role/tuning",
        "InputDataConfig": [make_channel("train")],
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/models"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        **changes,
    }
    return {name: value for name, value in definition.items() if value is not None}


def make_channel(name: str, uri: str = "s3://bucket/data") -> Request:
    return {"ChannelName": name, "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}}


def make_request(
    name: str = "tune",
    *,
    ranges: Mapping[str, Any] = RANGES,
    limits: Mapping[str, Any] | None = None,
    parents: tuple[str, ...] = (),
    kind: str = "TransferLearning",
    definition: Request | None = None,
    definitions: list[Request] | None = None,
    top: Mapping[str, Any] | None = None,
    **config: Any,
) -> Request:
    """Return a valid CreateHyperParameterTuningJob request, changed as asked; a change of None takes the member out."""
    single = {
        "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "accuracy"},
        "ParameterRanges": ranges,
    }
    settings = {
        "Strategy": "Bayesian",
        "ResourceLimits": {"MaxParallelTrainingJobs": 2, "MaxNumberOfTrainingJobs": 4, **(limits or {})},
        **({} if definitions else single),
        **config,
    }
    warm = {
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": each} for each in parents],
        "WarmStartType": kind,
    }
    request = {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {name: value for name, value in settings.items() if value is not None},
        **(
            {"TrainingJobDefinitions": definitions}
            if definitions
            else {"TrainingJobDefinition": definition or make_definition()}
        ),
        **({"WarmStartConfig": warm} if parents else {}),
        **(top or {}),
    }
    return {name: value for name, value in request.items() if value is not None}


def make_part(name: str, *, ranges: Mapping[str, Any] = RANGES, kind: str = "Maximize", **changes: Any) -> Request:
    """Return one of several training job definitions of a tuning job."""
    part = {
        "DefinitionName": name,
        "TuningObjective": {"Type": kind, "MetricName": "accuracy"},
        "HyperParameterRanges": ranges,
    }
    return make_definition(**{**part, **changes})


def make_training(index: int = 1, **changes: Any) -> TrainingJob:
    """Return a training job that ended `index` minutes after the start with the objective 0.5, changed as asked."""
    facts: dict[str, Any] = {
        "name": f"tune-{index:03d}-00000000",
        "tuning_job": "tune",
        "index": index,
        "definition": None,
        "tuned": {},
        "state": TrainingState.COMPLETED,
        "created_at": EPOCH,
        "modified_at": at(60 * index),
        "history": (0.5,),
        **changes,
    }
    return TrainingJob(**facts)


def make_job(request: Request | None = None, **changes: Any) -> TuningJob:
    """Return a tuning job in progress, made by a request."""
    facts: dict[str, Any] = {"state": TuningState.IN_PROGRESS, "created_at": EPOCH, "modified_at": EPOCH, "seed": 1}
    return TuningJob(parse_request(request or make_request()), **{**facts, **changes})
