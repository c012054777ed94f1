"""Which tuning jobs may be parents, and which type of warm start fits."""

import doctest
from pathlib import Path
from typing import Any

import pytest

from airflow_hpt.domain.description import echo
from airflow_hpt.domain.parent_rules import FIELDS_DIFFER, NAMES_DIFFER, ParentJob, count_changes, unfitness
from airflow_hpt.domain.request import parse_request
from airflow_hpt.domain.spec import TuningSpec, WarmStartType
from airflow_hpt.domain.warm_start import check_parents, fitting_type, parent_from_description, usable_parents
from airflow_hpt.errors import InvalidRequest, LimitExceeded
from tests.domain.builders import (
    CUSTOM_IMAGE,
    RANGES,
    categories,
    make_channel,
    make_definition,
    make_part,
    make_request,
)

IDENTICAL, TRANSFER = WarmStartType.IDENTICAL, WarmStartType.TRANSFER


def make_parent(name: str = "base", *, status: str = "Completed", training_jobs: int = 4, **changes: Any) -> ParentJob:
    return ParentJob(name, status, parse_request(make_request(name, **changes)), training_jobs)


def make_spec(*, kind: WarmStartType = TRANSFER, parents: tuple[str, ...] = ("base",), **changes: Any) -> TuningSpec:
    return parse_request(make_request(parents=parents, kind=kind, **changes))


def static(**values: str) -> dict[str, Any]:
    return {"definition": make_definition(StaticHyperParameters=values)}


def over(ranges: dict[str, Any], **values: str) -> dict[str, Any]:
    return {"ranges": {**RANGES, **ranges}, **static(**values)}


MINIMIZE = {"HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "accuracy"}}
COLOURS = categories(colour=["red", "blue"])


@pytest.mark.parametrize("kind", [IDENTICAL, TRANSFER])
@pytest.mark.parametrize("status", ["Completed", "Failed", "Stopped"])
def test_a_parent_of_the_same_making_is_accepted_once_it_ended(kind: WarmStartType, status: str) -> None:
    check_parents(make_spec(kind=kind), [make_parent(status=status)])


def test_a_cold_start_has_no_parents_to_check() -> None:
    check_parents(parse_request(make_request()), [])


def test_a_failed_parent_without_training_jobs_is_no_fault() -> None:
    check_parents(make_spec(), [make_parent(status="Failed", training_jobs=0)])


@pytest.mark.parametrize("status", ["InProgress", "Stopping", "Deleting", "DeleteFailed"])
def test_a_parent_must_have_ended(status: str) -> None:
    with pytest.raises(InvalidRequest, match=f"Parent tuning job base is {status}; a parent must be Completed"):
        check_parents(make_spec(), [make_parent(status=status)])


def test_an_unknown_parent_is_named() -> None:
    with pytest.raises(InvalidRequest, match="can't find a tuning job called other"):
        check_parents(make_spec(parents=("base", "other")), [make_parent()])


@pytest.mark.parametrize(
    ("new", "old", "fault"),
    [
        (MINIMIZE, {}, "base has Maximize 'accuracy', but the new tuning job has Minimize 'accuracy'"),
        ({}, {"definitions": [make_part("a")]}, "Warm start from base needs one TrainingJobDefinition"),
        (static(epochs="1"), static(epochs="1", momentum="0.9"), r"To match base: add \['momentum'\], as static"),
        (static(epochs="1", momentum="0.9"), static(epochs="1"), r"To match base: take out \['momentum'\]\."),
        (
            static(a="1"),
            static(b="1"),
            r"To match base: add \['b'\], as static hyperparameters or ranges; take out \['a'\]",
        ),
        (
            over(categories(n=["1", "2"])),
            {"ranges": {**RANGES, "IntegerParameterRanges": [{"Name": "n", "MinValue": "1", "MaxValue": "2"}]}},
            "changes n from integer to categorical",
        ),
    ],
)
def test_a_parent_that_does_not_fit_is_refused_with_what_would(
    new: dict[str, Any], old: dict[str, Any], fault: str
) -> None:
    if "n from" in fault:  # both jobs tune the same names
        new["ranges"].pop("IntegerParameterRanges")
        new["definition"] = old["definition"] = make_definition(StaticHyperParameters={"epochs": "1"})
    with pytest.raises(InvalidRequest, match=fault):
        check_parents(make_spec(**new), [make_parent(**old)])


def test_the_known_text_on_names_comes_first() -> None:
    reason = unfitness(make_spec(**static(a="1")), make_parent(**static(b="1")), TRANSFER)
    assert str(reason).startswith(NAMES_DIFFER)


WIDER = {"ContinuousParameterRanges": [{"Name": "lr", "MinValue": "1e-6", "MaxValue": "1", "ScalingType": "Linear"}]}


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ({"ranges": {**RANGES, **WIDER}}, {}),  # bounds and scaling
        ({"limits": {"MaxNumberOfTrainingJobs": 9, "MaxParallelTrainingJobs": 9}}, {}),
        ({"Strategy": "Random"}, {}),
        ({}, {"Strategy": "Hyperband"}),  # a parent may have any strategy
        (over(COLOURS, epochs="1"), static(epochs="1", colour="red")),  # static made tunable costs nothing
        (static(epochs="1", colour="red"), over(COLOURS, epochs="1")),
    ],
)
@pytest.mark.parametrize("kind", [IDENTICAL, TRANSFER])
def test_what_may_change_may_change(new: dict[str, Any], old: dict[str, Any], kind: WarmStartType) -> None:
    check_parents(make_spec(kind=kind, **new), [make_parent(**old)])


