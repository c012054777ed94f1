"""What Airflow keeps of a task's rendered fields, for its web interface."""

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import DAG, task

from airflow_hpt import TuningJobOperator
from tests.airflow.fake_sagemaker import FakeSageMaker, end
from tests.airflow.requests import make_config

pytestmark = pytest.mark.airflow


def make_large_config() -> dict[str, Any]:
    """Return a request that is far too long for one field, with as many ranges as SageMaker takes."""
    config = make_config()
    config["HyperParameterTuningJobConfig"]["ParameterRanges"] = {
        "ContinuousParameterRanges": [
            {"Name": f"learning-rate-of-layer-{n}", "MinValue": "0.001", "MaxValue": "{{ 10 }}"} for n in range(30)
        ]
    }
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://bucket/{'deep/' * 60}"}
    config["TrainingJobDefinition"] |= {
        "Environment": {f"SETTING_{n}": "x" * 30 for n in range(40)} | {"API_TOKEN": "hunter2"},
        "InputDataConfig": [{"ChannelName": f"c{n}", "DataSource": {"S3DataSource": source}} for n in range(8)],
        "StaticHyperParameters": {f"hyperparameter-{n}": "y" * 20 for n in range(60)},
    }
    return config


@pytest.fixture
def rendered(run_dag: Callable[..., Any], fake: FakeSageMaker) -> Callable[[DAG], dict[str, Any]]:
    """Run a DAG of one task; return what Airflow has kept of the task's fields."""
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    from airflow.utils.session import create_session
    from sqlalchemy import select

    def run(dag: DAG) -> dict[str, Any]:
        fake.on_describe = end
        assert run_dag(dag).state == "success"
        with create_session() as session:
            kept = select(RenderedTaskInstanceFields).where(RenderedTaskInstanceFields.dag_id == dag.dag_id)
            return dict(session.scalars(kept).unique().one().rendered_fields)

    return run


def test_a_request_that_is_cut_as_a_whole_can_be_read_in_parts(rendered: Any) -> None:
    config = make_large_config()
    with DAG("large_request", schedule=None) as dag:
        TuningJobOperator(task_id="tune", config=config, aws_conn_id="fake")
    kept = rendered(dag)
    assert kept["config"].startswith("Truncated.")
    definition = config["TrainingJobDefinition"]
    assert kept["config.TrainingJobDefinition.StaticHyperParameters"] == definition["StaticHyperParameters"]
    assert kept["config.TrainingJobDefinition.InputDataConfig"] == definition["InputDataConfig"]
    ranges = kept["config.HyperParameterTuningJobConfig"]["ParameterRanges"]["ContinuousParameterRanges"]
    assert [each["MaxValue"] for each in ranges] == ["10"] * 30
    environment = kept["config.TrainingJobDefinition.Environment"]
    assert environment == {**definition["Environment"], "API_TOKEN": "***"}


def test_the_request_of_a_decorated_task_is_known_when_it_has_run(rendered: Any) -> None:
    with DAG("decorated_request", schedule=None) as dag:

        @task.tuning_job(aws_conn_id="fake")
        def tune() -> dict[str, Any]:
            return make_large_config()

        tune()
    kept = rendered(dag)
    assert kept["config.TrainingJobDefinition.StaticHyperParameters"]["hyperparameter-59"] == "y" * 20


def test_a_request_that_was_rendered_to_text_has_no_parts(rendered: Any) -> None:
    with DAG("text_request", schedule=None) as dag:
        TuningJobOperator(task_id="tune", config="{{ params.config | tojson }}", aws_conn_id="fake")
    dag.params["config"] = make_config()
    kept = rendered(dag)
    assert "validation:accuracy" in kept["config"]
    assert [name for name in kept if name.startswith("config.")] == []
