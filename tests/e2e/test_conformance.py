"""What is known of SageMaker's own behaviour, one line of the checklist after the other, through unmodified boto3."""

import copy
import re
import struct
from typing import Any

import pytest

from tests.driving import Driver, refusal
from tests.serving import RawClient

NAME_RULE = "Member must satisfy regular expression pattern: ^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,31}"
TEXT_7 = (
    "You don't have enough combinations of hyperparameter ranges. The total number of hyperparameter combinations for "
    "the provided ranges [3.0] must be equal or greater than the value of MaxNumberOfJobs, [10]. Provide additional "
    "ranges."
)
TEXT_8 = (
    "The set of tunable plus static HyperParameter names is not the same across current and parent tuning jobs. Please "
    "ensure this set is constant when warm starting."
)
TEXT_9 = (
    "Only the following fields in TrainingJobDefinition are allowed to change: [algorithmSpecification, inputDataConfig"
)
EPOCHS = 'for epoch in range(3): print(f"score={args.x + epoch}", flush=True); time.sleep(0.01)'


def single(value: float) -> float:
    """Return a number as single precision holds it."""
    return struct.unpack("f", struct.pack("f", value))[0]


def ranges(**kinds: list[dict[str, Any]]) -> dict[str, Any]:
    return {"ParameterRanges": {f"{kind}ParameterRanges": members for kind, members in kinds.items()}}


def category(name: str, count: int) -> dict[str, Any]:
    return {"Name": name, "Values": [str(number) for number in range(count)]}


def number(name: str, low: str = "0", high: str = "1", **more: str) -> dict[str, Any]:
    return {"Name": name, "MinValue": low, "MaxValue": high, **more}


def configured(request: dict[str, Any], **config: Any) -> dict[str, Any]:
    return request | {"HyperParameterTuningJobConfig": request["HyperParameterTuningJobConfig"] | config}


def limits_of(*, jobs: int, parallel: int = 1) -> dict[str, int]:
    return {"MaxNumberOfTrainingJobs": jobs, "MaxParallelTrainingJobs": parallel}


def refused(tuning: Driver, request: dict[str, Any]) -> tuple[str, str]:
    return refusal(tuning.client.create_hyper_parameter_tuning_job, **request)


def check_refused(tuning: Driver, request: dict[str, Any], text: str, *, code: str = "ValidationException") -> None:
    got, message = refused(tuning, request)
    assert got == code, message
    assert text in message


def check_accepted(tuning: Driver, request: dict[str, Any]) -> dict[str, Any]:
    return tuning.describe(tuning.create(request))


# 1. names
@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("a" * 33, "Member must have length less than or equal to 32"),
        ("a_b", NAME_RULE),
        ("-a", NAME_RULE),
        ("a-", NAME_RULE),
    ],
)
def test_01_a_bad_name_is_refused_in_the_words_of_aws(tuning: Driver, name: str, rule: str) -> None:
    text = (
        f"1 validation error detected: Value '{name}' at 'hyperParameterTuningJobName' failed to satisfy constraint: "
    )
    check_refused(tuning, tuning.request(name=name), text + rule)


# 2. taken names
def test_02_a_taken_name_is_in_use_whatever_its_job_does_and_is_the_last_thing_checked(tuning: Driver) -> None:
    request = tuning.request("time.sleep(60)")
    name = tuning.create(request)
    text = f"A hyperparameter tuning job with the name, {name}, already exists. Choose a different name."
    assert refused(tuning, request) == ("ResourceInUse", text)
    tuning.client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    tuning.ended(name)
    assert refused(tuning, request) == ("ResourceInUse", text)
    check_refused(tuning, configured(request, Strategy="Guess"), "Member must satisfy enum value set")
    wrong = configured(request, **ranges(Integer=[number("x", "5", "1")]))
    assert refused(tuning, wrong)[0] == "ValidationException"


