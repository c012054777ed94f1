"""The example DAGs, run by Airflow against the real local service."""

import os
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.airflow.conftest import bundle

pytestmark = pytest.mark.airflow

DAGS = Path(__file__).parents[2] / "dags"
SMALL = {
    "tune_then_retune": {"baseline_jobs": 4, "retuning_jobs": 2},
    "widen_ranges": {"first_jobs": 2, "more_jobs": 2},
    "tune_widely": {"jobs": 3},
    "refine": {"jobs": 2},
    "retune_on_refresh": {"baseline_jobs": 2, "retuning_jobs": 2},
    "retune_when_data_arrives": {"jobs": 2},
}


@pytest.fixture(scope="module")
def dag_bag(airflow_db: Path) -> Any:
    """Every example DAG, known to the database."""
    home, more = bundle("examples")
    bag = home.BundleDagBag(dag_folder=DAGS, bundle_path=DAGS, **more)
    home.sync_bag_to_db(bag, "examples", None)
    return bag


def xcom(run: Any, task_id: str) -> Any:
    return run.get_task_instance(task_id).xcom_pull(task_ids=task_id)


def hasten(dag: Any, *, deferrable: bool = False) -> None:
    """Look often, and fail at once: dag.test() would wait for five minutes before a retry."""
    for task in dag.tasks:
        task.retries = 0
        if hasattr(task, "check_interval"):
            task.deferrable = deferrable
            task.check_interval = 0.3
        if hasattr(task, "quiet_seconds"):
            task.quiet_seconds = task.poke_interval = 0.3


def test_every_example_can_be_imported_and_is_run_below(dag_bag: Any) -> None:
    assert dag_bag.import_errors == {}
    assert set(dag_bag.dags) == set(SMALL)


@pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
def test_tune_then_retune(dag_bag: Any, hpt_airflow: Any, deferrable: bool) -> None:
    dag = dag_bag.get_dag("tune_then_retune")
    hasten(dag, deferrable=deferrable)
    run = dag.test(run_conf=SMALL["tune_then_retune"])
    assert run.state == "success"
    baseline, retuned = xcom(run, "baseline"), xcom(run, "retune")
    assert (baseline["status"], retuned["status"]) == ("Completed", "Completed")
    assert (baseline["training_jobs_completed"], retuned["training_jobs_completed"]) == (4, 2)
    assert (retuned["warm_start_type"], retuned["parents"]) == ("TransferLearning", [baseline["job_name"]])
    assert retuned["best_objective"] >= 0.9
    model = hpt_airflow.s3 / xcom(run, "report").removeprefix("s3://")
    assert model.stat().st_size > 1000


def test_widen_ranges(dag_bag: Any, hpt_airflow: Any) -> None:
    dag = dag_bag.get_dag("widen_ranges")
    hasten(dag)
    run = dag.test(run_conf=SMALL["widen_ranges"])
    assert run.state == "success"
    first, wider = xcom(run, "first"), xcom(run, "wider")
    assert wider["overall_best_objective"] == max(first["best_objective"], wider["best_objective"])
    assert set(first["best_hyperparameters"]) == {"C", "gamma"}
    assert set(wider["best_hyperparameters"]) == {"C", "gamma", "components", "kernel"}
    assert os.environ["HPT_S3_ROOT"] == str(hpt_airflow.s3)


def test_refine_when_tuned(dag_bag: Any, hpt_airflow: Any) -> None:
    """The tuning job that one DAG has published is the parent that the other one finds."""
    found = {}
    for dag_id in ("tune_widely", "refine"):
        dag = dag_bag.get_dag(dag_id)
        hasten(dag)
        run = dag.test(run_conf=SMALL[dag_id])
        assert run.state == "success"
        found[dag_id] = xcom(run, {"tune_widely": "tune", "refine": "refine"}[dag_id])
    wide, fine = found["tune_widely"], found["refine"]
    assert (fine["parents"], fine["warm_start_type"]) == ([wide["job_name"]], "IdenticalDataAndAlgorithm")
    assert fine["overall_best_objective"] >= wide["best_objective"]


def test_retune_on_refresh(dag_bag: Any, hpt_airflow: Any) -> None:
    dag = dag_bag.get_dag("retune_on_refresh")
    hasten(dag)
    run = dag.test(run_conf=SMALL["retune_on_refresh"])
    assert run.state == "success"
    first, baseline, refresh, retuned = (
        xcom(run, task) for task in ("wait_for_data", "baseline", "wait_for_refresh", "retune")
    )
    assert (first["change"], baseline["data_fingerprint"]) == ("first", first["data_fingerprint"])
    assert [path.rpartition("/")[2] for path in refresh["added"]] == ["part-2.csv"]
    assert (refresh["baseline_fingerprint"], refresh["removed"]) == (baseline["data_fingerprint"], [])
    assert (retuned["parents"], retuned["warm_start_type"]) == ([baseline["job_name"]], "TransferLearning")
    assert retuned["data_fingerprint"] == refresh["data_fingerprint"]
    assert xcom(run, "report") == refresh["summary"]


def test_retune_when_data_arrives(dag_bag: Any, hpt_airflow: Any) -> None:
    """Its watcher is tested on a real triggerer, in `tests/standalone`; here its runs are started by hand."""
    dag = dag_bag.get_dag("retune_when_data_arrives")
    hasten(dag)
    samples = import_module("digits_samples")
    results = []
    for part, (begin, to) in enumerate([(0, 600), (600, 1200)]):
        samples.put_samples("hpt_local", f"s3://airflow-hpt/digits-watched/train/part-{part}.csv", first=begin, last=to)
        run = dag.test(run_conf=SMALL["retune_when_data_arrives"])
        assert run.state == "success"
        assert xcom(run, "tell") == []
        results.append(xcom(run, "retune"))
    cold, warm = results
    assert (cold["parents"], warm["parents"]) == ([], [cold["job_name"]])
    assert warm["warm_start_type"] == "TransferLearning"
    assert cold["data_fingerprint"] != warm["data_fingerprint"]
