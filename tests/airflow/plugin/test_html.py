"""What the pages are made of: no text becomes markup, and nothing needs what a strict policy forbids."""

from html import escape

import pytest
from fastapi.testclient import TestClient

from tests.airflow.fake_sagemaker import FakeSageMaker, training
from tests.airflow.plugin.pages import add_job, add_trainings, look, warm_start

pytestmark = pytest.mark.airflow


HOSTILE = "<script>alert('x')</script>\" onmouseover=\"alert(1)"


def test_hostile_texts_stay_texts(alice: TestClient, fake: FakeSageMaker) -> None:
    tags = {
        f"airflow-hpt:{name}": HOSTILE
        for name in ("lineage", "run", "task", "map-index", "generation", "warm-start", "data")
    }
    job = add_job(fake, "job", tags={**tags, "airflow-hpt:dag": "shared", HOSTILE: HOSTILE})
    each = training("job-001", objective=0.5, reason=HOSTILE)
    each |= {
        "TrainingJobDefinitionName": HOSTILE,
        "TunedHyperParameters": {HOSTILE: HOSTILE},
        "TrainingJobName": HOSTILE,
    }
    each["FinalHyperParameterTuningJobObjectiveMetric"]["MetricName"] = HOSTILE
    fake.trainings["job"] = [each]
    ranges = job["HyperParameterTuningJobConfig"]["ParameterRanges"]
    ranges["CategoricalParameterRanges"] = [{"Name": HOSTILE, "Values": [HOSTILE]}]
    job |= {"BestTrainingJob": each, "OverallBestTrainingJob": each, "FailureReason": HOSTILE}
    job |= warm_start("job")
    for path in ("/jobs/job", "/", "/dags/shared"):
        page = look(alice, path)
        assert escape(HOSTILE, quote=False).split("(")[0] in page.html.replace("&#34;", '"').replace("&#39;", "'")
        assert page.values("script", "src") == ["/hpt/frame.js?0.1.0"]
        assert page.count("script") == 1
        assert [name for _, attributes in page.elements for name in attributes if name.startswith("on")] == []
        links = [*page.values("a", "href"), *page.values("link", "href")]
        assert [link for link in links if not link.startswith(("/hpt/", "/dags/", "#main"))] == []


def test_a_page_needs_nothing_that_its_policy_forbids(alice: TestClient, fake: FakeSageMaker) -> None:
    add_trainings(fake, add_job(fake, "job", dag="shared"), 3)
    for path in ("/", "/jobs/job", "/lineages?name=shared&connection=fake"):
        page = look(alice, path)
        assert (page.count("style"), page.count("form"), page.count("iframe")) == (0, 0, 0)
        assert [name for _, attributes in page.elements for name in attributes if name in ("style", "target")] == []
        for address in (*page.values("script", "src"), *page.values("link", "href")):
            assert alice.get(address).status_code == 200


def test_a_table_says_what_its_columns_and_rows_are(alice: TestClient, fake: FakeSageMaker) -> None:
    add_trainings(fake, add_job(fake, "job", dag="shared"), 3)
    page = look(alice, "/jobs/job")
    assert len(page.values("th", "scope")) == page.count("th") > 0
    assert page.count("caption") == page.count("table") == 2
    assert page.count("h1") == 1
    assert len(page.values("svg", "role")) + len(page.values("svg", "aria-hidden")) == page.count("svg")
