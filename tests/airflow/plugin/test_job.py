"""The page about one tuning job."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from airflow_hpt.testing import LocalService
from tests.airflow.conftest import make_connection
from tests.airflow.fake_sagemaker import FakeSageMaker, training
from tests.airflow.plugin.pages import add_job, add_trainings, finish, look, warm_start
from tests.driving import Driver

pytestmark = pytest.mark.airflow


class TestTuningJob:
    def test_it_tells_everything(self, alice: TestClient, fake: FakeSageMaker) -> None:
        parent = add_job(fake, "parent", dag="shared", days_ago=1)
        add_trainings(fake, parent, 5)
        finish(parent)
        job = add_job(fake, "job", dag="shared", **warm_start("parent", "gone"))
        add_trainings(fake, job, 20, failed=2)
        page = look(alice, "/jobs/job?connection=fake")
        for words in (
            "job InProgress",
            "20 of 4",
            "validation:accuracy, higher is better",
            "TransferLearning",
            "gone deleted, or not yours to see",
            "parents' best",
            "s3://bucket/models/job-",
            "AlgorithmError: exit code 1 ValueError: degree must be positive",
            "continuous 0.1 to 10 Linear",
            "categorical rbf, poly",
            "Training jobs at most 4",
            "airflow-hpt:generation",
            "Updates every 10 s",
        ):
            assert words in page.text
        assert page.count("circle", "completed") + page.count("circle", "stopped") == 18
        assert page.count("path", "failed") == 2
        assert page.count("tr", "best") == 1
        assert "/hpt/jobs/parent?connection=fake" in page.values("a", "href")

    def test_it_refreshes_itself_until_it_has_ended_or_somebody_pauses_it(
        self, alice: TestClient, fake: FakeSageMaker
    ) -> None:
        job = add_job(fake, "job", dag="shared")
        assert look(alice, "/jobs/job?connection=fake").values("meta", "content")[1:] == ["10"]
        paused = look(alice, "/jobs/job?connection=fake&refresh=off")
        assert "Updates are paused" in paused.text
        assert len(paused.values("meta", "content")) == 1
        finish(job)
        add_job(fake, "other", dag="shared")
        finish(fake.jobs["other"])
        assert len(look(alice, "/jobs/other?connection=fake").values("meta", "content")) == 1

    @pytest.mark.parametrize(
        ("query", "first", "rows"),
        [
            ("", "best", 50),
            ("&page=2", "", 50),
            ("&page=10&sort=number", "", 50),
            ("&sort=number", "job-001-00000001", 50),
            ("&page=99", "", 50),
            ("&page=0", "best", 50),
            ("&page=-1&sort=nonsense", "best", 50),
            ("&page=1e9", "best", 50),
        ],
    )
    def test_five_hundred_training_jobs_come_in_pages(
        self, alice: TestClient, fake: FakeSageMaker, query: str, first: str, rows: int
    ) -> None:
        job = add_job(fake, "job", dag="shared")
        add_trainings(fake, job, 500)
        page = look(alice, f"/jobs/job?connection=fake{query}")
        names = [text for text in page.texts[page.texts.index("500 so far") :] if text.startswith("job-")]
        assert len(names) == rows
        best = job["BestTrainingJob"]["TrainingJobName"]
        assert not first or names[0] == (best if first == "best" else first)
        assert page.count("circle", "mark") >= 500

    def test_without_a_connection_every_listed_one_is_tried(
        self, alice: TestClient, fake: FakeSageMaker, nobody: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_DOWN", make_connection(nobody))
        monkeypatch.setenv("AIRFLOW__AIRFLOW_HPT__PAGE_CONNECTIONS", "missing, down, fake")
        add_job(fake, "job", dag="shared")
        assert "Connection fake" in look(alice, "/jobs/job").text

    def test_the_best_value_at_the_end_of_its_range_is_pointed_out(
        self, alice: TestClient, fake: FakeSageMaker
    ) -> None:
        job = add_job(fake, "job", dag="shared")
        add_trainings(fake, job, 3)
        for each in fake.trainings["job"]:
            each["TunedHyperParameters"] = {"C": "9.999", "degree": "3", "kernel": "rbf"}
        assert look(alice, "/jobs/job").text.count("the best lies at the end of the range") == 1

    def test_values_that_are_no_numbers_are_shown_as_they_are(self, alice: TestClient, fake: FakeSageMaker) -> None:
        job = add_job(fake, "job", dag="shared")
        fake.trainings["job"] = [
            {**training("job-001", objective=float("nan")), "TunedHyperParameters": {"C": "wide", "degree": '"3"'}},
            {**training("job-002", objective=0.5), "TunedHyperParameters": {"C": "1", "degree": "3.0"}},
        ]
        job["BestTrainingJob"] = fake.trainings["job"][1]
        page = look(alice, "/jobs/job")
        assert ("wide" in page.text, '"3"' in page.text) == (True, True)
        assert page.count("circle", "completed") == 1

    def test_several_definitions_have_their_own_ranges_and_objectives(
        self, alice: TestClient, fake: FakeSageMaker
    ) -> None:
        ranges = {"ContinuousParameterRanges": [{"Name": "eta", "MinValue": "0.001", "MaxValue": "1"}]}
        objective = {"Type": "Minimize", "MetricName": "loss"}
        definition = {"DefinitionName": "boosting", "TuningObjective": objective, "HyperParameterRanges": ranges}
        job = add_job(fake, "job", dag="shared", TrainingJobDefinitions=[definition])
        job["HyperParameterTuningJobConfig"] = {"Strategy": "Random", "ResourceLimits": {"MaxParallelTrainingJobs": 1}}
        loss = {**training("job-001", objective=0.5), "TrainingJobDefinitionName": "boosting"}
        fake.trainings["job"] = [{**loss, "TunedHyperParameters": {"eta": "0.1"}}]
        job["BestTrainingJob"] = loss
        page = look(alice, "/jobs/job")
        assert "eta boosting continuous 0.001 to 1 Logarithmic" in page.text
        assert "lower is better" in page.text


def test_a_real_tuning_job_is_shown(
    alice: TestClient, hpt_airflow: LocalService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__AIRFLOW_HPT__PAGE_CONNECTIONS", "hpt_local")
    driver = Driver(hpt_airflow.client(), tmp_path)
    tags = {"dag": "shared", "run": "r", "task": "tune", "map-index": "-1", "lineage": "real"}
    request = driver.request(name="real-1", Tags=[{"Key": f"airflow-hpt:{key}", "Value": tags[key]} for key in tags])
    described = driver.run(request)
    page = look(alice, "/jobs/real-1?connection=hpt_local")
    best = described["BestTrainingJob"]
    assert f"{best['FinalHyperParameterTuningJobObjectiveMetric']['Value']:.6g} score, higher is better" in page.text
    assert best["TrainingJobName"] in page.text
    assert page.count("circle", "completed") == 3
    assert "x continuous 0 to 1 Linear" in page.text
    for path in ("/", "/dags/shared", "/dags/shared/runs/r", "/lineages?name=real&connection=hpt_local"):
        assert "/hpt/jobs/real-1?connection=hpt_local" in look(alice, path).values("a", "href")
