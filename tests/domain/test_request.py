"""Reading requests: what each rule accepts and refuses."""

import copy
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_hpt.domain.request import parse_request
from airflow_hpt.domain.space import CategoricalRange, ContinuousRange, IntegerRange, Scaling
from airflow_hpt.domain.spec import (
    Completion,
    Limits,
    MetricDefinition,
    Objective,
    Strategy,
    TuningSpec,
    WarmStart,
    WarmStartType,
)
from airflow_hpt.errors import InvalidRequest, LimitExceeded, RequestRefused
from tests.domain.builders import (
    CUSTOM_IMAGE,
    RANGES,
    categories,
    make_channel,
    make_definition,
    make_part,
    make_request,
)

XGBOOST = {"validation:auc": "auc:([0-9.]+)", "validation:rmse": "rmse:([0-9.]+)"}


def custom(image: str) -> Mapping[str, str] | None:
    return XGBOOST if "xgboost" in image else None


def parse(**changes: Any) -> TuningSpec:
    return parse_request(make_request(**changes), image_metrics=custom)


def parse_with(**definition: Any) -> TuningSpec:
    return parse(definition=make_definition(**definition))


def whole(low: Any, high: Any, **more: Any) -> dict[str, Any]:
    return {"IntegerParameterRanges": [{"Name": "n", "MinValue": low, "MaxValue": high, **more}]}


def real(low: Any, high: Any, **more: Any) -> dict[str, Any]:
    return {"ContinuousParameterRanges": [{"Name": "x", "MinValue": low, "MaxValue": high, **more}]}


def jobs(total: int | None = 4, parallel: Any = 2, **more: Any) -> dict[str, Any]:
    return {"MaxNumberOfTrainingJobs": total, "MaxParallelTrainingJobs": parallel, **more}


def test_a_request_becomes_a_spec() -> None:
    request = make_request(
        limits=jobs(40, 3, MaxRuntimeInSeconds=900),
        parents=("one", "two"),
        kind="IdenticalDataAndAlgorithm",
        RandomSeed=7,
        TrainingJobEarlyStoppingType="Auto",
        TuningJobCompletionCriteria={
            "TargetObjectiveMetricValue": 1,
            "BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 5},
            "ConvergenceDetected": {"CompleteOnConvergence": "Enabled"},
        },
        top={"Tags": [{"Key": "team", "Value": ""}]},
    )
    before = copy.deepcopy(request)
    spec = parse_request(request, image_metrics=custom)
    assert request == before == spec.request
    (training,) = spec.definitions
    assert training.objective == Objective("accuracy", maximize=True)
    assert training.space.ranges == (
        IntegerRange("depth", 2, 9, Scaling.AUTO),
        ContinuousRange("lr", 5e-05, 0.1, Scaling.LOGARITHMIC),
    )
    assert training.static == {"epochs": "10", "sagemaker_program": '"train.py"'}
    assert training.metrics == (MetricDefinition("accuracy", "accuracy=([0-9.]+)"),)
    assert training.definition == request["TrainingJobDefinition"]
    assert (spec.name, spec.strategy, spec.is_multiple) == ("tune", Strategy.BAYESIAN, False)
    assert spec.limits == Limits(3, 40, 900)
    assert spec.completion == Completion(1.0, 5, True)
    assert spec.warm_start == WarmStart(("one", "two"), WarmStartType.IDENTICAL)
    assert (spec.seed, spec.early_stopping, spec.tags) == (7, True, {"team": ""})


