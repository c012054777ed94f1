"""Requests of the tuning API, small and complete."""

from typing import Any

ROLE = "arn:aws:iam::000000000000:role/training"
IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/script:latest"


def make_training_definition(**changes: Any) -> dict[str, Any]:
    """Return a training job definition for a script that prints `score=...`."""
    return {
        "StaticHyperParameters": {"sagemaker_program": "train.py", "sagemaker_submit_directory": "file:///nowhere"},
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "score", "Regex": "score=([-+.e0-9]+)"}],
        },
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "s3://models/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    } | changes


def make_tuning_request(name: str = "digits", **changes: Any) -> dict[str, Any]:
    """Return a request that tunes `x` from 0 to 1 for the largest `score` in 3 training jobs."""
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": make_tuning_config(),
        "TrainingJobDefinition": make_training_definition(),
    } | changes


def make_tuning_config(*, jobs: int = 3, parallel: int = 1, **changes: Any) -> dict[str, Any]:
    """Return the part of a tuning request that says what is tuned and for how long."""
    return {
        "Strategy": "Random",
        "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": jobs, "MaxParallelTrainingJobs": parallel},
        "ParameterRanges": {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]},
        "RandomSeed": 1,
    } | changes