# 3. forms of the definition
def test_03_exactly_one_form_of_definition_is_accepted(tuning: Driver) -> None:
    request = tuning.request()
    definition = request.pop("TrainingJobDefinition")
    check_refused(tuning, request, "TrainingJobDefinition")
    named = definition | {
        "DefinitionName": "one",
        "TuningObjective": {"Type": "Maximize", "MetricName": "score"},
        "HyperParameterRanges": {"ContinuousParameterRanges": [number("x")]},
    }
    both = request | {"TrainingJobDefinition": definition, "TrainingJobDefinitions": [named]}
    check_refused(tuning, both, "TrainingJobDefinition")


# 4. how many tunables and values
def test_04_thirty_tunables_are_the_most(tuning: Driver) -> None:
    request = tuning.request("time.sleep(60)")
    tunables = [number(f"h{index}") for index in range(16)]
    more = [number(f"i{index}", "1", "9") for index in range(15)]
    code, _ = refused(tuning, configured(request, **ranges(Continuous=tunables, Integer=more)))
    assert code in ("ValidationException", "ResourceLimitExceeded")
    check_accepted(tuning, configured(request, **ranges(Continuous=tunables, Integer=more[:14])))


def test_04_thirty_values_of_a_category_are_the_most(tuning: Driver) -> None:
    request = tuning.request("time.sleep(60)")
    check_refused(tuning, configured(request, **ranges(Categorical=[category("c", 31)])), "less than or equal to 30")
    check_accepted(tuning, configured(request, **ranges(Categorical=[category("c", 30)])))


# 5. objective without metric definition
def test_05_a_custom_image_needs_a_metric_definition_of_the_objective(tuning: Driver) -> None:
    request = tuning.request()
    request["TrainingJobDefinition"]["AlgorithmSpecification"]["MetricDefinitions"][0]["Name"] = "other"
    text = (
        "A metric is required for this hyperparameter tuning job objective. Provide a metric in the metric definitions."
    )
    check_refused(tuning, request, text)


# 6. finite spaces
def test_06_a_space_with_fewer_combinations_than_training_jobs_is_refused(tuning: Driver) -> None:
    request = tuning.request(static={"x": "1"})
    three = ranges(Categorical=[category("c", 3)])
    limits = {"MaxNumberOfTrainingJobs": 10, "MaxParallelTrainingJobs": 1}
    check_refused(tuning, configured(request, ResourceLimits=limits, **three), TEXT_7)
    described = tuning.run(configured(request, ResourceLimits=limits | {"MaxNumberOfTrainingJobs": 3}, **three))
    assert described["HyperParameterTuningJobStatus"] == "Completed"
    tuned = [child["TunedHyperParameters"]["c"] for child in tuning.children(described["HyperParameterTuningJobName"])]
    assert sorted(tuned) == ["0", "1", "2"]


# 7. Grid
def test_07_grid_takes_categories_only(tuning: Driver) -> None:
    request = configured(tuning.request(), Strategy="Grid", **ranges(Integer=[number("x", "1", "3")]))
    assert refused(tuning, request)[0] == "ValidationException"


def test_07_grid_infers_its_number_of_training_jobs_and_checks_a_given_one(tuning: Driver) -> None:
    grid = ranges(Categorical=[category("c", 2), category("d", 3)])
    request = configured(
        tuning.request("time.sleep(60)"), Strategy="Grid", ResourceLimits={"MaxParallelTrainingJobs": 1}, **grid
    )
    described = check_accepted(tuning, request)
    assert described["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxNumberOfTrainingJobs"] == 6
    wrong = {"MaxParallelTrainingJobs": 1, "MaxNumberOfTrainingJobs": 5}
    assert refused(tuning, configured(request, ResourceLimits=wrong))[0] == "ValidationException"


