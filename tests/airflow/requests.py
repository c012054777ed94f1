"""Requests to build tests from; imported by DAGs too, so without anything that needs pytest."""

from typing import Any


def make_config(**changes: Any) -> dict[str, Any]:
    """Return a CreateHyperParameterTuningJob request that every service accepts."""
    return {
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "validation:accuracy"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2},
            "ParameterRanges": {
                "ContinuousParameterRanges": [{"Name": "C", "MinValue": "0.1", "MaxValue": "10"}],
                "IntegerParameterRanges": [{"Name": "degree", "MinValue": "1", "MaxValue": "5"}],
                "CategoricalParameterRanges": [{"Name": "kernel", "Values": ["rbf", "poly"]}],
            },
        },
        "TrainingJobDefinition": {
            "StaticHyperParameters": {"seed": "1"},
            "AlgorithmSpecification": {
                "TrainingImage": "local/training:1",
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "validation:accuracy", "Regex": "accuracy=([0-9.]+)"}],
            },
            "RoleArn": "arn:aws:iam::000000000000:role/service-role/tuning",
            "OutputDataConfig": {"S3OutputPath": "s3://bucket/models"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        },
        **changes,
    }