def test_several_definitions_each_bring_objective_and_ranges() -> None:
    spec = parse(definitions=[make_part("a", kind="Minimize"), make_part("b", ranges=categories(kind=["x", "y", "z"]))])
    assert spec.is_multiple
    assert [each.name for each in spec.definitions] == ["a", "b"]
    assert spec.definition("a").objective == Objective("accuracy", maximize=False)
    assert spec.definition("b").space.ranges == (CategoricalRange("kind", ("x", "y", "z")),)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"name": "a" * 33}, "at 'hyperParameterTuningJobName' .* length less than or equal to 32"),
        ({"name": "a_b"}, "Member must satisfy regular expression pattern: "),
        ({"name": "-a"}, "regular expression"),
        ({"name": "a-"}, "regular expression"),
        ({"name": "a" * 31 + "-"}, "regular expression"),
        ({"name": 5}, "HyperParameterTuningJobName must be a string, but is 5"),
        ({"top": {"TrainingJobDefinition": None}}, "either TrainingJobDefinition or TrainingJobDefinitions"),
        ({"top": {"TrainingJobDefinitions": [make_part("a")]}}, "either TrainingJobDefinition or TrainingJobDefini"),
        ({"top": {"HyperParameterTuningJobConfig": None}}, "HyperParameterTuningJobConfig is missing"),
        ({"top": {"HyperParameterTuningJobConfig": "x"}}, "HyperParameterTuningJobConfig must be a structure"),
        ({"Strategy": "Annealing"}, "Strategy must be one of Bayesian, Random, Grid, Hyperband, but is 'Annealing'"),
        ({"HyperParameterTuningJobObjective": None}, "HyperParameterTuningJobObjective is missing"),
        (
            {"HyperParameterTuningJobObjective": {"Type": "Max", "MetricName": "accuracy"}},
            "Type must be one of Maximize, Minimize",
        ),
        ({"ParameterRanges": None}, "ParameterRanges is missing"),
        ({"RandomSeed": -1}, "RandomSeed must be at least 0, but is -1"),
        ({"TrainingJobEarlyStoppingType": "On"}, "must be Off or Auto, but is 'On'"),
        ({"limits": jobs(parallel="3")}, "MaxParallelTrainingJobs must be an integer, but is '3'"),
        ({"limits": jobs(parallel=True)}, "must be an integer, but is True"),
        ({"limits": jobs(None)}, "MaxNumberOfTrainingJobs is missing; only Grid infers it"),
        ({"limits": jobs(MaxRuntimeInSeconds=119)}, "MaxRuntimeInSeconds must be from 120 to 15768000, but is 119"),
        (
            {"TuningJobCompletionCriteria": {"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 2}}},
            "must be at least 3, but is 2",
        ),
        ({"TuningJobCompletionCriteria": {"TargetObjectiveMetricValue": float("nan")}}, "must be a finite number"),
        ({"TuningJobCompletionCriteria": {"TargetObjectiveMetricValue": 10**400}}, "must be a finite number"),
        ({"TuningJobCompletionCriteria": {"TargetObjectiveMetricValue": "1"}}, "must be a number, but is '1'"),
        ({"top": {"Tags": [{"Key": "k", "Value": "1"}] * 2}}, "Tags must not repeat a key, but repeats 'k'"),
        ({"top": {"Tags": [{"Key": "AWS:k", "Value": "1"}]}}, "Tags must not begin with 'aws:', .* as 'AWS:k' does"),
        ({"top": {"Tags": "k=v"}}, "Tags must be a list, but is 'k=v'"),
        ({"StrategyConfig": {"HyperbandStrategyConfig": {}}}, "StrategyConfig is for the Hyperband strategy"),
        ({"top": {"Autotune": {"Mode": "On"}}}, "Autotune.Mode must be Enabled"),
    ],
)
def test_a_request_that_breaks_a_rule_is_refused(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(InvalidRequest, match=fault):
        parse(**changes)


@pytest.mark.parametrize(
    ("ranges", "fault"),
    [
        ({}, "ParameterRanges names no hyperparameter to tune"),
        (whole("5", "4"), "MinValue of n must not be above MaxValue, but 5 > 4"),
        (whole("1.5", "4"), "MinValue of n must be a string that writes a whole number, such as 10, but is '1.5'"),
        (whole("1", "1_0"), "whole number"),
        (whole(1, "4"), "MinValue must be a string, but is 1"),
        (whole("1", "9" * 30), "must fit 64 bits"),
        (whole("0", "4", ScalingType="Logarithmic"), "MinValue of n must be above 0 for Logarithmic"),
        (whole("1", "4", ScalingType="ReverseLogarithmic"), "cannot be ReverseLogarithmic on an integer range"),
        (whole("1", "4", ScalingType="Cubic"), "ScalingType must be one of Auto, Linear"),
        (real("0", "nan"), "MaxValue of x must be a string that writes a finite number"),
        (real("-inf", "1"), "finite number"),
        (real("zero", "1"), "finite number"),
        (real("0", "1_0"), "finite number"),
        (real("0.2", "0.1"), "must not be above MaxValue"),
        (real("-1e308", "1e308"), "too far from MinValue"),
        (real("0", "1", ScalingType="Logarithmic"), "above 0"),
        (real("0", "1.0", ScalingType="ReverseLogarithmic"), "needs 0 <= MinValue and MaxValue < 1"),
        (real("-0.1", "0.5", ScalingType="ReverseLogarithmic"), "needs 0 <= MinValue"),
        (categories(c=[]), "Values must have 1 to 30 entries, but has 0"),
        (categories(c=[str(i) for i in range(31)]), "Values must have 1 to 30 entries, but has 31"),
        (categories(c=["a", "b", "a"]), r"must not repeat a value, but repeats \['a'\]"),
        (categories(c=["a", 2]), "must list strings of at most 256 characters, but has 2"),  # type: ignore[list-item]
        ({**real("0", "1"), **categories(x=["a"])}, r"more than one range to \['x'\]"),
        (categories(epochs=["5"]), r"tunes \['epochs'\], which StaticHyperParameters fixes as well"),
        (categories(_tuning_objective_metric=["a"]), "a name that the service sets itself"),
        (categories(**{f"c{i}": ["a"] for i in range(31)}), "must have 0 to 30 entries, but has 31"),
        ({**categories(**{f"c{i}": ["a", "b"] for i in range(30)}), **real("0", "1")}, "at most 30 can be tuned"),
        ({"IntegerParameterRanges": {}}, "IntegerParameterRanges must be a list"),
        ({"IntegerParameterRanges": [1]}, r"IntegerParameterRanges\[0\] must be a structure, but is 1"),
        (
            {**RANGES, "AutoParameters": [{"Name": "a", "ValueHint": "1"}]},
            "AutoParameters is for requests with Autotune",
        ),
    ],
)
def test_ranges_that_make_no_sense_are_refused(ranges: dict[str, Any], fault: str) -> None:
    with pytest.raises(InvalidRequest, match=fault):
        parse(ranges=ranges)


@pytest.mark.parametrize(
    "ranges",
    [
        {**real("0.5", "0.5"), **whole("1", "4")},
        real("0", "0.999", ScalingType="ReverseLogarithmic"),
        real("1E-5", "+1.5e+3"),
        whole("-4", "+4"),
        categories(c=[str(i) for i in range(30)]),
        categories(**{f"c{i}": ["a", "b"] for i in range(30)}),
    ],
)
def test_ranges_at_the_edge_of_the_rules_are_accepted(ranges: dict[str, Any]) -> None:
    assert parse(ranges=ranges).definitions[0].space.ranges


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"RoleArn": None}, "TrainingJobDefinition.RoleArn is missing"),
        ({"RoleArn": "arn"}, "RoleArn must have 20 to 2048 characters, but 'arn' has 3"),
        ({"OutputDataConfig": {}}, "OutputDataConfig.S3OutputPath is missing"),
        ({"StoppingCondition": None}, "StoppingCondition is missing"),
        ({"StaticHyperParameters": {"a": 1}}, "must map strings to strings, but maps 'a' to 1; quote the value"),
        ({"StaticHyperParameters": ["a"]}, "StaticHyperParameters must be a map of strings"),
        ({"StaticHyperParameters": {"a": "x" * 2501}}, "values of 2500 characters; 'a' is too long"),
        ({"StaticHyperParameters": {str(i): "" for i in range(101)}}, "at most 100 entries, but has 101"),
        ({"StaticHyperParameters": {str(i): "" for i in range(98)}}, "101 hyperparameters: 2 tuned, 98 static and"),
        ({"Environment": {f"V{i}": "" for i in range(49)}}, "Environment must have at most 48 entries"),
        ({"InputDataConfig": [make_channel("a"), make_channel("a")]}, r"must not repeat a channel name.*\['a'\]"),
        ({"InputDataConfig": [{"ChannelName": "a"}]}, "DataSource is missing"),
        ({"InputDataConfig": [{"ChannelName": "a", "DataSource": {"S3DataSource": {}}}]}, "S3Uri is missing"),
        ({"ResourceConfig": None}, "ResourceConfig or HyperParameterTuningResourceConfig must be given"),
        ({"HyperParameterTuningResourceConfig": {"InstanceType": "ml.m5.large"}}, "one of the two"),
        ({"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 0}}, "InstanceCount must be at least 1"),
        ({"ResourceConfig": {"InstanceCount": 1}}, "InstanceType is missing"),
        ({"ResourceConfig": {"InstanceType": "m", "InstanceGroups": [{}]}}, "cannot be combined with InstanceType"),
        (
            {
                "ResourceConfig": None,
                "HyperParameterTuningResourceConfig": {"InstanceConfigs": [{}], "VolumeSizeInGB": 1},
            },
            "InstanceConfigs cannot be combined with VolumeSizeInGB",
        ),
        (
            {
                "ResourceConfig": None,
                "HyperParameterTuningResourceConfig": {
                    "InstanceType": "m",
                    "InstanceCount": 1,
                    "AllocationStrategy": "Prioritized",
                },
            },
            "AllocationStrategy chooses among InstanceConfigs",
        ),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 2_419_201}}, "must be from 1 to 2419200"),
        ({"StoppingCondition": {"MaxWaitTimeInSeconds": 9}}, "is for spot training only"),
        ({"EnableManagedSpotTraining": True}, "MaxWaitTimeInSeconds is missing"),
        (
            {"EnableManagedSpotTraining": True, "StoppingCondition": {"MaxWaitTimeInSeconds": 86_399}},
            "must be at least MaxRuntimeInSeconds, which is 86400",
        ),
        ({"EnableManagedSpotTraining": 0}, "EnableManagedSpotTraining must be true or false, but is 0"),
        ({"TuningObjective": {"Type": "Minimize", "MetricName": "accuracy"}}, "TuningObjective is for TrainingJobDef"),
    ],
)
def test_a_definition_that_breaks_a_rule_is_refused(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(InvalidRequest, match=fault):
        parse_with(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"StaticHyperParameters": {str(i): "" for i in range(97)}},
        {"InputDataConfig": None},
        {"InputDataConfig": [{"ChannelName": "a", "DataSource": {"FileSystemDataSource": {}}}]},
        {"ResourceConfig": {"InstanceGroups": [{"InstanceCount": 1}], "VolumeSizeInGB": None}},
        {"ResourceConfig": {"InstancePreferences": [{"InstanceType": "ml.m5.large"}]}},
        {
            "ResourceConfig": None,
            "HyperParameterTuningResourceConfig": {"InstanceConfigs": [{}], "AllocationStrategy": "Prioritized"},
        },
        {"EnableManagedSpotTraining": True, "StoppingCondition": {"MaxRuntimeInSeconds": 9, "MaxWaitTimeInSeconds": 9}},
        {"TuningObjective": {"Type": "Maximize", "MetricName": "accuracy"}, "DefinitionName": "only"},
    ],
)
def test_a_definition_at_the_edge_of_the_rules_is_accepted(changes: dict[str, Any]) -> None:
    assert parse_with(**changes).definitions[0].name is None