# 8. Hyperband
def test_08_hyperband_needs_to_know_its_largest_resource(tuning: Driver) -> None:
    text = "MaxResource parameter is not provided and could not be inferred from provided static hyperparameters"
    check_refused(tuning, configured(tuning.request(EPOCHS), Strategy="Hyperband"), text)
    request = configured(tuning.request(EPOCHS, static={"epochs": "3"}), Strategy="Hyperband")
    assert refused(tuning, configured(request, TrainingJobEarlyStoppingType="Auto"))[0] == "ValidationException"
    assert tuning.run(request)["HyperParameterTuningJobStatus"] == "Completed"


# 9. scaling
@pytest.mark.parametrize(
    "space",
    [
        ranges(Continuous=[number("x", "0", "1", ScalingType="Logarithmic")]),
        ranges(Integer=[number("x", "1", "9", ScalingType="ReverseLogarithmic")]),
        ranges(Continuous=[number("x", "0", "1.0", ScalingType="ReverseLogarithmic")]),
    ],
)
def test_09_a_scaling_that_the_range_does_not_allow_is_refused(tuning: Driver, space: dict[str, Any]) -> None:
    assert refused(tuning, configured(tuning.request(), **space))[0] == "ValidationException"


# 10. bounds of the shapes
@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"ResourceLimits": limits_of(jobs=3) | {"MaxRuntimeInSeconds": 119}}, "value greater than or equal to 120"),
        (
            {"TuningJobCompletionCriteria": {"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 2}}},
            "value greater than or equal to 3",
        ),
    ],
)
def test_10_limits_below_their_minimum_are_refused(tuning: Driver, raw: RawClient, config: Any, text: str) -> None:
    reply = raw.call("CreateHyperParameterTuningJob", configured(tuning.request(), **config))
    assert reply.code == "ValidationException"
    assert text in reply.message


# 11. a fresh job
def test_11_a_fresh_job_is_in_progress_with_whole_counters_and_no_best(tuning: Driver) -> None:
    described = check_accepted(tuning, tuning.request("time.sleep(60)"))
    assert described["HyperParameterTuningJobStatus"] == "InProgress"
    assert described["TrainingJobStatusCounters"].keys() == {
        "Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped"
    }  # fmt: skip
    assert described["ObjectiveStatusCounters"].keys() == {"Succeeded", "Pending", "Failed"}
    assert described["TrainingJobStatusCounters"]["Completed"] == 0
    assert described["LastModifiedTime"] >= described["CreationTime"]
    assert "BestTrainingJob" not in described
    assert "HyperParameterTuningEndTime" not in described


# 12. what the service adds
def test_12_describe_shows_what_the_service_adds(tuning: Driver) -> None:
    definition = check_accepted(tuning, tuning.request("time.sleep(60)"))["TrainingJobDefinition"]
    assert definition["StaticHyperParameters"]["_tuning_objective_metric"] == "score"
    assert definition["AlgorithmSpecification"]["MetricDefinitions"][-1] == {
        "Name": "ObjectiveMetric",
        "Regex": "score=([-+.e0-9]+)",
    }


# 13. names of training jobs
def test_13_training_jobs_are_named_after_their_tuning_job_and_numbered_from_one(tuning: Driver) -> None:
    name = tuning.run(tuning.request())["HyperParameterTuningJobName"]
    names = [child["TrainingJobName"] for child in tuning.children(name)]
    assert all(re.fullmatch(rf"{name}-\d{{3}}-[0-9a-f]{{8}}", child) for child in names)
    assert [child.split("-")[-2] for child in names] == ["001", "002", "003"]


# 14. best and overall best
def test_14_best_and_overall_best(tuning: Driver) -> None:
    body = 'print(f"score={args.x}")'
    parent = tuning.run(configured(tuning.request(body), **ranges(Continuous=[number("x", "10", "11")])))
    parent_name, code = parent["HyperParameterTuningJobName"], parent["TrainingJobDefinition"]["StaticHyperParameters"]
    static = {name: value for name, value in code.items() if not name.startswith("_")}
    assert "OverallBestTrainingJob" not in parent
    assert "TuningJobName" not in parent["BestTrainingJob"]
    for kind, has_overall in [("IdenticalDataAndAlgorithm", True), ("TransferLearning", False)]:
        request = tuning.request(body, static=static, WarmStartConfig=warm_start(parent_name, kind=kind))
        child = tuning.run(request)
        assert "TuningJobName" not in child["BestTrainingJob"]
        assert ("OverallBestTrainingJob" in child) == has_overall
        if has_overall:
            assert child["OverallBestTrainingJob"] == parent["BestTrainingJob"] | {"TuningJobName": parent_name}


