"""Lists and lineages of tuning jobs."""

import pytest
from fastapi.testclient import TestClient

from airflow_hpt.links import PAGES
from tests.airflow.fake_sagemaker import FakeSageMaker
from tests.airflow.plugin.pages import add_job, add_trainings, finish, look

pytestmark = pytest.mark.airflow


class TestLists:
    def test_tuning_jobs_are_listed_by_lineage_the_latest_first(self, alice: TestClient, fake: FakeSageMaker) -> None:
        for name, lineage, days in (("a-1", "a", 3.0), ("b-1", "b", 2.0), ("a-2", "a", 1.0)):
            job = add_job(fake, name, dag="shared", lineage=lineage, days_ago=days)
            add_trainings(fake, job, 4, failed=1, level=0.5 + days / 10)
            finish(job)
        page = look(alice, "/")
        rows = [link for link in page.values("a", "href") if "/jobs/" in link]
        assert rows == [f"/hpt/jobs/{name}?connection=fake" for name in ("a-2", "a-1", "b-1")]
        assert "2 tuning jobs, best validation:accuracy" in page.text
        assert page.text.count("1 failed") == 3
        assert "3 d ago" in page.text

    def test_only_the_latest_of_a_long_lineage_are_in_the_overview(
        self, alice: TestClient, fake: FakeSageMaker
    ) -> None:
        for number in range(12):
            add_job(fake, f"job-{number}", dag="shared", days_ago=number)
        page = look(alice, "/")
        assert "All 12 tuning jobs of this lineage" in page.text
        (whole,) = {link for link in page.values("a", "href") if "/lineages" in link}
        rows = [link for link in look(alice, whole.removeprefix(PAGES)).values("a", "href") if "/jobs/" in link]
        assert len(set(rows)) == 12

    def test_there_is_a_word_for_having_none(self, alice: TestClient) -> None:
        assert "There are no tuning jobs yet." in look(alice, "/").text
        assert "DAG shared has started no tuning jobs that are still known." in look(alice, "/dags/shared").text

    def test_a_run_s_tab_finds_runs_with_a_plus_in_their_name(self, alice: TestClient, fake: FakeSageMaker) -> None:
        run = "manual__2026-11-24T00:00:00+00:00"
        add_job(fake, "this-run", dag="shared", run=run)
        add_job(fake, "other-run", dag="shared", run="manual__other")
        for written in (run, run.replace("+", "%2B").replace(":", "%3A")):
            page = look(alice, f"/dags/shared/runs/{written}")
            assert ("this-run" in page.html, "other-run" in page.html) == (True, False)

    def test_a_task_s_tab_is_its_tuning_job(self, alice: TestClient, fake: FakeSageMaker) -> None:
        add_job(fake, "unmapped", dag="shared", run="r")
        add_job(fake, "third", dag="shared", run="r", task="many", map_index=3)
        add_job(fake, "fourth", dag="shared", run="r", task="many", map_index=4)
        assert "unmapped" in look(alice, "/dags/shared/runs/r/tasks/tune/%7BMAP_INDEX%7D").text
        page = look(alice, "/dags/shared/runs/r/tasks/many/3")
        assert ("third" in page.html, "fourth" in page.html) == (True, False)
        assert "/dags/shared/runs/r/tasks/many/mapped/3" in page.values("a", "href")

    def test_a_task_that_has_started_several_lists_them(self, alice: TestClient, fake: FakeSageMaker) -> None:
        add_job(fake, "first", dag="shared", run="r")
        add_job(fake, "after-a-clear", dag="shared", run="r")
        page = look(alice, "/dags/shared/runs/r/tasks/tune/-1")
        assert "Tuning jobs of this task" in page.text
        assert ("first" in page.html, "after-a-clear" in page.html) == (True, True)

    def test_a_lineage_is_drawn_with_a_link_for_every_tuning_job(self, alice: TestClient, fake: FakeSageMaker) -> None:
        for number in range(5):
            add_trainings(fake, add_job(fake, f"job-{number}", dag="shared", days_ago=5 - number), 3)
        page = look(alice, "/lineages?name=shared&connection=fake")
        assert page.count("circle", "mark") == 5
        assert page.count("title") == 7  # of the page, the drawing and its marks