def algorithm(image: str | None = CUSTOM_IMAGE, *metrics: tuple[str, str], **more: Any) -> dict[str, Any]:
    listed = [{"Name": name, "Regex": regex} for name, regex in metrics]
    return {"TrainingImage": image, "TrainingInputMode": "File", "MetricDefinitions": listed, **more}


def with_objective(metric: str, specification: dict[str, Any], **static: str) -> dict[str, Any]:
    return make_request(
        definition=make_definition(AlgorithmSpecification=specification, StaticHyperParameters=static),
        HyperParameterTuningJobObjective={"Type": "Maximize", "MetricName": metric},
    )


NO_METRIC = (
    "A metric is required for this hyperparameter tuning job objective. Provide a metric in the metric definitions."
)


@pytest.mark.parametrize(
    ("specification", "fault"),
    [
        (algorithm(), NO_METRIC),
        (algorithm(CUSTOM_IMAGE, ("loss", "([0-9])")), r"The objective is 'auc'. The metrics defined are \['loss'\]"),
        (algorithm("1.dkr.ecr/xgboost:1"), r"The metrics defined are \['validation:auc', 'validation:rmse'\]"),
        (algorithm(CUSTOM_IMAGE, ("auc", "([0-9")), "Regex of metric 'auc' is not a valid regular expression"),
        (algorithm(CUSTOM_IMAGE, ("auc", "[0-9]+")), "needs a group around the value"),
        (algorithm(CUSTOM_IMAGE, ("auc", "(a{99999999999})")), "not a valid regular expression"),
        (algorithm(None), "TrainingImage or AlgorithmName must be given, one of the two"),
        (algorithm(AlgorithmName="mine"), "one of the two"),
    ],
)
def test_the_objective_needs_a_metric_that_the_log_can_hold(specification: dict[str, Any], fault: str) -> None:
    with pytest.raises(InvalidRequest, match=fault):
        parse_request(with_objective("auc", specification), image_metrics=custom)


