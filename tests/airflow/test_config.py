"""tuning_job_config: what it builds, and what it refuses with which words."""

from typing import Any

import pytest

from airflow_hpt import Categorical, Continuous, Integer, Maximize, Minimize, tuning_job_config
from airflow_hpt.config import LOCAL_ROLE
from airflow_hpt.domain.request import parse_request
from airflow_hpt.errors import InvalidRequest

pytestmark = pytest.mark.airflow


def make(**changes: Any) -> dict[str, Any]:
    settings = {
        "entry_point": "/code/train.py",
        "objective": Maximize("validation:auc"),
        "hyperparameter_ranges": {"eta": Continuous(0.01, 0.3)},
        "output_path": "s3://bucket/models",
        "max_jobs": 10,
    }
    return tuning_job_config(**{**settings, **changes})


def test_it_builds_a_request_that_the_service_accepts() -> None:
    config = make(
        hyperparameter_ranges={
            "eta": Continuous(1e-4, 0.3, scaling="Logarithmic"),
            "depth": Integer(2, 10),
            "booster": Categorical(["gbtree", "dart"]),
        },
        hyperparameters={"rounds": 100, "silent": True, "name": "text"},
        inputs={"train": "s3://bucket/train/"},
        max_parallel_jobs=2,
        max_runtime_seconds=3600,
        early_stopping=True,
        target_objective=0.99,
        max_jobs_not_improving=5,
        complete_on_convergence=True,
        random_seed=1,
        environment={"LEVEL": "debug"},
        tags={"team": "vision"},
        metrics={"loss": "loss=(.*)"},
    )
    spec = parse_request({**config, "HyperParameterTuningJobName": "tune"})
    assert config["HyperParameterTuningJobConfig"] == {
        "Strategy": "Bayesian",
        "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "validation:auc"},
        "ResourceLimits": {
            "MaxNumberOfTrainingJobs": 10,
            "MaxParallelTrainingJobs": 2,
            "MaxRuntimeInSeconds": 3600,
        },
        "ParameterRanges": {
            "ContinuousParameterRanges": [
                {"Name": "eta", "MinValue": "0.0001", "MaxValue": "0.3", "ScalingType": "Logarithmic"}
            ],
            "IntegerParameterRanges": [{"Name": "depth", "MinValue": "2", "MaxValue": "10", "ScalingType": "Auto"}],
            "CategoricalParameterRanges": [{"Name": "booster", "Values": ["gbtree", "dart"]}],
        },
        "TrainingJobEarlyStoppingType": "Auto",
        "TuningJobCompletionCriteria": {
            "TargetObjectiveMetricValue": 0.99,
            "BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 5},
            "ConvergenceDetected": {"CompleteOnConvergence": "Enabled"},
        },
        "RandomSeed": 1,
    }
    assert config["TrainingJobDefinition"]["StaticHyperParameters"] == {
        "rounds": "100",
        "silent": "true",
        "name": "text",
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": "/code",
    }
    assert config["Tags"] == [{"Key": "team", "Value": "vision"}]
    assert (spec.limits.total, spec.completion.target, spec.early_stopping) == (10, 0.99, True)


def test_what_is_not_given_is_left_out() -> None:
    config = make()
    assert set(config) == {"HyperParameterTuningJobConfig", "TrainingJobDefinition"}
    assert "TuningJobCompletionCriteria" not in config["HyperParameterTuningJobConfig"]
    assert not {"Environment", "InputDataConfig"} & config["TrainingJobDefinition"].keys()
    assert config["TrainingJobDefinition"]["RoleArn"] == LOCAL_ROLE


@pytest.mark.parametrize(
    ("printed", "value"),
    [
        ("validation:auc=0.91", "0.91"),
        ("epoch 3 validation:auc: 9.1e-01 done", "9.1e-01"),
        ("validation:auc = -.5", "-.5"),
        ("validation.auc=0.91", None),
    ],
)
def test_the_objective_is_found_as_scripts_print_it(printed: str, value: str | None) -> None:
    import re

    match = re.search(Maximize("validation:auc").pattern, printed)
    assert (match and match[1]) == value


@pytest.mark.parametrize(("objective", "kind"), [(Maximize("auc"), "Maximize"), (Minimize("auc"), "Minimize")])
def test_the_objective_has_a_direction(objective: Any, kind: str) -> None:
    asked = make(objective=objective)["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]
    assert asked == {"Type": kind, "MetricName": "auc"}


def test_built_in_algorithms_bring_their_own_metric_definitions() -> None:
    definition = make(entry_point=None, image_uri="1.dkr.ecr.eu-west-1.amazonaws.com/xgboost:1")[
        "TrainingJobDefinition"
    ]
    assert "MetricDefinitions" not in definition["AlgorithmSpecification"]


def test_channels_that_are_more_than_a_prefix_are_given_in_full() -> None:
    source = {"DataSource": {"S3DataSource": {"S3DataType": "ManifestFile", "S3Uri": "s3://b/m"}}, "ContentType": "csv"}
    (channel,) = make(inputs={"train": source})["TrainingJobDefinition"]["InputDataConfig"]
    assert channel == {"ChannelName": "train", **source}


def test_every_number_may_be_a_template() -> None:
    config = make(hyperparameter_ranges={"eta": Continuous("{{ params.low }}", 1)}, max_jobs="{{ params.jobs }}")
    tuning = config["HyperParameterTuningJobConfig"]
    assert tuning["ParameterRanges"]["ContinuousParameterRanges"][0]["MinValue"] == "{{ params.low }}"
    assert tuning["ResourceLimits"]["MaxNumberOfTrainingJobs"] == "{{ params.jobs }}"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Continuous(10, 1), r"min_value=10, max_value=1, .*the minimum is above the maximum"),
        (lambda: Continuous(0, 1, scaling="Logarithmic"), "logarithmic scaling needs a minimum above 0"),
        (lambda: Continuous(0.1, 1, scaling="ReverseLogarithmic"), "needs 0 <= minimum and maximum < 1"),
        (lambda: Continuous(0, 1, scaling="log"), "unknown scaling; use one of Auto, Linear, Logarithmic"),
        (lambda: Integer(1, 2.5), r"2\.5 is not a whole number; use Continuous"),
        (lambda: Integer(0, 9, scaling="Logarithmic"), "needs a minimum above 0"),
        (lambda: Categorical([]), "at least one value"),
        (lambda: Categorical("relu"), r"such as Categorical\(\['relu', 'tanh'\]\)"),
        (
            lambda: make(hyperparameter_ranges={"eta": (0, 1)}),
            r"'eta' is given as \(0, 1\); what is tuned is one of Continuous, Integer, Categorical",
        ),
    ],
)
def test_what_cannot_work_is_refused_when_the_dag_is_written(build: Any, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        build()
