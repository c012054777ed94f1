"""DAGs whose tuning jobs run on a real local service."""

from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG

from airflow_hpt import Continuous, Maximize, TuningJobOperator, tuning_job_config
from tests.standalone.on_loop import LoopOperator

SCRIPTS = (Path(__file__).parents[1] / "training").as_uri()


def tune(**settings: object) -> TuningJobOperator:
    """Return a task that tunes with two training jobs of six seconds unless told otherwise."""
    return TuningJobOperator(**make_settings(**settings))


def make_settings(*, seconds: int = 6, **settings: object) -> dict:
    config = tuning_job_config(
        entry_point="wait.py",
        source_dir=SCRIPTS,
        hyperparameters={"seconds": seconds},
        hyperparameter_ranges={"x": Continuous(0, 1)},
        objective=Maximize("score"),
        output_path="s3://models/out",
        max_jobs=2,
        max_parallel_jobs=2,
        strategy="Random",
    )
    return {"task_id": "tune", "config": config, "aws_conn_id": "hpt_local", "check_interval": 1, **settings}


with DAG("short", schedule=None):
    tune(deferrable=True)

with DAG("kept", schedule=None):
    tune(deferrable=True, seconds=600, stop_on_kill="never")

with DAG("ended", schedule=None):
    tune(deferrable=True, seconds=600, stop_on_kill="user")

with DAG("guarded", schedule=None):
    tune(deferrable=False, seconds=600, stop_on_kill="always")

with DAG("timed", schedule=None):
    tune(deferrable=False, seconds=600, execution_timeout=timedelta(seconds=4))

with DAG("unanswered", schedule=None):
    tune(deferrable=True, aws_conn_id="hpt_nobody")

with DAG("refused", schedule=None):
    tune(deferrable=True, aws_conn_id="hpt_wrong_keys")

with DAG("unconnected", schedule=None):
    tune(deferrable=True, aws_conn_id="hpt_forgotten")

with DAG("crowded", schedule=None):
    # Every region is a client of its own, so that several are being made while the loop is busy with others.
    regions = ["us-east-1", "us-west-2", "eu-west-1", "ap-south-1"]
    ours = make_settings(seconds=1, deferrable=True, aws_conn_id="hpt_stored")
    TuningJobOperator.partial(**ours).expand(region_name=regions)
    for number in range(4):
        LoopOperator(task_id=f"loop_{number}", priority_weight=10)  # they are on the loop when ours arrive