def test_a_built_in_image_brings_its_metrics() -> None:
    request = with_objective("validation:auc", algorithm("1.dkr.ecr/xgboost:1", ("validation:rmse", "mine:(.+)")))
    (training,) = parse_request(request, image_metrics=custom).definitions
    assert training.metrics == (
        MetricDefinition("validation:auc", "auc:([0-9.]+)"),
        MetricDefinition("validation:rmse", "mine:(.+)"),
    )


@pytest.mark.parametrize(
    "specification", [algorithm(), algorithm(None, AlgorithmName="arn:aws:sagemaker:::algorithm/a")]
)
def test_where_images_are_unknown_one_without_metrics_may_bring_its_own(specification: dict[str, Any]) -> None:
    assert parse_request(with_objective("auc", specification)).definitions[0].metrics == ()


@pytest.mark.parametrize(
    ("specification", "static"),
    [(algorithm(), {"sagemaker_program": "train.py"}), (algorithm(CUSTOM_IMAGE, ("loss", "([0-9])")), {})],
)
def test_where_images_are_unknown_a_script_still_needs_its_metric(
    specification: dict[str, Any], static: dict[str, str]
) -> None:
    with pytest.raises(InvalidRequest, match="A metric is required"):
        parse_request(with_objective("auc", specification, **static))