@pytest.mark.parametrize(
    ("new", "old", "costs"),
    [
        (static(epochs="10"), static(epochs="20"), {"epochs": 1}),
        (static(colour="red"), static(colour="blue"), {"colour": 2}),
        (static(colour="7"), static(colour="blue"), {"colour": 2}),
        (static(colour="red"), over(COLOURS), {"colour": 2}),
        (over(COLOURS), static(colour="red"), {}),
        (static(epochs="10"), static(epochs="10"), {}),
        (
            {**static(lr="0.1"), "ranges": {"IntegerParameterRanges": RANGES["IntegerParameterRanges"]}},
            static(),
            {"lr": 1},
        ),
        (
            static(sagemaker_job_name="a", sagemaker_program="b.py", _own="1"),
            static(sagemaker_job_name="b", sagemaker_program="a.py", _own="2"),
            {},
        ),
    ],
)
def test_changes_are_counted_as_the_guide_counts_them(
    new: dict[str, Any], old: dict[str, Any], costs: dict[str, int]
) -> None:
    (after,), (before,) = make_spec(**new).definitions, make_parent(**old).spec.definitions
    assert count_changes(after, before) == costs


@pytest.mark.parametrize(("last", "accepted"), [("9", True), ("x", False)])
def test_ten_changes_are_accepted_and_eleven_refused(last: str, accepted: bool) -> None:
    old = {f"s{i}": "0" for i in range(10)}
    spec = make_spec(**static(**{**dict.fromkeys(old, "1"), "s9": last}))
    parent = make_parent(**static(**old))
    if accepted:
        check_parents(spec, [parent])
    else:
        with pytest.raises(InvalidRequest, match=r"Compared with base, static .* bring 11 changes \(s0 1, .* s9 2\)"):
            check_parents(spec, [parent])


SMALL = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10}
FLEXIBLE = {"ResourceConfig": None, "HyperParameterTuningResourceConfig": SMALL}


