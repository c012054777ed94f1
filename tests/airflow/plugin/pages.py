"""Tuning jobs for the pages to show, and an Airflow API server to show them."""

import math
import time
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

from fastapi.testclient import TestClient

from airflow_hpt.links import PAGES
from tests.airflow.fake_sagemaker import FakeSageMaker, Json, end, training
from tests.airflow.requests import make_config

DAY = 86400.0


def add_job(
    fake: FakeSageMaker,
    name: str,
    *,
    dag: str = "retrain",
    run: str = "manual__2026-11-24T00:00:00+00:00",
    task: str = "tune",
    map_index: int = -1,
    lineage: str | None = None,
    days_ago: float = 0.0,
    tags: dict[str, str] | None = None,
    **changes: Any,
) -> Json:
    """Give the fake a running tuning job that a task has started; return it."""
    owned = {
        "airflow-hpt:lineage": lineage or dag,
        "airflow-hpt:dag": dag,
        "airflow-hpt:run": run,
        "airflow-hpt:task": task,
        "airflow-hpt:map-index": str(map_index),
        "airflow-hpt:generation": "0",
    }
    listed = [{"Key": key, "Value": value} for key, value in (owned if tags is None else tags).items()]
    fake.CreateHyperParameterTuningJob(make_config(HyperParameterTuningJobName=name, Tags=listed, **changes))
    fake.jobs[name]["CreationTime"] -= days_ago * DAY
    return fake.jobs[name]


def add_trainings(fake: FakeSageMaker, job: Json, count: int, *, failed: int = 0, level: float = 0.9) -> None:
    """Give a tuning job training jobs that get better; every seventh is stopped, the last ones have failed."""
    name = job["HyperParameterTuningJobName"]
    found = []
    for number in range(1, count + 1):
        has_failed = number > count - failed
        objective = level - 0.4 / math.sqrt(number) + 0.05 * math.sin(number * 2.4)
        each = training(
            f"{name}-{number:03d}-{number:08x}",
            objective=None if has_failed else round(objective, 6),
            status="Failed" if has_failed else "Stopped" if number % 7 == 0 else "Completed",
            reason="AlgorithmError: exit code 1\nValueError: degree must be positive" if has_failed else "",
        )
        began = job["CreationTime"] + 60 * number
        each |= {"CreationTime": began, "TrainingStartTime": began + 20, "TrainingEndTime": began + 20 + 7 * number}
        c = 0.1 * 100 ** (0.5 + 0.5 * math.sin(number))
        kernel = "rbf" if number % 3 else "poly"
        each["TunedHyperParameters"] = {"C": repr(c), "degree": str(1 + number % 5), "kernel": kernel}
        found.append(each)
    fake.trainings[name] = found
    statuses = [each["TrainingJobStatus"] for each in found]
    job["TrainingJobStatusCounters"] |= {
        "Completed": statuses.count("Completed"),
        "Stopped": statuses.count("Stopped"),
        "NonRetryableError": statuses.count("Failed"),
    }
    if scored := [each for each in found if "FinalHyperParameterTuningJobObjectiveMetric" in each]:
        job["BestTrainingJob"] = max(
            scored, key=lambda each: each["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
        )


def finish(job: Json, status: str = "Completed", *, reason: str | None = None, took: float = 3600.0) -> None:
    """Bring a tuning job to its end, with the best training job that it has."""
    end(job, status, objective=None, reason=reason)
    job["HyperParameterTuningEndTime"] = min(job["CreationTime"] + took, time.time())


def warm_start(*parents: str, kind: str = "TransferLearning") -> Json:
    """Return the part of a request that names its parents."""
    return {
        "WarmStartConfig": {
            "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": name} for name in parents],
            "WarmStartType": kind,
        }
    }


def know_dags(*dags: str) -> None:
    """Let Airflow's database hold DAGs."""
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.session import create_session

    with create_session() as session:
        session.merge(DagBundleModel(name="pages"))
        session.flush()
        for dag in dags:
            session.merge(DagModel(dag_id=dag, bundle_name="pages", fileloc=f"{dag}.py"))


Sign = Callable[[str], TestClient]


class Page(HTMLParser):
    """What a page consists of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(" ".join(data.split()))

    @property
    def text(self) -> str:
        return " ".join(self.texts)

    def values(self, tag: str, attribute: str) -> list[str]:
        """Return what an attribute is on every element of a kind that has it."""
        return [value for name, attributes in self.elements if name == tag and (value := attributes.get(attribute))]

    def count(self, tag: str, kind: str = "") -> int:
        """Return how many elements of a kind there are, with a class if one is given."""
        found = [each for name, each in self.elements if name == tag]
        return sum(not kind or kind in (each.get("class") or "").split() for each in found)


def make_auth_manager() -> Any:
    """Return an auth manager that lets `alice` read DAGs whose names begin with `alice` or `shared`, and so on."""
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

    class ByName(SimpleAuthManager):
        def is_authorized_dag(self, *, user: Any, details: Any = None, **_: Any) -> bool:
            return details is None or str(details.id).startswith((user.username, "shared"))

    return ByName()


def look(client: TestClient, path: str, *, status: int = 200) -> Page:
    answer = client.get(f"{PAGES}{path}")
    assert answer.status_code == status, answer.text
    return Page(answer.text)
