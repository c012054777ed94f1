"""When a change of the data is a refresh, and what is reported of it."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_hpt.domain.fingerprint import Fingerprint
from airflow_hpt.errors import InvalidRequest, NotFound, ObjectUnavailable
from airflow_hpt.hooks.identity import DATA_TAG, LINEAGE_TAG
from airflow_hpt.hooks.refresh import RefreshWatch, fingerprint_in, latest_fingerprint, survey_request
from airflow_hpt.hooks.tuning import TuningHook
from airflow_hpt.sensors.data import DataRefreshSensor
from tests.airflow.fake_sagemaker import FakeSageMaker, end
from tests.airflow.requests import make_config

pytestmark = pytest.mark.airflow


class Data:
    """A channel `train` in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.inputs = {"train": f"file://{folder}"}

    def write(self, **contents: str) -> None:
        self.folder.mkdir(exist_ok=True)
        for name, content in contents.items():
            (self.folder / name).write_text(content)

    def remove(self, *names: str) -> None:
        for name in names:
            (self.folder / name).unlink()

    def fingerprint(self) -> str:
        refresh = RefreshWatch(make_owner(self)).look()
        assert refresh is not None
        return str(refresh.report["data_fingerprint"])


@pytest.fixture
def data(tmp_path: Path) -> Data:
    data = Data(tmp_path / "data")
    data.write(a="1", b="22")
    return data


def make_owner(data: Data, **changes: Any) -> Any:
    return DataRefreshSensor(task_id="refresh", **{"inputs": data.inputs, "aws_conn_id": "fake", **changes})


def watch_from_now(data: Data, **changes: Any) -> RefreshWatch:
    """Return a watch whose baseline is the data as it is, and that has seen it."""
    watch = RefreshWatch(make_owner(data, baseline=data.fingerprint(), **changes))
    assert watch.look() is None
    return watch


def report_of(watch: RefreshWatch) -> dict[str, Any]:
    refresh = watch.look()
    assert refresh is not None
    report = watch.confirm(refresh)
    assert report is not None
    return report