@pytest.mark.parametrize(
    ("member", "new", "old"),
    [
        ("Environment", {"Environment": {"A": "1"}}, {}),
        ("RetryStrategy", {}, {"RetryStrategy": {"MaximumRetryAttempts": 2}}),
        ("EnableNetworkIsolation", {"EnableNetworkIsolation": True}, {}),
        ("EnableInterContainerTrafficEncryption", {"EnableInterContainerTrafficEncryption": True}, {}),
        ("HyperParameterTuningResourceConfig", FLEXIBLE, {}),
    ],
)
def test_a_member_that_must_not_change_is_named(member: str, new: dict[str, Any], old: dict[str, Any]) -> None:
    spec = make_spec(definition=make_definition(**new))
    reason = str(unfitness(spec, make_parent(definition=make_definition(**old)), TRANSFER))
    assert reason.startswith(FIELDS_DIFFER)
    assert f"Compared with base: {member} is " in reason
    assert "absent" in reason


@pytest.mark.parametrize(
    "new",
    [
        {"Environment": {}, "EnableNetworkIsolation": False},  # the defaults, said aloud
        {"RoleArn": "arn:aws:iam::123456789012:role/other"},
        {"OutputDataConfig": {"S3OutputPath": "s3://other"}},
        {"ResourceConfig": {**SMALL, "InstanceCount": 2}},
        {"ResourceConfig": None, "HyperParameterTuningResourceConfig": {"InstanceConfigs": [SMALL]}},
        {"StoppingCondition": {"MaxRuntimeInSeconds": 9}},
        {"VpcConfig": {"Subnets": ["a"], "SecurityGroupIds": ["b"]}},
        {"EnableManagedSpotTraining": True, "StoppingCondition": {"MaxWaitTimeInSeconds": 99_999}},
        {"CheckpointConfig": {"S3Uri": "s3://checkpoints"}},
    ],
)
def test_the_other_members_of_a_definition_may_change(new: dict[str, Any]) -> None:
    check_parents(make_spec(kind=IDENTICAL, definition=make_definition(**new)), [make_parent()])


def algorithm(**changes: Any) -> dict[str, Any]:
    return {"AlgorithmSpecification": {**make_definition()["AlgorithmSpecification"], **changes}}


OTHER_CODE = algorithm(TrainingImage="1.dkr.ecr/other:1.0")
MORE_DATA = {"InputDataConfig": [make_channel("train"), make_channel("test")]}
FILE_SYSTEM = {"InputDataConfig": [{"ChannelName": "train", "DataSource": {"FileSystemDataSource": {"Id": "f"}}}]}


@pytest.mark.parametrize(
    ("new", "fault"),
    [
        (OTHER_CODE, f"base used {CUSTOM_IMAGE.removesuffix(':1.0')}, the new tuning job uses 1.dkr.ecr/other"),
        (algorithm(TrainingImage=None, AlgorithmName="arn:a/b"), "the new tuning job uses arn:a/b"),
        (MORE_DATA, "channel test from absent to s3://bucket/data"),
        ({"InputDataConfig": None}, "channel train from s3://bucket/data to absent"),
        ({"InputDataConfig": [make_channel("train", "s3://new")]}, "channel train from s3://bucket/data to s3://new"),
        (FILE_SYSTEM, "channel train from s3://bucket/data to .*FileSystemDataSource"),
    ],
)
def test_only_transfer_learning_takes_other_data_or_another_algorithm(new: dict[str, Any], fault: str) -> None:
    changed = {"definition": make_definition(**new)}
    with pytest.raises(InvalidRequest, match=f"{fault}.*TransferLearning does not"):
        check_parents(make_spec(kind=IDENTICAL, **changed), [make_parent()])
    check_parents(make_spec(kind=TRANSFER, **changed), [make_parent()])
    kind, why = fitting_type(make_spec(**changed), [make_parent()])
    assert (kind, "TransferLearning does not" in why) == (TRANSFER, True)