def warm_start(*parents: str, kind: str = "TransferLearning") -> dict[str, Any]:
    listed = [{"HyperParameterTuningJobName": parent} for parent in parents]
    return {"ParentHyperParameterTuningJobs": listed, "WarmStartType": kind}


# 15. the last value counts
def test_15_the_objective_is_the_last_value_in_single_precision(tuning: Driver) -> None:
    described = tuning.run(tuning.request('print("score=5"); print("score=0.1"); print("other=9")'))
    best = described["BestTrainingJob"]
    assert best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == single(0.1)
    assert best["TrainingJobName"] == tuning.children(described["HyperParameterTuningJobName"])[0]["TrainingJobName"]


# 16. one failure
def test_16_one_failure_among_successes_does_not_fail_the_job(tuning: Driver) -> None:
    described = tuning.run(tuning.request('sys.exit("broken") if "-002-" in job else print("score=1")'))
    assert described["HyperParameterTuningJobStatus"] == "Completed"
    assert described["TrainingJobStatusCounters"]["NonRetryableError"] == 1
    assert described["ObjectiveStatusCounters"] == {"Succeeded": 2, "Pending": 0, "Failed": 1}
    second = tuning.children(described["HyperParameterTuningJobName"])[1]
    assert (second["TrainingJobStatus"], second["ObjectiveStatus"]) == ("Failed", "Failed")
    assert second["FailureReason"].startswith("AlgorithmError: ")


# 17. nothing but failures
def test_17_five_failures_at_the_start_fail_the_job(tuning: Driver) -> None:
    limits = {"MaxNumberOfTrainingJobs": 20, "MaxParallelTrainingJobs": 1}
    described = tuning.run(configured(tuning.request('sys.exit("broken")'), ResourceLimits=limits))
    assert described["HyperParameterTuningJobStatus"] == "Failed"
    assert described["FailureReason"] == (
        "No training job succeeded after 5 attempts. For additional details, please take a look at the training job "
        "failures by listing training jobs for the hyperparameter tuning job."
    )
    assert described["TrainingJobStatusCounters"]["NonRetryableError"] == 5


# 18. no metric
def test_18_a_training_job_without_a_metric_is_completed_with_a_failed_objective(tuning: Driver) -> None:
    described = tuning.run(tuning.request('print("score=none") if "-001-" in job else print("score=1")'))
    first = tuning.children(described["HyperParameterTuningJobName"])[0]
    assert (first["TrainingJobStatus"], first["ObjectiveStatus"]) == ("Completed", "Failed")
    assert "FinalHyperParameterTuningJobObjectiveMetric" not in first
    assert described["ObjectiveStatusCounters"] == {"Succeeded": 2, "Pending": 0, "Failed": 1}


# 19. stop
def test_19_stop_goes_through_stopping_to_stopped(tuning: Driver) -> None:
    name = tuning.create(tuning.request("time.sleep(60)"))
    tuning.seen(name, lambda job: job["TrainingJobStatusCounters"]["InProgress"])
    tuning.client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    assert tuning.describe(name)["HyperParameterTuningJobStatus"] in ("Stopping", "Stopped")
    assert tuning.ended(name)["HyperParameterTuningJobStatus"] == "Stopped"
    assert [child["TrainingJobStatus"] for child in tuning.children(name)] == ["Stopped"]
    code, text = refusal(tuning.client.stop_hyper_parameter_tuning_job, HyperParameterTuningJobName=name)
    assert (code, "already" in text) == ("ValidationException", True)