def test_what_the_service_added_to_an_earlier_job_may_be_sent_back() -> None:
    specification = algorithm(CUSTOM_IMAGE, ("auc", "auc=(.+)"), ("ObjectiveMetric", "auc=(.+)"))
    request = with_objective("auc", specification, lr0="1", _tuning_objective_metric="auc")
    (training,) = parse_request(request, image_metrics=custom).definitions
    assert training.static == {"lr0": "1"}
    assert training.metrics == (MetricDefinition("auc", "auc=(.+)"),)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"parents": tuple("abcdef")}, "must have 1 to 5 entries, but has 6"),
        ({"top": {"WarmStartConfig": {"WarmStartType": "TransferLearning"}}}, "must have 1 to 5 entries, but has 0"),
        ({"parents": ("a", "b", "a")}, r"must not repeat a parent, but repeats \['a'\]"),
        ({"parents": ("tune",)}, "must not list the new tuning job itself, tune"),
        (
            {"parents": ("a",), "kind": "TRANSFER_LEARNING"},
            "must be one of IdenticalDataAndAlgorithm, TransferLearning",
        ),
        ({"parents": ("a",), "Strategy": "Hyperband"}, "Warm start needs the Bayesian or Random strategy.*Hyperband"),
        ({"parents": ("a",), "definitions": [make_part("a")]}, "not available with TrainingJobDefinitions"),
    ],
)
def test_a_warm_start_that_no_parent_could_mend_is_refused(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(InvalidRequest, match=fault):
        parse(**changes)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"definitions": [make_part("a"), make_part("a")]}, r"DefinitionName must be unique.*\['a'\]"),
        ({"definitions": [make_part("a", DefinitionName=None)]}, "DefinitionName is missing"),
        (
            {"definitions": [make_part("a", TuningObjective=None)]},
            r"TrainingJobDefinitions\[0\].TuningObjective is miss",
        ),
        ({"definitions": [make_part("a", HyperParameterRanges=None)]}, "HyperParameterRanges is missing"),
        ({"definitions": [make_part("a")] * 11}, "must have 1 to 10 entries, but has 11"),
        ({"definitions": [make_part("a")], "ParameterRanges": RANGES}, "ParameterRanges is for a single"),
        (
            {"definitions": [make_part("a")], "TrainingJobEarlyStoppingType": "Auto"},
            "must be Off for a tuning job with",
        ),
        (
            {"definitions": [make_part(name, Environment={f"V{i}": "" for i in range(25)}) for name in "ab"]},
            "set 50 environment variables; all together may set at most 48",
        ),
    ],
)
def test_several_definitions_have_rules_of_their_own(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(InvalidRequest, match=fault):
        parse(**changes)


def test_definitions_share_48_environment_variables() -> None:
    parts = [make_part(name, Environment={f"V{i}": "" for i in range(24)}) for name in "ab"]
    assert len(parse(definitions=parts).definitions) == 2


def test_empty_job_level_ranges_do_not_disturb_several_definitions() -> None:
    assert parse(definitions=[make_part("a")], ParameterRanges={}).is_multiple


TOO_FEW = (
    r"You don't have enough combinations of hyperparameter ranges. The total number of hyperparameter combinations for "
    r"the provided ranges \[3.0\] must be equal or greater than the value of MaxNumberOfJobs, \[10\]. "
    r"Provide additional ranges."
)


def test_a_budget_beyond_the_number_of_combinations_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=TOO_FEW):
        parse(ranges=categories(c=["a", "b", "c"]), limits=jobs(10))
    assert parse(ranges=categories(c=["a", "b", "c"]), limits=jobs(3)).limits.total == 3


