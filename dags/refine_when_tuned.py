"""Search widely, and each time that is done, closely: the second DAG is started by the first one's tuning jobs.

`tune_widely` publishes its tuning job as an asset, the lineage `digits-wide-search`. Each event of the asset starts
`refine`, which takes its parents from the latest events, inherits their request and searches a small part of the ranges
around what they have found. It has a lineage and an asset of its own: were it to publish the asset that starts it, it
would start itself without end, and its task would refuse to run.
"""

from airflow.sdk import DAG, Param, task

from airflow_hpt import (
    Continuous,
    Integer,
    Maximize,
    TuningJobOperator,
    WarmStartTuningJobOperator,
    tuning_asset,
    tuning_job_config,
)

CONNECTION = "hpt_local"
PLACE = "s3://airflow-hpt/digits-refined"

wide = tuning_asset("digits-wide-search")
fine = tuning_asset("digits-refined")  # a DAG that puts models to use could be scheduled by this one

with DAG(
    "tune_widely",
    description="Search wide ranges at random",
    schedule=None,
    tags=["airflow-hpt"],
    doc_md=__doc__,
    params={"jobs": Param(12, type="integer", minimum=1)},
):

    @task
    def put_script_and_samples() -> None:
        import digits_samples

        digits_samples.put_script(CONNECTION, f"{PLACE}/code/digits.tar.gz", "digits.py")
        digits_samples.put_samples(CONNECTION, f"{PLACE}/train/digits.csv")

    put_script_and_samples() >> TuningJobOperator(
        task_id="tune",
        config=tuning_job_config(
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
            strategy="Random",
            max_jobs="{{ params.jobs }}",
            max_parallel_jobs=2,
        ),
        lineage="digits-wide-search",
        outlets=[wide],
        aws_conn_id=CONNECTION,
        check_interval=5,
        retries=1,
    )

with DAG(
    "refine",
    description="Search closely around what tune_widely has found",
    schedule=[wide],
    max_active_runs=1,
    tags=["airflow-hpt"],
    doc_md=__doc__,
    params={"jobs": Param(6, type="integer", minimum=1)},
):
    WarmStartTuningJobOperator(
        task_id="refine",
        parents=wide,
        warm_start_type="IDENTICAL_DATA_AND_ALGORITHM",
        narrow_ranges=0.3,
        overrides={
            "HyperParameterTuningJobConfig": {
                "Strategy": "Bayesian",
                "ResourceLimits": {"MaxNumberOfTrainingJobs": "{{ params.jobs }}"},
            },
        },
        lineage="digits-refined",
        outlets=[fine],
        aws_conn_id=CONNECTION,
        check_interval=5,
        retries=1,
    )
