"""Tune a model, then retune it on refreshed data with what the first tuning job has learnt.

The baseline sees the first third of the handwritten digits. Then the rest arrives in the same place, and a second
tuning job starts from what the first one has found, so that it needs fewer training jobs. The same file runs on AWS:
give `connection`, `location`, `image` and `role` when you trigger it (docs/operators.md, "From your machine to AWS").
"""

from airflow.sdk import DAG, Param, task

from airflow_hpt import (
    Continuous,
    Integer,
    Maximize,
    TuningJobOperator,
    WarmStartTuningJobOperator,
    tuning_job_config,
)
from airflow_hpt.config import LOCAL_IMAGE, LOCAL_ROLE

CONNECTION = "{{ params.connection }}"
PLACE = "{{ params.location }}/{{ dag_run.run_after | ts_nodash }}"  # every run has data of its own

config = tuning_job_config(
    entry_point="digits.py",
    source_dir=f"{PLACE}/code/digits.tar.gz",
    inputs={"train": f"{PLACE}/train/"},
    output_path=f"{PLACE}/models",
    objective=Maximize("validation:accuracy"),
    hyperparameter_ranges={
        "C": Continuous(1e-3, 1e3, scaling="Logarithmic"),
        "gamma": Continuous(1e-6, 1e-1, scaling="Logarithmic"),
        "components": Integer(4, 60),
    },
    hyperparameters={"kernel": "rbf"},
    max_jobs="{{ params.baseline_jobs }}",
    max_parallel_jobs=2,
    image_uri="{{ params.image }}",
    role="{{ params.role }}",
    random_seed=1,
)

with DAG(
    "tune_then_retune",
    description="Baseline tuning job, then a warm start on refreshed data",
    schedule=None,
    tags=["airflow-hpt"],
    doc_md=__doc__,
    params={
        "connection": Param("hpt_local", type="string", description="Airflow connection of type aws"),
        "location": Param("s3://airflow-hpt/digits", type="string", description="Where code, data and models go"),
        "image": Param(LOCAL_IMAGE, type="string", description="Training image; the local service needs none"),
        "role": Param(LOCAL_ROLE, type="string", description="ARN of the role that SageMaker trains in"),
        "baseline_jobs": Param(16, type="integer", minimum=1),
        "retuning_jobs": Param(6, type="integer", minimum=1),
    },
):

    @task
    def put_script(connection: str, place: str) -> None:
        import digits_samples

        digits_samples.put_script(connection, f"{place}/code/digits.tar.gz", "digits.py")

    @task
    def put_first_samples(connection: str, place: str) -> int:
        import digits_samples

        return digits_samples.put_samples(connection, f"{place}/train/part-1.csv", last=600)

    @task
    def put_new_samples(connection: str, place: str) -> int:
        import digits_samples

        return digits_samples.put_samples(connection, f"{place}/train/part-2.csv", first=600)

    baseline = TuningJobOperator(
        task_id="baseline",
        config=config,
        name_prefix="digits-baseline",
        lineage="digits",
        aws_conn_id=CONNECTION,
        check_interval=5,
        retries=1,
    )
    retune = WarmStartTuningJobOperator(
        task_id="retune",
        parents=baseline.output,
        warm_start_type="TRANSFER_LEARNING",
        # All else is inherited from the parent's request.
        overrides={
            "HyperParameterTuningJobConfig": {
                "ResourceLimits": {"MaxNumberOfTrainingJobs": "{{ params.retuning_jobs }}"},
            },
        },
        name_prefix="digits-retune",
        lineage="digits",
        aws_conn_id=CONNECTION,
        check_interval=5,
        retries=1,
    )

    @task
    def report(baseline: dict, retuned: dict) -> str:
        """Say what both tuning jobs have found; their scores are on different data."""
        for result in (baseline, retuned):
            print(
                f"{result['job_name']}: {result['best_objective_metric']} {result['best_objective']:.4f} after"
                f" {result['training_jobs']} training jobs, with {result['best_hyperparameters']};"
                f" model {result['best_model_artifact']}"
            )
        return retuned["best_model_artifact"]

    arrived = put_new_samples(CONNECTION, PLACE)
    [put_script(CONNECTION, PLACE), put_first_samples(CONNECTION, PLACE)] >> baseline >> arrived >> retune
    report(baseline.output, retune.output)