@pytest.mark.parametrize("total", [None, 6])
def test_grid_counts_its_combinations(total: int | None) -> None:
    ranges = categories(c=["a", "b", "c"], d=["x", "y"])
    assert parse(Strategy="Grid", ranges=ranges, limits=jobs(total)).limits.total == 6


def test_grid_over_several_definitions_counts_them_together() -> None:
    definitions = [
        make_part("a", ranges=categories(c=["a", "b"])),
        make_part("b", ranges=categories(c=["a", "b", "c"])),
    ]
    assert parse(Strategy="Grid", definitions=definitions, limits=jobs(None)).limits.total == 5


@pytest.mark.parametrize(
    ("ranges", "total", "fault"),
    [
        (whole("1", "3"), None, r"takes categorical ranges only, but \['n'\] are numeric"),
        (RANGES, None, r"takes categorical ranges only, but \['depth', 'lr'\] are numeric"),
        (categories(c=["a", "b"]), 1, "MaxNumberOfTrainingJobs is 1, but the Grid strategy runs all 2 combinations"),
    ],
)
def test_grid_runs_every_combination_of_categories(ranges: dict[str, Any], total: int | None, fault: str) -> None:
    with pytest.raises(InvalidRequest, match=fault):
        parse(Strategy="Grid", ranges=ranges, limits=jobs(total))


def hyperband(least: int | None = None, most: int | None = None, **static: str) -> TuningSpec:
    config = {"HyperbandStrategyConfig": {"MinResource": least, "MaxResource": most}}
    definition = make_definition(StaticHyperParameters=static)
    return parse(Strategy="Hyperband", StrategyConfig=config, definition=definition)


@pytest.mark.parametrize(
    ("spec", "resources"),
    [
        (lambda: hyperband(2, 9), (2, 9)),
        (lambda: hyperband(9, 9), (9, 9)),
        (lambda: hyperband(None, 9, epochs="3"), (1, 9)),
        (lambda: hyperband(epochs="30"), (1, 30)),
        (lambda: hyperband(3, **{"n-epochs": '"12"'}), (3, 12)),
        (lambda: parse(Strategy="Hyperband"), (1, 10)),
        (lambda: parse(), None),
    ],
)
def test_hyperband_finds_its_resources(spec: Any, resources: tuple[int, int] | None) -> None:
    assert spec().resources == resources