def test_19_stop_directly_after_create_reports_stopping(tuning: Driver) -> None:
    name = tuning.create(tuning.request("time.sleep(60)"))
    tuning.client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    assert tuning.describe(name)["HyperParameterTuningJobStatus"] in ("Stopping", "Stopped")


# 20. delete
def test_20_only_an_ended_job_can_be_deleted_and_its_training_jobs_stay(tuning: Driver) -> None:
    name = tuning.create(tuning.request("time.sleep(60)"))
    code, text = refusal(tuning.client.delete_hyper_parameter_tuning_job, HyperParameterTuningJobName=name)
    assert (code, "not in a terminal state" in text) == ("ValidationException", True)
    tuning.seen(name, lambda job: job["TrainingJobStatusCounters"]["InProgress"])
    tuning.client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    tuning.ended(name)
    (child,) = tuning.children(name)
    tuning.client.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    assert (
        refusal(tuning.client.describe_hyper_parameter_tuning_job, HyperParameterTuningJobName=name)[0]
        == "ResourceNotFound"
    )
    assert (
        refusal(tuning.client.delete_hyper_parameter_tuning_job, HyperParameterTuningJobName=name)[0]
        == "ResourceNotFound"
    )
    assert tuning.training(child["TrainingJobName"])["TuningJobArn"].endswith(f"/{name}")


# 21. unknown names
def test_21_unknown_names_have_their_own_codes_and_texts(tuning: Driver) -> None:
    describe = tuning.client.describe_hyper_parameter_tuning_job
    text = "Amazon SageMaker can't find a tuning job called nowhere. Type another name."
    assert refusal(describe, HyperParameterTuningJobName="nowhere") == ("ResourceNotFound", text)
    expected = ("ValidationException", "Requested resource not found.")
    assert refusal(tuning.client.describe_training_job, TrainingJobName="nowhere") == expected


# 22. lists
def test_22_lists_come_in_pages_of_ten(tuning: Driver) -> None:
    name = tuning.run(configured(tuning.request(), ResourceLimits=limits_of(jobs=11, parallel=2)))[
        "HyperParameterTuningJobName"
    ]
    page = tuning.client.list_training_jobs_for_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    assert len(page["TrainingJobSummaries"]) == 10
    assert "NextToken" in page
    for _ in range(11):
        tuning.create(tuning.request("time.sleep(60)"))
    page = tuning.client.list_hyper_parameter_tuning_jobs()
    assert len(page["HyperParameterTuningJobSummaries"]) == 10
    assert "NextToken" in page
    assert len(tuning.children(name)) == 11