class TestReport:
    def test_it_says_what_was_added_changed_and_removed(self, data: Data) -> None:
        watch = watch_from_now(data)
        baseline = data.fingerprint()
        data.write(a="111", c="4444")
        data.remove("b")
        report = report_of(watch)
        times = {name: report.pop(name) for name in ("last_modified", "seen_at", "reported_at")}
        assert all(datetime.fromisoformat(time).tzinfo for time in times.values())
        assert report == {
            "inputs": data.inputs,
            "lineage": None,
            "change": "changed",
            "summary": "added 1 (train/c); changed 1 (train/a); removed 1 (train/b)",
            "data_fingerprint": data.fingerprint(),
            "objects": 2,
            "bytes": 7,
            "baseline_fingerprint": baseline,
            "baseline_objects": 2,
            "baseline_bytes": 3,
            "added": ["train/c"],
            "added_objects": 1,
            "added_bytes": 4,
            "changed": ["train/a"],
            "changed_objects": 1,
            "changed_bytes": 3,
            "removed": ["train/b"],
            "removed_objects": 1,
            "removed_bytes": 2,
        }

    def test_it_is_plain_json_whatever_the_files_are_called(self, data: Data) -> None:
        watch = watch_from_now(data)
        data.write(**{"\udcff": "not text", 'quote"': "x"})
        assert json.loads(json.dumps(report_of(watch)).encode())["added"] == ['train/quote"', "train/\\udcff"]

    def test_it_names_only_so_many_examples(self, data: Data) -> None:
        watch = watch_from_now(data, examples=2)
        data.write(**{f"new{index}": "x" for index in range(5)})
        report = report_of(watch)
        assert (report["added"], report["added_objects"]) == (["train/new0", "train/new1"], 5)

    def test_with_only_a_fingerprint_known_it_has_totals_and_no_lists(self, data: Data) -> None:
        baseline = data.fingerprint()
        data.write(c="333")
        report = report_of(RefreshWatch(make_owner(data, baseline=baseline)))
        assert report["change"] == "changed"
        assert report["summary"] == "from 2 objects (3 bytes) to 3 (6 bytes)"
        details = ("added", "changed", "removed")
        assert {report[f"{each}{suffix}"] for each in details for suffix in ("", "_objects", "_bytes")} == {None}

    def test_a_kept_listing_describes_a_change_that_nobody_watched(self, data: Data, tmp_path: Path) -> None:
        listings = f"file://{tmp_path}/listings"
        baseline = data.fingerprint()
        watch_from_now(data, listings=listings)
        data.write(c="333")
        report = report_of(RefreshWatch(make_owner(data, baseline=baseline, listings=listings)))
        assert report["summary"] == "added 1 (train/c)"
        data.remove("c")
        later = report_of(RefreshWatch(make_owner(data, baseline=report, listings=listings)))
        assert later["summary"] == "removed 1 (train/c)"

    def test_the_first_data_is_reported_as_added(self, data: Data) -> None:
        report = report_of(RefreshWatch(make_owner(data)))
        assert (report["change"], report["baseline_fingerprint"]) == ("first", None)
        assert (report["added_objects"], report["changed_objects"], report["removed_objects"]) == (2, 0, 0)

    def test_the_log_has_a_line_when_there_is_news(self, data: Data, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("INFO", logger="airflow_hpt.hooks.refresh")
        watch = watch_from_now(data, min_objects=2)
        for change in ({}, {}, {"c": "3"}, {}, {"d": "4"}):
            data.write(**change)
            watch.look()
        assert caplog.messages[-2:] == [
            "The data changed, but less than is asked for: added 1 (train/c).",
            "The data changed: added 2 (train/c, train/d).",
        ]


class TestQuietPeriod:
    def test_data_that_goes_on_changing_is_not_reported(self, data: Data) -> None:
        watch = watch_from_now(data)
        data.write(c="half")
        refresh = watch.look()
        assert refresh
        data.write(c="half and half")
        assert watch.confirm(refresh) is None

    def test_what_was_reported_is_reported_once(self, data: Data) -> None:
        watch = watch_from_now(data)
        data.write(c="3")
        report_of(watch)
        assert watch.look() is None
        data.remove("c")
        assert report_of(watch)["removed"] == ["train/c"]

    def test_data_that_changes_back_is_no_refresh(self, data: Data) -> None:
        watch = watch_from_now(data)
        data.write(c="3")
        refresh = watch.look()
        assert refresh
        data.remove("c")
        assert watch.confirm(refresh) is None
        assert watch.look() is None


class TestMinimum:
    @pytest.mark.parametrize(
        ("least", "is_reported"),
        [
            ({"min_objects": 2}, True),
            ({"min_objects": 3}, False),
            ({"min_bytes": 8}, True),
            ({"min_bytes": 9}, False),
            ({"min_fraction": 2.5}, True),
            ({"min_fraction": 2.7}, False),
            ({"min_objects": 1, "min_bytes": 9}, False),
        ],
    )
    def test_small_changes_are_not_reported(self, data: Data, least: dict[str, Any], is_reported: bool) -> None:
        watch = watch_from_now(data, **least)
        data.write(a="four", c="four")
        assert (watch.look() is not None) == is_reported

    @pytest.mark.parametrize(("least", "is_reported"), [(1, True), (2, False)])
    def test_without_a_listing_the_totals_are_measured(self, data: Data, least: int, is_reported: bool) -> None:
        baseline = data.fingerprint()
        data.write(a="9", c="3")
        watch = RefreshWatch(make_owner(data, baseline=baseline, min_objects=least))
        assert (watch.look() is not None) == is_reported

    def test_small_changes_add_up(self, data: Data) -> None:
        watch = watch_from_now(data, min_objects=2)
        data.write(c="3")
        assert watch.look() is None
        data.write(d="4")
        assert report_of(watch)["added"] == ["train/c", "train/d"]


class TestEmptyLocations:
    @pytest.mark.parametrize("how", ["emptied", "missing"])
    def test_they_are_waited_for(self, data: Data, how: str) -> None:
        watch = watch_from_now(data)
        data.remove("a", "b")
        if how == "missing":
            data.folder.rmdir()
        assert watch.look() is None
        data.write(a="1", b="22")
        assert watch.look() is None

    def test_one_of_several_is_enough_to_wait(self, data: Data, tmp_path: Path) -> None:
        inputs = {**data.inputs, "test": f"file://{tmp_path}/test"}
        assert RefreshWatch(make_owner(data, inputs=inputs)).look() is None

    def test_removal_is_reported_only_if_asked_for(self, data: Data) -> None:
        watch = watch_from_now(data, on_empty="report")
        data.remove("a", "b")
        assert report_of(watch)["summary"] == "removed 2 (train/a, train/b)"

    def test_they_fail_if_asked_to(self, data: Data) -> None:
        watch = watch_from_now(data, on_empty="fail")
        data.remove("a", "b")
        with pytest.raises(ObjectUnavailable, match=rf"There is no data in file://{data.folder}"):
            watch.look()


class TestBaseline:
    FINGERPRINT = f"{'0' * 32}-1-2"

    @pytest.mark.parametrize("value", [None, "", "None", {}, {"data_fingerprint": None}])
    def test_there_may_be_none(self, value: Any) -> None:
        assert fingerprint_in(value) is None

    @pytest.mark.parametrize("value", [FINGERPRINT, {"data_fingerprint": FINGERPRINT, "job_name": "tune"}])
    def test_it_comes_as_text_or_in_a_result(self, value: Any) -> None:
        assert fingerprint_in(value) == Fingerprint("0" * 32, 1, 2)

    def test_anything_else_is_refused(self, data: Data) -> None:
        with pytest.raises(InvalidRequest, match="'yesterday' is not a data fingerprint"):
            RefreshWatch(make_owner(data, baseline="yesterday"))

    def test_without_one_it_can_be_the_data_of_now(self, data: Data) -> None:
        watch = RefreshWatch(make_owner(data, on_no_baseline="wait"))
        assert watch.look() is None
        assert str(watch.reported) == data.fingerprint()
        data.write(c="3")
        assert report_of(watch)["added"] == ["train/c"]

    def test_without_one_it_can_fail(self, data: Data, fake: FakeSageMaker) -> None:
        watch = RefreshWatch(make_owner(data, lineage="digits", on_no_baseline="fail"))
        with pytest.raises(NotFound, match=r"no tuning job of lineage 'digits' is tagged airflow-hpt:data"):
            watch.look()

    @pytest.mark.parametrize("parameter", ["on_empty", "on_no_baseline"])
    def test_policies_name_their_alternatives(self, data: Data, parameter: str) -> None:
        with pytest.raises(ValueError, match=r"cannot be 'ignore'; it is one of .*'wait'"):
            make_owner(data, **{parameter: "ignore"})

    @pytest.mark.parametrize("listings", ["listings", 7])
    def test_listings_go_to_a_location(self, data: Data, listings: Any) -> None:
        with pytest.raises(InvalidRequest, match=r"listings holds .* it takes locations like s3://"):
            RefreshWatch(make_owner(data, listings=listings))


@pytest.fixture
def tag(fake: FakeSageMaker) -> Callable[..., None]:
    """Create an ended tuning job with a data fingerprint."""

    def create(name: str, fingerprint: str | None, *, lineage: str = "digits", status: str = "Completed") -> None:
        tags = {LINEAGE_TAG: lineage} | ({DATA_TAG: fingerprint} if fingerprint else {})
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        fake.CreateHyperParameterTuningJob(make_config(HyperParameterTuningJobName=name, Tags=listed))
        fake.jobs[name]["CreationTime"] += len(fake.jobs)
        end(fake.jobs[name], status)

    return create


class TestLineage:
    def test_data_is_compared_with_that_of_the_latest_tuning_job(self, data: Data, tag: Callable[..., None]) -> None:
        watch = RefreshWatch(make_owner(data, lineage="digits"))
        tag("old", "0" * 32 + "-1-1")
        assert watch.look()
        tag("new", data.fingerprint())
        assert watch.look() is None
        data.write(c="3")
        report = report_of(watch)
        assert (report["lineage"], report["baseline_objects"], report["added"]) == ("digits", 2, ["train/c"])

    def test_failed_untagged_and_foreign_jobs_do_not_count(self, tag: Callable[..., None]) -> None:
        good = "1" * 32 + "-1-1"
        assert latest_fingerprint(TuningHook("fake"), "digits") is None
        tag("good", good)
        tag("failed", "2" * 32 + "-1-1", status="Failed")
        tag("untagged", None)
        tag("foreign", "3" * 32 + "-1-1", lineage="letters")
        assert str(latest_fingerprint(TuningHook("fake"), "digits")) == good

    def test_a_given_baseline_comes_first(self, data: Data, tag: Callable[..., None]) -> None:
        baseline = "0" * 32 + "-1-1"
        tag("tune", "1" * 32 + "-9-9")
        refresh = RefreshWatch(make_owner(data, lineage="digits", baseline=baseline)).look()
        assert refresh
        assert refresh.report["baseline_fingerprint"] == baseline

    def test_data_that_somebody_else_has_tuned_on_meanwhile_is_old_news(
        self, data: Data, tag: Callable[..., None]
    ) -> None:
        watch = RefreshWatch(make_owner(data, lineage="digits"))
        report_of(watch)
        data.write(c="3")
        tag("by-hand", data.fingerprint())
        assert watch.look() is None


class TestRequests:
    def test_the_data_of_a_request_has_the_fingerprint_of_its_channels(self, data: Data) -> None:
        channel = {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3Uri": data.inputs["train"]}}}
        config = make_config()
        assert survey_request(TuningHook("fake"), config) is None
        config["TrainingJobDefinition"]["InputDataConfig"] = [channel]
        seen = survey_request(TuningHook("fake"), config)
        assert seen
        assert str(seen.fingerprint) == data.fingerprint()

    def test_channels_of_several_definitions_are_kept_apart(self, data: Data) -> None:
        channel = {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3Uri": data.inputs["train"]}}}
        definitions = [{"DefinitionName": name, "InputDataConfig": [channel]} for name in ("one", "two")]
        seen = survey_request(TuningHook("fake"), {"TrainingJobDefinitions": definitions})
        assert seen
        assert (seen.fingerprint.objects, seen.fingerprint.bytes) == (4, 6)


def test_only_local_data_needs_no_connection(data: Data) -> None:
    import asyncio

    watch = RefreshWatch(make_owner(data, aws_conn_id="no_such_connection"))
    asyncio.run(watch.prepare())
    assert watch.look()


def test_anything_with_the_right_fields_can_own_a_watch(data: Data) -> None:
    owner = make_owner(data)
    assert RefreshWatch(SimpleNamespace(**vars(owner))).look()  # type: ignore[arg-type]