@pytest.mark.parametrize(
    ("least", "most", "static", "fault"),
    [
        (1, None, {}, "MaxResource parameter is not provided and could not be inferred from provided static"),
        (1, None, {"epochs": "many"}, "named epochs, numepochs, n-epochs, n_epochs, num_epochs with a whole number"),
        (5, 4, {}, "MinResource must not be above MaxResource, but 5 > 4"),
        (0, 4, {}, "MinResource must be from 1 to 20000, but is 0"),
        (1, 20_001, {}, "MaxResource must be from 1 to 20000"),
    ],
)
def test_hyperband_needs_resources_that_make_sense(
    least: int, most: int | None, static: dict[str, str], fault: str
) -> None:
    with pytest.raises(InvalidRequest, match=fault):
        hyperband(least, most, **static)


def test_hyperband_stops_training_jobs_by_itself() -> None:
    with pytest.raises(InvalidRequest, match="must be Off with the Hyperband strategy"):
        parse(Strategy="Hyperband", TrainingJobEarlyStoppingType="Auto")


@pytest.mark.parametrize(
    ("strategy", "limits", "fault"),
    [
        ("Bayesian", jobs(751), "'Maximum training jobs per tuning job' is 750 Training Jobs.*delta of 751"),
        ("Random", jobs(10_001), "is 10000 Training Jobs"),
        ("Random", jobs(parallel=101), "'Maximum parallel training jobs per tuning job' is 100"),
        ("Random", jobs(MaxRuntimeInSeconds=2_592_001), "'Maximum run time of a tuning job' is 2592000 Seconds"),
    ],
)
def test_a_quota_is_not_passed(strategy: str, limits: dict[str, Any], fault: str) -> None:
    with pytest.raises(LimitExceeded, match=fault):
        parse(Strategy=strategy, limits=limits)


@pytest.mark.parametrize(
    ("strategy", "limits"),
    [("Bayesian", jobs(750, 100)), ("Random", jobs(10_000)), ("Random", jobs(1, MaxRuntimeInSeconds=2_592_000))],
)
def test_a_quota_may_be_used_up(strategy: str, limits: dict[str, Any]) -> None:
    assert parse(Strategy=strategy, limits=limits).limits.total == limits["MaxNumberOfTrainingJobs"]


def test_a_grid_beyond_all_bounds_passes_the_quota() -> None:
    with pytest.raises(LimitExceeded, match="Training Jobs"):
        parse(
            Strategy="Grid",
            ranges=categories(**{f"c{i}": [str(j) for j in range(30)] for i in range(30)}),
            limits=jobs(None),
        )


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for key, item in items for deeper in _paths(item, (*path, key)))]


def _replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    changed = copy.copy(value)
    changed[path[0]] = _replaced(value[path[0]], path[1:], new)
    return changed


FULL = make_request(
    parents=("one",),
    RandomSeed=1,
    TuningJobCompletionCriteria={
        "TargetObjectiveMetricValue": 1,
        "BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 5},
        "ConvergenceDetected": {"CompleteOnConvergence": "Enabled"},
    },
    top={"Tags": [{"Key": "team", "Value": "a"}]},
)
AUTO = make_request(
    ranges={**RANGES, "AutoParameters": [{"Name": "a", "ValueHint": "1"}]}, top={"Autotune": {"Mode": "Enabled"}}
)
SEVERAL = make_request(definitions=[make_part("a")], top={"Autotune": {"Mode": "Enabled"}})
odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | st.just("x" * 5000),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from([FULL, AUTO, SEVERAL]), st.data())
def test_whatever_a_request_holds_it_is_read_or_refused(request: dict[str, Any], data: Any) -> None:
    broken = _replaced(request, data.draw(st.sampled_from(_paths(request))), data.draw(odd))
    with suppress(RequestRefused):  # anything else than a refusal is a fault
        assert parse_request(broken, image_metrics=custom).definitions
