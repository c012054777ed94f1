"""Search on in wider ranges, and tune what was fixed before, without losing what is known.

Data and algorithm stay the same (`IDENTICAL_DATA_AND_ALGORITHM`), so the first tuning job's training jobs count as the
second one's own: nothing is trained twice, and `overall_best_...` in its result covers both.
"""

from airflow.sdk import DAG, Param, task

from airflow_hpt import (
    Categorical,
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

# Every hyperparameter that may ever be tuned is there from the start: a warm start may turn a fixed one into a tunable
# one and the other way round, and may not add any.
settings = {
    "entry_point": "digits.py",
    "source_dir": f"{PLACE}/code/digits.tar.gz",
    "inputs": {"train": f"{PLACE}/train/"},
    "output_path": f"{PLACE}/models",
    "objective": Maximize("validation:accuracy"),
    "max_parallel_jobs": 2,
    "image_uri": "{{ params.image }}",
    "role": "{{ params.role }}",
    "random_seed": 1,
}
narrow = tuning_job_config(
    **settings,
    hyperparameter_ranges={
        "C": Continuous(1e-3, 1, scaling="Logarithmic"),
        "gamma": Continuous(1e-6, 1e-3, scaling="Logarithmic"),
    },
    hyperparameters={"components": 16, "kernel": "rbf"},
    max_jobs="{{ params.first_jobs }}",
)
wide = tuning_job_config(
    **settings,
    hyperparameter_ranges={
        "C": Continuous(1e-3, 1e3, scaling="Logarithmic"),
        "gamma": Continuous(1e-6, 1e-1, scaling="Logarithmic"),
        "components": Integer(4, 60),
        "kernel": Categorical(["rbf", "poly"]),
    },
    max_jobs="{{ params.more_jobs }}",
)

with DAG(
    "widen_ranges",
    description="Warm start on the same data with wider ranges",
    schedule=None,
    tags=["airflow-hpt"],
    doc_md=__doc__,
    params={
        "connection": Param("hpt_local", type="string", description="Airflow connection of type aws"),
        "location": Param("s3://airflow-hpt/widen", type="string", description="Where code, data and models go"),
        "image": Param(LOCAL_IMAGE, type="string", description="Training image; the local service needs none"),
        "role": Param(LOCAL_ROLE, type="string", description="ARN of the role that SageMaker trains in"),
        "first_jobs": Param(8, type="integer", minimum=1),
        "more_jobs": Param(8, type="integer", minimum=1),
    },
):

    @task
    def put_script_and_samples(connection: str, place: str) -> None:
        import digits_samples

        digits_samples.put_script(connection, f"{place}/code/digits.tar.gz", "digits.py")
        digits_samples.put_samples(connection, f"{place}/train/digits.csv")

    first = TuningJobOperator(
        task_id="first",
        config=narrow,
        lineage="digits-wide",
        aws_conn_id=CONNECTION,
        check_interval=5,
        retries=1,
    )
    wider = WarmStartTuningJobOperator(
        task_id="wider",
        config=wide,
        parents=first.output,
        warm_start_type="IDENTICAL_DATA_AND_ALGORITHM",
        lineage="digits-wide",
        aws_conn_id=CONNECTION,
        check_interval=5,
        retries=1,
    )

    @task
    def report(result: dict) -> str:
        """Say which training job of both tuning jobs is the best."""
        print(
            f"Best of all: {result['overall_best_training_job']} of {result['overall_best_tuning_job']},"
            f" {result['best_objective_metric']} {result['overall_best_objective']:.4f} with"
            f" {result['overall_best_hyperparameters']}; model {result['overall_best_model_artifact']}"
        )
        return result["overall_best_model_artifact"]

    put_script_and_samples(CONNECTION, PLACE) >> first
    report(wider.output)
