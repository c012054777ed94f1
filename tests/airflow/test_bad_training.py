"""What a task says when training goes wrong, on the real local service."""

from pathlib import Path
from typing import Any

import pytest

from airflow_hpt import Continuous, Maximize, TuningJobOperator, WarmStartTuningJobOperator, tuning_job_config
from airflow_hpt._compat import airflow_error
from airflow_hpt.errors import TuningJobFailed
from tests.airflow.conftest import make_context

pytestmark = pytest.mark.airflow

AirflowFailException = airflow_error("AirflowFailException")


def make_config(folder: Path, script: str, **changes: Any) -> dict[str, Any]:
    (folder / "train.py").write_text(script)
    settings = {
        "entry_point": "train.py",
        "source_dir": str(folder),
        "objective": Maximize("score"),
        "hyperparameter_ranges": {"x": Continuous(0, 1)},
        "output_path": "s3://models/bad",
        "max_jobs": 1,
        "strategy": "Random",
    }
    return tuning_job_config(**{**settings, **changes})


def run(config: dict[str, Any], *, kind: type = TuningJobOperator, task_id: str, **changes: Any) -> dict[str, Any]:
    operator = kind(task_id=task_id, config=config, aws_conn_id="hpt_local", check_interval=0.2, **changes)
    return operator.execute(make_context(operator))


@pytest.mark.parametrize(
    ("case", "script", "message"),
    [
        (
            "exits",
            "import sys\nprint('no such column', file=sys.stderr)\nsys.exit(1)",
            r"(?s)failed: AlgorithmError.*no such column",
        ),
        ("silent", "print('done')", r"value of the objective metric score \(regex"),
    ],
)
def test_the_reason_is_in_the_error(hpt_airflow: Any, tmp_path: Path, case: str, script: str, message: str) -> None:
    with pytest.raises(TuningJobFailed, match=message):
        run(make_config(tmp_path, script), task_id=case)


def test_a_script_that_is_missing_is_named(hpt_airflow: Any, tmp_path: Path) -> None:
    config = make_config(tmp_path, "", entry_point="other.py")
    with pytest.raises((TuningJobFailed, AirflowFailException), match=r"other\.py"):
        run(config, task_id="missing")


def test_an_objective_without_metric_definition_is_refused_before_anything_starts(
    hpt_airflow: Any, tmp_path: Path
) -> None:
    config = make_config(tmp_path, "print('score=1')")
    config["TrainingJobDefinition"]["AlgorithmSpecification"]["MetricDefinitions"] = []
    with pytest.raises(AirflowFailException, match="metric"):
        run(config, task_id="undefined")


def test_a_parent_that_still_runs_is_refused_with_what_would_help(hpt_airflow: Any, tmp_path: Path) -> None:
    config = make_config(tmp_path, "import time\ntime.sleep(600)")
    parent = run(config, task_id="parent", wait_for_completion=False)
    with pytest.raises(AirflowFailException, match=rf"{parent['job_name']} is InProgress.*Wait or stop it"):
        run(config, kind=WarmStartTuningJobOperator, task_id="child", parents=parent)
    hpt_airflow.client().stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=parent["job_name"])