@pytest.mark.parametrize(
    "new",
    [
        {},
        algorithm(TrainingImage=CUSTOM_IMAGE.replace(":1.0", ":1.1")),
        algorithm(TrainingImage=CUSTOM_IMAGE.replace(":1.0", "@sha256:00")),
        {"InputDataConfig": [make_channel("train", "s3://bucket/data/")]},
    ],
)
def test_the_identical_type_fits_the_same_algorithm_and_data(new: dict[str, Any]) -> None:
    spec = make_spec(kind=IDENTICAL, definition=make_definition(**new))
    check_parents(spec, [make_parent()])
    assert fitting_type(spec, [make_parent(), make_parent("older")]) == (
        IDENTICAL,
        "Training image and input data are those of base, older.",
    )


def test_changed_content_of_the_data_calls_for_transfer_learning() -> None:
    assert fitting_type(make_spec(), [make_parent()], changed_data="1 added (train/b.csv).") == (
        TRANSFER,
        "1 added (train/b.csv).",
    )


@pytest.mark.parametrize(("training_jobs", "accepted"), [(746, True), (747, False)])
def test_training_jobs_of_parents_count_against_the_quota(training_jobs: int, accepted: bool) -> None:
    parents = [make_parent(training_jobs=700), make_parent("older", training_jobs=training_jobs - 700)]
    spec = make_spec(parents=("base", "older"))
    if accepted:
        check_parents(spec, parents)
    else:
        with pytest.raises(
            LimitExceeded, match=r"The parents have 747 training jobs.*at most 746 training jobs, or lower"
        ):
            check_parents(spec, parents)


def test_random_search_has_the_larger_quota() -> None:
    check_parents(make_spec(Strategy="Random"), [make_parent(training_jobs=9996)])


def test_usable_parents_are_kept_and_the_others_dropped_with_a_reason() -> None:
    spec = parse_request(make_request())
    candidates = [
        make_parent("running", status="InProgress"),
        make_parent("tune"),
        *(make_parent(f"good{i}") for i in range(6)),
        make_parent("good0"),
    ]
    kept, dropped = usable_parents(spec, candidates)
    assert [each.name for each in kept] == [f"good{i}" for i in range(5)]
    reasons = dict(dropped)
    assert list(reasons) == ["running", "tune", "good5"]
    assert "is InProgress" in reasons["running"]
    assert "cannot be its own parent" in reasons["tune"]
    assert "at most 5 parents, and good0 and others come first" in reasons["good5"]


def test_parents_beyond_the_quota_are_dropped_in_order() -> None:
    candidates = [make_parent(name, training_jobs=count) for name, count in {"a": 700, "b": 100, "c": 46}.items()]
    kept, dropped = usable_parents(parse_request(make_request()), candidates)
    assert [each.name for each in kept] == ["a", "c"]
    assert dropped == [("b", "b has 100 training jobs, but the quota leaves room for 46 only.")]


def test_usable_parents_depend_on_the_type_when_it_is_given() -> None:
    spec = parse_request(make_request(definition=make_definition(**OTHER_CODE)))
    assert [len(usable_parents(spec, [make_parent()], kind=kind)[0]) for kind in (None, TRANSFER, IDENTICAL)] == [
        1,
        1,
        0,
    ]


def test_a_parent_is_read_from_its_description() -> None:
    spec = parse_request(make_request("base"))
    counters = {"Completed": 3, "InProgress": 0, "RetryableError": 0, "NonRetryableError": 1, "Stopped": 2}
    describe = {**echo(spec), "HyperParameterTuningJobStatus": "Stopped", "TrainingJobStatusCounters": counters}
    parent = parent_from_description(describe)
    assert (parent.name, parent.status, parent.training_jobs) == ("base", "Stopped", 6)
    check_parents(make_spec(kind=IDENTICAL), [parent])


def test_a_parent_without_counters_has_no_training_jobs() -> None:
    describe = {**echo(parse_request(make_request("base"))), "HyperParameterTuningJobStatus": "Failed"}
    assert parent_from_description(describe).training_jobs == 0


def test_the_examples_of_the_guide_hold() -> None:
    guide = Path(__file__).parents[2] / "docs" / "warm-start.md"
    outcome = doctest.testfile(str(guide), module_relative=False)
    assert outcome.attempted > 10
    assert outcome.failed == 0
