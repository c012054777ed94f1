"""Retune a model when its training data has been refreshed: by waiting for the refresh, or started by it.

`retune_on_refresh` waits for data, tunes on it, waits until the data differs from what the tuning job saw, and retunes.
`retune_when_data_arrives` does not run at all until a watcher has noticed a refresh; each run then warm starts from the
latest tuning jobs of its lineage, and the first one, which has none, starts cold.
"""

from airflow.sdk import DAG, Asset, AssetWatcher, Param, task

from airflow_hpt import (
    Continuous,
    DataRefreshed,
    DataRefreshSensor,
    Integer,
    Maximize,
    TuningJobOperator,
    WarmStartTuningJobOperator,
    latest,
    tuning_job_config,
)

CONNECTION = "hpt_local"
LINEAGE = "digits-refreshed"
PLACE = "s3://airflow-hpt/digits-refreshed/{{ dag_run.run_after | ts_nodash }}"  # every run has data of its own
WATCHED = "s3://airflow-hpt/digits-watched"


def tuning_config(place: str, *, jobs: int | str) -> dict:
    return tuning_job_config(
        entry_point="digits.py",
        source_dir=f"{place}/code/digits.tar.gz",
        inputs={"train": f"{place}/train/"},
        output_path=f"{place}/models",
        objective=Maximize("validation:accuracy"),
        hyperparameter_ranges={
            "C": Continuous(1e-3, 1e3, scaling="Logarithmic"),
            "gamma": Continuous(1e-6, 1e-1, scaling="Logarithmic"),
            "components": Integer(4, 60),
        },
        hyperparameters={"kernel": "rbf"},
        max_jobs=jobs,
        max_parallel_jobs=2,
        random_seed=1,
    )


@task
def put_script(place: str) -> str:
    import digits_samples

    return digits_samples.put_script(CONNECTION, f"{place}/code/digits.tar.gz", "digits.py")


@task
def put_samples(uri: str, first: int, last: int) -> int:
    """Stand in for whoever delivers the data."""
    import digits_samples

    return digits_samples.put_samples(CONNECTION, uri, first=first, last=last)


with DAG(
    "retune_on_refresh",
    description="Tune, wait until the data has changed, retune",
    schedule=None,
    tags=["airflow-hpt"],
    doc_md=__doc__,
    params={
        "baseline_jobs": Param(8, type="integer", minimum=1),
        "retuning_jobs": Param(4, type="integer", minimum=1),
    },
):
    settings = {
        "inputs": {"train": f"{PLACE}/train/"},
        "listings": f"{PLACE}/listings",
        "aws_conn_id": CONNECTION,
        "quiet_seconds": 5,
        "poke_interval": 10,
        "timeout": 3600,
        "retries": 1,
    }
    data = DataRefreshSensor(task_id="wait_for_data", **settings)
    baseline = TuningJobOperator(
        task_id="baseline",
        config=tuning_config(PLACE, jobs="{{ params.baseline_jobs }}"),
        lineage=LINEAGE,
        data_fingerprint=data.output,
        aws_conn_id=CONNECTION,
        check_interval=5,
        retries=1,
    )
    refresh = DataRefreshSensor(task_id="wait_for_refresh", baseline=baseline.output, **settings)
    retune = WarmStartTuningJobOperator(
        task_id="retune",
        parents=baseline.output,
        overrides={
            "HyperParameterTuningJobConfig": {
                "ResourceLimits": {"MaxNumberOfTrainingJobs": "{{ params.retuning_jobs }}"},
            },
        },
        lineage=LINEAGE,
        data_fingerprint=refresh.output,
        aws_conn_id=CONNECTION,
        check_interval=5,
        retries=1,
    )

    @task
    def report(refresh: dict, retuned: dict) -> str:
        """Say what has changed and what came of it."""
        print(f"The data changed: {refresh['summary']}.")
        print(f"{retuned['job_name']} ({retuned['warm_start_type']}: {retuned['warm_start_reason']})")
        print(f"{retuned['best_objective_metric']} {retuned['best_objective']:.4f}: {retuned['best_model_artifact']}")
        return refresh["summary"]

    arrived = put_samples.override(task_id="put_new_samples")(f"{PLACE}/train/part-2.csv", 600, 1200)
    [put_script(PLACE), put_samples(f"{PLACE}/train/part-1.csv", 0, 600)] >> data >> baseline
    baseline >> arrived >> refresh >> retune
    report(refresh.output, retune.output)


with DAG(
    "retune_when_data_arrives",
    description="Retune each time the data is refreshed",
    schedule=[
        Asset(
            "digits-watched",
            watchers=[
                AssetWatcher(
                    name="digits-refreshed",
                    trigger=DataRefreshed(
                        inputs={"train": f"{WATCHED}/train/"},
                        lineage="digits-watched",
                        listings=f"{WATCHED}/listings",
                        aws_conn_id=CONNECTION,
                        quiet_seconds=5,
                        poll_seconds=10,
                    ),
                )
            ],
        )
    ],
    max_active_runs=1,
    tags=["airflow-hpt"],
    doc_md=__doc__,
    params={"jobs": Param(4, type="integer", minimum=1)},
):

    @task
    def tell(triggering_asset_events: dict | None = None) -> list[str]:
        """Say what has changed; nothing has if somebody has started the run by hand."""
        events = [event for events in (triggering_asset_events or {}).values() for event in events]
        return [event.extra["payload"]["summary"] for event in events]

    put_script(WATCHED) >> WarmStartTuningJobOperator(
        task_id="retune",
        parents=latest("digits-watched"),
        on_no_parents="cold",
        config=tuning_config(WATCHED, jobs="{{ params.jobs }}"),
        lineage="digits-watched",
        data_fingerprint="auto",
        aws_conn_id=CONNECTION,
        check_interval=5,
        retries=1,
    )
    tell()
