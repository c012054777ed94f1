"""What callbacks can tell of a tuning task: any notifier of Airflow's, without one of our own."""

from collections.abc import Callable
from typing import Any

import pytest
from airflow import __version__
from airflow.sdk import DAG, BaseNotifier

from airflow_hpt import TuningJobOperator
from tests.airflow.fake_sagemaker import FakeSageMaker, end
from tests.airflow.requests import make_config

pytestmark = pytest.mark.airflow


class Recorder(BaseNotifier):
    """Sends its text nowhere; like every notifier it takes a template."""

    template_fields = ("text",)

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.sent: list[str] = []

    def notify(self, context: Any) -> None:
        self.sent.append(self.text)


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_success_is_told_by_the_summary(run_dag: Callable[..., Any], fake: FakeSageMaker, deferrable: bool) -> None:
    fake.on_describe = lambda job: end(job) if fake.count("DescribeHyperParameterTuningJob") > 3 else None
    notifier = Recorder("{{ ti.xcom_pull(task_ids=ti.task_id)['summary'] }}")
    with DAG(f"notify_success_{deferrable}", schedule=None) as dag:
        TuningJobOperator(
            task_id="tune",
            config=make_config(),
            aws_conn_id="fake",
            check_interval=0.1,
            deferrable=deferrable,
            on_success_callback=notifier,
        )
    assert run_dag(dag).state == "success"
    (job,) = fake.jobs
    best = "best validation:accuracy 0.9 with C=1.5, degree=3, kernel=rbf"
    assert notifier.sent == [f"{job} Completed: 1 completed of 4 training jobs; {best}"]


@pytest.mark.skipif(
    __version__.startswith(("3.1.", "3.2.")),
    reason="before Airflow 3.3 dag.test() hands callbacks no exception, unlike a worker",
)
def test_a_failure_is_told_by_its_reasons(run_dag: Callable[..., Any], fake: FakeSageMaker) -> None:
    fake.on_describe = lambda job: end(job, "Failed", objective=None, reason="No training job succeeded.")
    notifier = Recorder("{{ exception }}")
    with DAG("notify_failure", schedule=None) as dag:
        TuningJobOperator(task_id="tune", config=make_config(), aws_conn_id="fake", on_failure_callback=notifier)
    assert run_dag(dag).state == "failed"
    (text,) = notifier.sent
    (job,) = fake.jobs
    assert text.startswith(f"Tuning job {job} ended as Failed.\nNo training job succeeded.\n")
