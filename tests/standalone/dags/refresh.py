"""DAGs that wait for data: one that its watcher starts, one whose sensor is deferred."""

import os
from pathlib import Path

from airflow.sdk import DAG, Asset, AssetWatcher

from airflow_hpt import DataRefreshed, DataRefreshSensor, WarmStartTuningJobOperator, latest
from tests.airflow.requests import make_config

DATA = Path(os.environ["SCENARIO_DATA"])

refreshed = DataRefreshed(inputs=DATA.joinpath("watched").as_uri(), quiet_seconds=1, poll_seconds=1)

with DAG("watched", schedule=[Asset("data", watchers=[AssetWatcher(name="refreshed", trigger=refreshed)])]):
    WarmStartTuningJobOperator(
        task_id="tune",
        config=make_config(),
        parents=latest("watched"),
        on_no_parents="cold",
        lineage="watched",
        data_fingerprint="{{ (triggering_asset_events.values() | first | first).extra.payload.data_fingerprint }}",
        aws_conn_id="fake",
    )

with DAG("sensed", schedule=None):
    DataRefreshSensor(
        task_id="tune",  # as every task that the scenarios look at
        inputs=DATA.joinpath("sensed").as_uri(),
        quiet_seconds=1,
        poke_interval=1,
        timeout=600,
        deferrable=True,
    )
