"""What a wait says, and how long it pauses."""

from typing import Any

import pytest

from airflow_hpt.hooks.progress import LONGEST_PAUSE_SECONDS, Watch, progress_line

pytestmark = pytest.mark.airflow


def make_description(status: str = "InProgress", **changes: Any) -> dict[str, Any]:
    return {
        "HyperParameterTuningJobName": "tune",
        "HyperParameterTuningJobStatus": status,
        "HyperParameterTuningJobConfig": {"ResourceLimits": {"MaxNumberOfTrainingJobs": 20}},
        "TrainingJobStatusCounters": {"Completed": 5, "InProgress": 2, "NonRetryableError": 1, "RetryableError": 1},
        **changes,
    }


BEST = {
    "TunedHyperParameters": {"kernel": "rbf", "C": "32.515938067008875", "degree": "3", "version": "1.x"},
    "FinalHyperParameterTuningJobObjectiveMetric": {"MetricName": "auc", "Value": 0.9512345678},
}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "tune InProgress: 5 completed, 2 running, 2 failed of 20 training jobs"),
        (
            {"BestTrainingJob": BEST, "TrainingJobStatusCounters": {"Completed": 1, "Stopped": 3}},
            "tune InProgress: 1 completed, 0 running, 3 stopped of 20 training jobs;"
            " best auc 0.951235 with C=32.52, degree=3, kernel=rbf, version=1.x",
        ),
        (
            {"HyperParameterTuningJobStatus": "Completed", "TrainingJobStatusCounters": {"Completed": 20}},
            "tune Completed: 20 completed of 20 training jobs",
        ),
        (
            {"HyperParameterTuningJobConfig": {"ResourceLimits": {}}, "TrainingJobStatusCounters": {}},
            "tune InProgress: 0 completed, 0 running training jobs",
        ),
    ],
)
def test_a_line_tells_counters_and_the_best_so_far(changes: dict[str, Any], line: str) -> None:
    assert progress_line(make_description(**changes)) == line


def test_a_line_stays_a_line_however_much_is_tuned() -> None:
    description = make_description()
    tuned = {f"{i:02d}": "v" * 256 for i in range(99)}
    metric = {"MetricName": "score", "Value": 1.0}
    best = {"TunedHyperParameters": tuned, "FinalHyperParameterTuningJobObjectiveMetric": metric}
    line = progress_line(description | {"BestTrainingJob": best})
    assert line.endswith(f", 11={'v' * 39}… and 87 more")


def test_a_listed_job_is_told_in_the_same_way() -> None:
    summary = make_description()
    summary |= summary.pop("HyperParameterTuningJobConfig")
    assert progress_line(summary) == progress_line(make_description())


def test_it_speaks_only_when_there_is_news() -> None:
    watch = Watch("tune", 30)
    lines = [watch.saw(make_description()), watch.saw(make_description()), watch.saw(make_description("Completed"))]
    assert [line is not None for line in lines] == [True, False, True]


def test_pauses_grow_with_faults_and_shrink_with_the_first_look() -> None:
    watch = Watch("tune", 30)
    pauses = []
    for _ in range(6):
        watch.missed(RuntimeError("busy"))
        pauses.append(watch.pause)
    assert pauses == [60, 120, 240, LONGEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS]
    watch.saw(make_description())
    assert watch.pause == 30


def test_a_long_interval_is_never_shortened_by_faults() -> None:
    watch = Watch("tune", 900)
    watch.missed(RuntimeError("busy"))
    assert watch.pause == 900


@pytest.mark.parametrize(
    ("status", "is_over"),
    [("InProgress", False), ("Stopping", False), ("Completed", True), ("Deleting", True), ("DeleteFailed", True)],
)
def test_a_wait_ends_with_every_state_that_does_not_run(status: str, is_over: bool) -> None:
    watch = Watch("tune", 30)
    watch.saw(make_description(status))
    assert (watch.ending is not None) is is_over
