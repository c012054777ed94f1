"""A result is small enough for Airflow's database and its web interface, whatever the API allows."""

import json
from typing import Any

import pytest

from airflow_hpt.hooks.identity import REASON_TAG
from airflow_hpt.hooks.result import tuning_result
from airflow_hpt.hooks.tuning import TuningHook
from tests.airflow.fake_sagemaker import FakeSageMaker, end
from tests.airflow.requests import make_config

pytestmark = pytest.mark.airflow

LONGEST = 256  # names and values of hyperparameters, and values of tags


def result_of(fake: FakeSageMaker, name: str, tuned: dict[str, str], parents: list[str]) -> dict[str, Any]:
    for each in (*parents, name):
        fake.CreateHyperParameterTuningJob(make_config(HyperParameterTuningJobName=each))
        end(fake.jobs[each])
    job = fake.jobs[name]
    job["BestTrainingJob"]["TunedHyperParameters"] = tuned
    if parents:
        job["OverallBestTrainingJob"] = job["BestTrainingJob"] | {"TuningJobName": name}
        listed = [{"HyperParameterTuningJobName": parent} for parent in parents]
        job["WarmStartConfig"] = {
            "ParentHyperParameterTuningJobs": listed,
            "WarmStartType": "IdenticalDataAndAlgorithm",
        }
        fake.tags[job["HyperParameterTuningJobArn"]][REASON_TAG] = "r" * LONGEST
    hook = TuningHook("fake")
    return tuning_result(hook, hook.describe(name))


def size(value: Any) -> int:
    return len(json.dumps(value).encode())


def test_a_usual_one_takes_less_than_three_kilobytes(fake: FakeSageMaker) -> None:
    tuned = {f"hyperparameter_{i}": "0.12345678901234567" for i in range(8)}
    result = result_of(fake, "churn-5e1f2a3b", tuned, ["churn-1a2b3c4d"])
    assert size(result) < 3_000, size(result)


def test_the_largest_that_the_api_allows_takes_little_more_than_its_hyperparameters(fake: FakeSageMaker) -> None:
    tuned = {f"{i:03d}".ljust(LONGEST, "n"): "v" * LONGEST for i in range(100)}
    result = result_of(fake, "t" * 32, tuned, [f"{i}".ljust(32, "p") for i in range(5)])
    assert size(result) - 2 * size(tuned) < 5_000, (size(result), size(tuned))
    assert size(result["summary"]) < 2_000, size(result["summary"])
