"""@task.tuning_job: the function's answer is the request."""

from typing import Any

import pytest
from airflow.sdk import DAG, task

from airflow_hpt._compat import airflow_error
from tests.airflow.conftest import make_context
from tests.airflow.fake_sagemaker import FakeSageMaker
from tests.airflow.requests import make_config

pytestmark = pytest.mark.airflow

AirflowFailException = airflow_error("AirflowFailException")


def make_task(answer: Any, *arguments: Any, **settings: Any) -> Any:
    """Return the operator of a decorated function that was called in a DAG."""
    with DAG("retrain", schedule=None):

        @task.tuning_job(aws_conn_id="fake", wait_for_completion=False, **settings)
        def tune(jobs: int = 4, run_id: str | None = None) -> Any:
            return answer(jobs, run_id) if callable(answer) else answer

        return tune(*arguments).operator


def run(operator: Any) -> Any:
    context = make_context(operator)
    context["run_id"] = context["ti"].run_id
    return operator.execute(context)


def test_the_function_is_given_its_arguments_and_the_context(fake: FakeSageMaker) -> None:
    def answer(jobs: int, run_id: str | None) -> dict[str, Any]:
        config = make_config(Tags=[{"Key": "asked-by", "Value": str(run_id)}])
        config["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxNumberOfTrainingJobs"] = jobs
        return config

    result = run(make_task(answer, 7))
    job = fake.jobs[result["job_name"]]
    assert job["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxNumberOfTrainingJobs"] == 7
    assert fake.tags[job["HyperParameterTuningJobArn"]]["asked-by"] == "run-1"


def test_templates_in_the_answer_are_rendered(fake: FakeSageMaker) -> None:
    result = run(make_task(make_config(HyperParameterTuningJobName="tune-{{ run_id }}")))
    assert result["job_name"] == "tune-run-1"


def test_the_operator_s_own_fields_are_templates_too() -> None:
    assert {"op_args", "op_kwargs", "config", "lineage", "aws_conn_id"} <= set(make_task({}).template_fields)


@pytest.mark.parametrize("answer", [None, 5, []])
def test_an_answer_that_is_no_request_fails_at_once(fake: FakeSageMaker, answer: Any) -> None:
    with pytest.raises(AirflowFailException, match="config must be a dictionary"):
        run(make_task(answer))