def test_22_sorting_by_objective_leaves_out_training_jobs_without_one(tuning: Driver) -> None:
    body = 'print("no score") if "-002-" in job else print(f"score={args.x}")'
    name = tuning.run(tuning.request(body))["HyperParameterTuningJobName"]
    best_first = tuning.children(name, SortBy="FinalObjectiveMetricValue", SortOrder="Descending")
    scores = [child["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for child in best_first]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 2


# 23. warm start
@pytest.fixture(scope="module")
def family(hpt_local_service: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Driver, dict[str, Any]]:
    """Give a finished parent and the request that it was made from."""
    driver = Driver(hpt_local_service.client(), tmp_path_factory.mktemp("family"))
    request = driver.request(static={f"s{index}": "1" for index in range(11)} | {"color": "red"})
    driver.run(request)
    return driver, request


def child_of(family: tuple[Driver, dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """Return a request like the parent's, under a new name, warm-started from it."""
    driver, request = family
    parent = request["HyperParameterTuningJobName"]
    fresh = {"HyperParameterTuningJobName": driver.request()["HyperParameterTuningJobName"]}
    return copy.deepcopy(request) | fresh | {"WarmStartConfig": warm_start(parent)} | changes


def test_23_a_plain_child_is_accepted(family: tuple[Driver, dict[str, Any]]) -> None:
    assert family[0].run(child_of(family))["HyperParameterTuningJobStatus"] == "Completed"


def test_23_an_unknown_parent_is_refused(family: tuple[Driver, dict[str, Any]]) -> None:
    assert refused(family[0], child_of(family, WarmStartConfig=warm_start("nowhere")))[0] in (
        "ValidationException",
        "ResourceNotFound",
    )


def test_23_a_running_parent_is_refused(family: tuple[Driver, dict[str, Any]], tuning: Driver) -> None:
    running = tuning.create(tuning.request("time.sleep(60)"))
    assert refused(tuning, child_of(family, WarmStartConfig=warm_start(running)))[0] == "ValidationException"


def test_23_a_sixth_parent_is_refused(family: tuple[Driver, dict[str, Any]]) -> None:
    parents = [f"p{index}" for index in range(6)]
    check_refused(family[0], child_of(family, WarmStartConfig=warm_start(*parents)), "less than or equal to 5")


def test_23_another_objective_is_refused(family: tuple[Driver, dict[str, Any]]) -> None:
    request = child_of(family)
    request["TrainingJobDefinition"]["AlgorithmSpecification"]["MetricDefinitions"][0]["Name"] = "other"
    objective = {"Type": "Maximize", "MetricName": "other"}
    assert (
        refused(family[0], configured(request, HyperParameterTuningJobObjective=objective))[0] == "ValidationException"
    )


def test_23_another_set_of_names_is_refused(family: tuple[Driver, dict[str, Any]]) -> None:
    request = child_of(family)
    request["TrainingJobDefinition"]["StaticHyperParameters"]["new"] = "1"
    check_refused(family[0], request, TEXT_8)


def test_23_another_kind_of_a_tunable_is_refused(family: tuple[Driver, dict[str, Any]]) -> None:
    request = configured(child_of(family), **ranges(Integer=[number("x", "1", "50")]))
    assert refused(family[0], request)[0] == "ValidationException"


@pytest.mark.parametrize(("count", "is_refused"), [(10, False), (11, True)])
def test_23_more_than_ten_changes_are_refused(
    family: tuple[Driver, dict[str, Any]], count: int, is_refused: bool
) -> None:
    request = child_of(family)
    request["TrainingJobDefinition"]["StaticHyperParameters"].update({f"s{index}": "2" for index in range(count)})
    if is_refused:
        assert refused(family[0], request)[0] == "ValidationException"
    else:
        family[0].create(request)


def test_23_another_environment_is_refused(family: tuple[Driver, dict[str, Any]]) -> None:
    request = child_of(family)
    request["TrainingJobDefinition"]["Environment"] = {"A": "1"}
    check_refused(family[0], request, TEXT_9)


def test_23_several_definitions_cannot_be_warm_started(family: tuple[Driver, dict[str, Any]]) -> None:
    request = child_of(family)
    config = request["HyperParameterTuningJobConfig"]
    named = request.pop("TrainingJobDefinition") | {
        "DefinitionName": "one",
        "TuningObjective": config.pop("HyperParameterTuningJobObjective"),
        "HyperParameterRanges": config.pop("ParameterRanges"),
    }
    assert refused(family[0], request | {"TrainingJobDefinitions": [named]})[0] == "ValidationException"


def test_23_failed_and_stopped_parents_are_accepted(tuning: Driver) -> None:
    request = configured(tuning.request('sys.exit("broken")'), ResourceLimits=limits_of(jobs=2))
    failed = tuning.run(request)
    assert failed["HyperParameterTuningJobStatus"] == "Failed"
    stopped = tuning.create(
        request | {"HyperParameterTuningJobName": f"{failed['HyperParameterTuningJobName']}-stopped"}
    )
    tuning.client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=stopped)
    tuning.ended(stopped)
    child = request | {
        "HyperParameterTuningJobName": f"{failed['HyperParameterTuningJobName']}-child",
        "WarmStartConfig": warm_start(failed["HyperParameterTuningJobName"], stopped),
    }
    check_accepted(tuning, child)


# 24. what a change costs
def test_24_a_category_that_becomes_static_costs_its_values(tuning: Driver) -> None:
    static = {f"s{index}": "1" for index in range(9)}
    colours = [{"Name": "color", "Values": ["red", "blue"]}]
    base = tuning.request(static=static)
    tuning.run(configured(base, **ranges(Continuous=[number("x")], Categorical=colours)))
    check_cost(tuning, base, colour="red", paid=2)


def test_24_a_static_category_that_changes_costs_two(tuning: Driver) -> None:
    base = tuning.request(static={f"s{index}": "1" for index in range(9)} | {"color": "red"})
    tuning.run(base)
    check_cost(tuning, base, colour="blue", paid=2)


def check_cost(tuning: Driver, parent: dict[str, Any], *, colour: str, paid: int) -> None:
    """See that a change of `color` leaves room for exactly 10 - `paid` other changes."""
    for others, is_refused in [(10 - paid, False), (11 - paid, True)]:
        request = copy.deepcopy(parent)
        request["HyperParameterTuningJobName"] += f"-{others}"
        request["WarmStartConfig"] = warm_start(parent["HyperParameterTuningJobName"])
        changed = {"color": colour} | {f"s{index}": "2" for index in range(others)}
        request["TrainingJobDefinition"]["StaticHyperParameters"].update(changed)
        if is_refused:
            assert refused(tuning, request)[0] == "ValidationException"
        else:
            tuning.create(request)


# 25. tags
def test_25_tags_are_copied_to_training_jobs(tuning: Driver) -> None:
    tags = [{"Key": "team", "Value": "risk"}, {"Key": "empty", "Value": ""}]
    name = tuning.run(tuning.request(Tags=tags))["HyperParameterTuningJobName"]
    for child in tuning.children(name):
        listed = tuning.client.list_tags(ResourceArn=child["TrainingJobArn"])["Tags"]
        assert sorted(listed, key=lambda tag: tag["Key"]) == sorted(tags, key=lambda tag: tag["Key"])


# 26. target
def test_26_a_met_target_ends_the_job_and_its_running_training_jobs(tuning: Driver) -> None:
    body = 'print("score=1") if "-001-" in job else time.sleep(60)'
    criteria = {"TargetObjectiveMetricValue": 0.9}
    limits = limits_of(jobs=20, parallel=2)
    described = tuning.run(
        configured(tuning.request(body), ResourceLimits=limits, TuningJobCompletionCriteria=criteria)
    )
    assert described["HyperParameterTuningJobStatus"] == "Completed"
    assert described["TrainingJobStatusCounters"]["InProgress"] == 0
    assert sum(described["TrainingJobStatusCounters"].values()) <= 3


# 27. seeds
def test_27_the_same_seed_gives_the_same_random_configurations_in_order(tuning: Driver) -> None:
    tuned = []
    for parallel in (1, 3):
        request = configured(tuning.request(), ResourceLimits=limits_of(jobs=5, parallel=parallel), RandomSeed=7)
        name = tuning.run(request)["HyperParameterTuningJobName"]
        tuned.append([child["TunedHyperParameters"] for child in tuning.children(name)])
    assert tuned[0] == tuned[1]
    assert len({child["x"] for child in tuned[0]}) == 5


# 28. quotas
@pytest.mark.parametrize(
    ("strategy", "jobs", "parallel"), [("Bayesian", 751, 1), ("Random", 10_001, 1), ("Random", 9, 101)]
)
def test_28_quotas_are_enforced(tuning: Driver, strategy: str, jobs: int, parallel: int) -> None:
    limits = limits_of(jobs=jobs, parallel=parallel)
    request = configured(tuning.request(), ResourceLimits=limits, Strategy=strategy)
    code, text = refused(tuning, request)
    assert code in ("ResourceLimitExceeded", "ValidationException")
    assert str(max(limits.values())) in text
