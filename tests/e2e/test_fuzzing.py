"""Whatever is sent: an answer of the promised shape or an error of AWS's kind, never a fault of the service itself."""

import functools
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_hpt.testing import LocalService
from tests.answers import check_answer
from tests.driving import Driver, eventually
from tests.fuzzing import mutants, requests
from tests.requests import make_tuning_config
from tests.serving import RawClient, Reply

EXAMPLES = int(os.environ.get("HPT_FUZZ_EXAMPLES", "40"))  # per operation
OPERATIONS = [
    "AddTags",
    "CreateHyperParameterTuningJob",
    "DeleteHyperParameterTuningJob",
    "DeleteTags",
    "DescribeHyperParameterTuningJob",
    "DescribeTrainingJob",
    "ListHyperParameterTuningJobs",
    "ListTags",
    "ListTrainingJobs",
    "ListTrainingJobsForHyperParameterTuningJob",
    "Search",
    "StopHyperParameterTuningJob",
    "StopTrainingJob",
]
ERRORS = {"ValidationException", "ResourceInUse", "ResourceNotFound", "ResourceLimitExceeded", "SerializationException"}
fuzz = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def raw(hpt_local_service: LocalService) -> Iterator[RawClient]:
    client = RawClient(hpt_local_service.settings.port, hpt_local_service.home.credentials())
    yield client
    client.close()


@pytest.fixture(scope="module")
def digits(hpt_local_service: LocalService, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Give the request of a finished tuning job that is called `digits`, with all that a request may have."""
    driver = Driver(hpt_local_service.client(), tmp_path_factory.mktemp("fuzzing"))
    config = make_tuning_config(
        jobs=2,
        parallel=2,
        Strategy="Bayesian",
        TrainingJobEarlyStoppingType="Auto",
        TuningJobCompletionCriteria={"TargetObjectiveMetricValue": 2.0},
        ParameterRanges={
            "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0.1", "MaxValue": "1", "ScalingType": "Auto"}],
            "IntegerParameterRanges": [{"Name": "n", "MinValue": "1", "MaxValue": "64", "ScalingType": "Logarithmic"}],
            "CategoricalParameterRanges": [{"Name": "c", "Values": ["a", "b"]}],
        },
    )
    tags = [{"Key": "team", "Value": "risk"}]
    request = driver.request(name="digits", static={"epochs": "3"}, HyperParameterTuningJobConfig=config, Tags=tags)
    driver.run(request)
    return request


def check(operation: str, reply: Reply) -> None:
    assert reply.status in (200, 400), reply.raw
    if reply.status == 200:
        check_answer(operation, reply.json if reply.raw else None)
    else:
        assert reply.code in ERRORS
        assert reply.message


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_request_that_the_model_can_make_breaks_the_service(
    raw: RawClient, digits: dict[str, Any], operation: str
) -> None:
    @fuzz
    @given(requests(operation))
    def send(body: Any) -> None:
        check(operation, raw.call(operation, body))

    send()


@pytest.mark.parametrize("warm_start", [None, "IdenticalDataAndAlgorithm", "TransferLearning"])
def test_no_change_to_a_good_request_breaks_the_service_or_leaves_a_job_that_cannot_be_stopped(
    raw: RawClient, digits: dict[str, Any], warm_start: str | None
) -> None:
    good = dict(digits)
    if warm_start:
        parents = [{"HyperParameterTuningJobName": "digits"}]
        good["WarmStartConfig"] = {"ParentHyperParameterTuningJobs": parents, "WarmStartType": warm_start}
    names = (f"fuzz-{warm_start or 'cold'}-{number}"[:32] for number in range(10**9))

    @fuzz
    @given(mutants("CreateHyperParameterTuningJob", good), st.booleans())
    def send(request: dict[str, Any], is_renamed: bool) -> None:
        if is_renamed:
            request["HyperParameterTuningJobName"] = next(names)
        reply = raw.call("CreateHyperParameterTuningJob", request)
        check("CreateHyperParameterTuningJob", reply)
        if reply.status == 200:
            named = {"HyperParameterTuningJobName": request["HyperParameterTuningJobName"]}
            check("DescribeHyperParameterTuningJob", raw.call("DescribeHyperParameterTuningJob", named))
            check("StopHyperParameterTuningJob", raw.call("StopHyperParameterTuningJob", named))

    send()
    for status in ("InProgress", "Stopping"):
        eventually(functools.partial(has_no_jobs, raw, status), what=f"the end of {status} jobs")


def has_no_jobs(raw: RawClient, status: str) -> bool:
    reply = raw.call("ListHyperParameterTuningJobs", {"StatusEquals": status})
    return reply.json["HyperParameterTuningJobSummaries"] == []
