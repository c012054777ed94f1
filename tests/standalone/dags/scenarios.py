"""DAGs that the scenarios act on; the fake service decides when their tuning jobs end."""

from datetime import timedelta

from airflow.sdk import DAG

from airflow_hpt import TuningJobOperator
from tests.airflow.requests import make_config

settings = {"config": make_config(), "aws_conn_id": "fake", "check_interval": 1, "retry_delay": timedelta(seconds=1)}

with DAG("deferred", schedule=None):
    TuningJobOperator(task_id="tune", deferrable=True, **settings)

with DAG("blocking", schedule=None):
    TuningJobOperator(task_id="tune", deferrable=False, retries=1, **settings)

with DAG("impatient", schedule=None):
    TuningJobOperator(task_id="tune", deferrable=True, max_ingestion_time=3, **settings)

with DAG("mapped", schedule=None, max_active_tasks=32):
    TuningJobOperator.partial(
        task_id="tune", deferrable=True, map_index_template="{{ task.name_prefix }}", **settings
    ).expand(name_prefix=[f"region-{i}" for i in range(20)])

with DAG("overdue", schedule=None, dagrun_timeout=timedelta(seconds=20)):
    TuningJobOperator(task_id="tune", deferrable=True, **settings)
    TuningJobOperator(task_id="tune_here", deferrable=False, **settings)
