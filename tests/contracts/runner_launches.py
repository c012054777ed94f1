"""Builds launches of the process runner from the text of a script."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_hpt.local.runner.base import Launch


def make_definition(**changes: Any) -> dict[str, Any]:
    """Return a training job definition with what the API requires."""
    return {
        "AlgorithmSpecification": {"TrainingImage": "any", "TrainingInputMode": "File"},
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "RoleArn": "arn:aws:iam::000000000000:role/tuning",
        **changes,
    }


def make_channel(name: str, uri: str, *, kind: str = "S3Prefix", **changes: Any) -> dict[str, Any]:
    """Return an input channel."""
    return {"ChannelName": name, "DataSource": {"S3DataSource": {"S3DataType": kind, "S3Uri": uri}}, **changes}


def make_launch_of(
    code: Path,
    *,
    name: str = "job",
    program: str = "train.py",
    attempt: int = 1,
    hyperparameters: Mapping[str, str] | None = None,
    **definition: Any,
) -> Launch:
    """Return the launch of a program in a folder of code."""
    own = {"sagemaker_program": json.dumps(program), "sagemaker_submit_directory": json.dumps(str(code))}
    return Launch(
        name=name,
        arn=f"arn:aws:sagemaker:us-east-1:000000000000:training-job/{name}",
        tuning_job="tune",
        region="us-east-1",
        hyperparameters=own | dict(hyperparameters or {}),
        definition=make_definition(**definition),
        attempt=attempt,
    )
