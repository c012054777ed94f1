"""Operations on tuning jobs, training jobs and tags: what they refuse, in which order, and what they show."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_hpt.errors import AlreadyExists, InvalidRequest, LimitExceeded, NotFound
from airflow_hpt.local.runner.base import Ending, Launch
from airflow_hpt.local.service.operations import Operations
from tests.local.fakes import REGION, START, Bench, Script
from tests.requests import make_training_definition, make_tuning_config, make_tuning_request

ARN = f"arn:aws:sagemaker:{REGION}:000000000000:hyper-parameter-tuning-job/digits"


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(**facts: Any) -> Bench:
        made.append(Bench(tmp_path, **facts))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench()


def create(bench: Bench, name: str = "digits", *, top: dict[str, Any] | None = None, **config: Any) -> Any:
    request = make_tuning_request(name, HyperParameterTuningJobConfig=make_tuning_config(**config), **(top or {}))
    return bench.operations.call("CreateHyperParameterTuningJob", request)


def warm(*parents: str, kind: str = "IdenticalDataAndAlgorithm") -> dict[str, Any]:
    listed = [{"HyperParameterTuningJobName": parent} for parent in parents]
    return {"WarmStartConfig": {"ParentHyperParameterTuningJobs": listed, "WarmStartType": kind}}


def scores(**by_tuning_job: list[str]) -> Callable[[Launch], Script]:
    """Script training jobs of each tuning job with the scores they print; "fail" fails, "none" prints nothing."""

    def script(launch: Launch) -> Script:
        score = by_tuning_job[launch.tuning_job][int(launch.name.split("-")[-2]) - 1]
        if score == "fail":
            return Script(("score=9",), ending=Ending.FAILED, failure_reason="AlgorithmError: " + "x" * 2000)
        return Script(() if score == "none" else (f"score={score}",))

    return script


class TestCreate:
    def test_answers_with_the_arn(self, bench: Bench) -> None:
        assert create(bench) == {"HyperParameterTuningJobArn": ARN}

    def test_draws_a_seed_when_none_is_given(self, bench: Bench) -> None:
        config = make_tuning_config()
        del config["RandomSeed"]
        for name in ("first", "second"):
            bench.call(
                "CreateHyperParameterTuningJob", **make_tuning_request(name, HyperParameterTuningJobConfig=config)
            )
        assert bench.job("first").seed != bench.job("second").seed

    def test_checks_in_the_order_of_sagemaker(self, bench: Bench) -> None:
        """Rules come first, then parents, what can run here, the quota, and the name at last."""
        unrunnable, full = "this image cannot run here", 0

        def refuse(definition: Any) -> None:
            raise InvalidRequest(unrunnable)

        create(bench)
        context = bench.operations._context
        faulty = {"jobs": 0, "top": warm("nobody")}
        cases = [
            (context, faulty, InvalidRequest, "MaxNumberOfTrainingJobs"),
            (replace(context, admit=refuse, tuning_jobs_limit=full), {"top": warm("nobody")}, InvalidRequest, "nobody"),
            (replace(context, admit=refuse, tuning_jobs_limit=full), {}, InvalidRequest, unrunnable),
            (replace(context, tuning_jobs_limit=full), {}, LimitExceeded, "request delta of 1"),
            (context, {}, AlreadyExists, "already exists"),
        ]
        for changed, facts, error, words in cases:
            bench.operations = Operations(changed)
            with pytest.raises(error, match=words):
                create(bench, **facts)

    def test_a_refused_request_leaves_nothing(self, bench: Bench) -> None:
        with pytest.raises(InvalidRequest, match="nobody"):
            create(bench, top=warm("nobody"))
        assert bench.store.tuning_jobs.all() == []

    def test_a_deleted_job_is_no_parent_and_its_name_is_free(self, bench: Bench) -> None:
        create(bench, jobs=1)
        bench.run()
        bench.call("DeleteHyperParameterTuningJob", HyperParameterTuningJobName="digits")
        with pytest.raises(InvalidRequest, match="can't find a tuning job called digits"):
            create(bench, "child", top=warm("digits"))
        create(bench, jobs=1)
        bench.run()
        assert len(bench.trainings()) == 1
        assert len(bench.call("ListTrainingJobs")["TrainingJobSummaries"]) == 2


class TestDescribe:
    def test_an_unknown_job_is_not_found_in_the_words_of_sagemaker(self, bench: Bench) -> None:
        with pytest.raises(
            NotFound, match=r"Amazon SageMaker can't find a tuning job called digits\. Type another name\."
        ):
            bench.describe()

    def test_counts_best_and_times(self, make_bench: Callable[..., Bench]) -> None:
        bench = make_bench(script=scores(digits=["0.5", "fail", "none", "0.75"]))
        create(bench, jobs=4)
        bench.run()
        shown = bench.describe()
        assert shown["TrainingJobStatusCounters"] == {
            "Completed": 3,
            "InProgress": 0,
            "RetryableError": 0,
            "NonRetryableError": 1,
            "Stopped": 0,
        }
        assert shown["ObjectiveStatusCounters"] == {"Succeeded": 2, "Pending": 0, "Failed": 2}
        assert shown["HyperParameterTuningEndTime"] == shown["LastModifiedTime"] == bench.job().ended_at
        best = shown["BestTrainingJob"]
        assert best["TrainingJobName"] == bench.trainings()[3].name
        assert best["FinalHyperParameterTuningJobObjectiveMetric"] == {
            "Type": None,
            "MetricName": "score",
            "Value": 0.75,
        }
        assert "TuningJobName" not in best
        seconds = (bench.job().ended_at or START) - START
        assert shown["ConsumedResources"] == {"RuntimeInSeconds": int(seconds.total_seconds())}

    def test_the_run_time_grows_while_in_progress(self, bench: Bench) -> None:
        create(bench)
        bench.clock.advance(7.9)
        assert bench.describe()["ConsumedResources"] == {"RuntimeInSeconds": 7}

    @pytest.mark.parametrize(
        ("own", "parents", "owner"),
        [
            (["0.9"], {"a": ["0.5"], "b": ["0.7"]}, "child"),
            (["0.6"], {"a": ["0.5"], "b": ["0.7"]}, "b"),
            (["0.5"], {"a": ["0.5"], "b": ["fail"]}, "child"),
            (["none"], {"a": ["0.5"], "b": ["fail"]}, "a"),
            (["none"], {"a": ["none"], "b": ["fail"]}, None),
        ],
    )
    def test_the_overall_best_is_over_the_job_and_its_parents(
        self, make_bench: Callable[..., Bench], own: list[str], parents: dict[str, list[str]], owner: str | None
    ) -> None:
        bench = make_bench(script=scores(child=own, **parents))
        for name in parents:
            create(bench, name, jobs=1)
        bench.run()
        create(bench, "child", jobs=1, top=warm(*parents))
        bench.run()
        overall = bench.describe("child")["OverallBestTrainingJob"]
        assert (overall and overall["TuningJobName"]) == owner
        if owner:
            assert overall["TrainingJobName"] == bench.trainings(owner)[0].name

    def test_there_is_no_overall_best_in_transfer_learning(self, make_bench: Callable[..., Bench]) -> None:
        bench = make_bench(script=scores(child=["0.5"], parent=["0.9"]))
        create(bench, "parent", jobs=1)
        bench.run()
        create(bench, "child", jobs=1, top=warm("parent", kind="TransferLearning"))
        bench.run()
        assert bench.describe("child")["OverallBestTrainingJob"] is None

    def test_the_overall_best_survives_the_deletion_of_its_parent(self, make_bench: Callable[..., Bench]) -> None:
        bench = make_bench(script=scores(child=["0.5"], parent=["0.9"]))
        create(bench, "parent", jobs=1)
        bench.run()
        create(bench, "child", jobs=1, top=warm("parent"))
        bench.call("DeleteHyperParameterTuningJob", HyperParameterTuningJobName="parent")
        bench.run()
        assert bench.describe("child")["OverallBestTrainingJob"]["TuningJobName"] == "parent"

    def test_several_definitions_show_which_one_and_its_objective(self, make_bench: Callable[..., Bench]) -> None:
        bench = make_bench(script=lambda launch: Script(("score=0.5",)))
        config = make_tuning_config(jobs=4, parallel=2)
        objective, ranges = config.pop("HyperParameterTuningJobObjective"), config.pop("ParameterRanges")
        definitions = [
            make_training_definition(DefinitionName=name, TuningObjective=objective, HyperParameterRanges=ranges)
            for name in ("small", "large")
        ]
        request = make_tuning_request(HyperParameterTuningJobConfig=config, TrainingJobDefinitions=definitions)
        del request["TrainingJobDefinition"]
        bench.operations.call("CreateHyperParameterTuningJob", request)
        bench.run()
        best = bench.describe()["BestTrainingJob"]
        assert best["TrainingJobDefinitionName"] == "small"
        assert best["FinalHyperParameterTuningJobObjectiveMetric"]["Type"] == "Maximize"
        assert sorted(each.definition or "" for each in bench.trainings()) == ["large", "large", "small", "small"]


class TestStopAndDelete:
    @pytest.mark.parametrize("operation", ["StopHyperParameterTuningJob", "DeleteHyperParameterTuningJob"])
    def test_an_unknown_job_is_not_found(self, bench: Bench, operation: str) -> None:
        with pytest.raises(NotFound, match="can't find a tuning job called nobody"):
            bench.call(operation, HyperParameterTuningJobName="nobody")

    def test_stopping_twice_is_refused(self, bench: Bench) -> None:
        create(bench)
        bench.call("StopHyperParameterTuningJob", HyperParameterTuningJobName="digits")
        with pytest.raises(InvalidRequest, match="digits is already Stopping"):
            bench.call("StopHyperParameterTuningJob", HyperParameterTuningJobName="digits")

    def test_stopping_what_has_ended_is_refused(self, bench: Bench) -> None:
        create(bench, jobs=1)
        bench.run()
        with pytest.raises(InvalidRequest, match="digits is already Completed"):
            bench.call("StopHyperParameterTuningJob", HyperParameterTuningJobName="digits")

    @pytest.mark.parametrize("stop_first", [False, True])
    def test_only_what_has_ended_can_be_deleted(self, bench: Bench, stop_first: bool) -> None:
        create(bench)
        if stop_first:
            bench.call("StopHyperParameterTuningJob", HyperParameterTuningJobName="digits")
        with pytest.raises(InvalidRequest, match="digits is not in a terminal state"):
            bench.call("DeleteHyperParameterTuningJob", HyperParameterTuningJobName="digits")


class TestTrainingJobs:
    @pytest.mark.parametrize("operation", ["DescribeTrainingJob", "StopTrainingJob"])
    def test_an_unknown_one_is_a_validation_error_as_in_sagemaker(self, bench: Bench, operation: str) -> None:
        with pytest.raises(InvalidRequest, match=r"^Requested resource not found\.$"):
            bench.call(operation, TrainingJobName="nobody")

    def test_one_that_completed_is_described_in_full(self, make_bench: Callable[..., Bench]) -> None:
        bench = make_bench(script=scores(digits=["0.75"]))
        definition = make_training_definition(Environment={"A": "1"}, RetryStrategy={"MaximumRetryAttempts": 2})
        create(bench, jobs=1, top={"TrainingJobDefinition": definition})
        bench.run()
        (training,) = bench.trainings()
        shown = bench.call("DescribeTrainingJob", TrainingJobName=training.name)
        assert (shown["TrainingJobStatus"], shown["SecondaryStatus"], shown["FailureReason"]) == ("Completed",) * 2 + (
            None,
        )
        assert shown["TuningJobArn"] == ARN
        assert shown["HyperParameters"] == {
            **definition["StaticHyperParameters"],
            "x": training.tuned["x"],
            "_tuning_objective_metric": "score",
        }
        assert [each["Status"] for each in shown["SecondaryStatusTransitions"]] == ["Training", "Completed"]
        assert [(each["MetricName"], each["Value"]) for each in shown["FinalMetricDataList"]] == [
            ("score", 0.75),
            ("ObjectiveMetric", 0.75),
        ]
        assert shown["ModelArtifacts"] == {"S3ModelArtifacts": f"s3://models/out/{training.name}/output/model.tar.gz"}
        assert shown["OutputDataConfig"] == {"KmsKeyId": "", "S3OutputPath": "s3://models/out"}
        assert (shown["Environment"], shown["RetryStrategy"]) == ({"A": "1"}, {"MaximumRetryAttempts": 2})
        assert shown["TrainingTimeInSeconds"] == shown["BillableTimeInSeconds"] >= 1
        assert shown["EnableManagedSpotTraining"] is False

    def test_no_metric_is_later_than_the_end_however_late_the_log_is_read(self, bench: Bench) -> None:
        create(bench, jobs=1)
        bench.tick(2)
        (name,) = bench.runner.processes
        bench.runner.stop(name)
        ended_at = bench.runner.sight(name).ended_at
        bench.runner.processes[name].log += "score=7\n"
        bench.clock.advance(3600)
        bench.run()
        shown = bench.call("DescribeTrainingJob", TrainingJobName=name)
        assert [(each["Value"], each["Timestamp"]) for each in shown["FinalMetricDataList"]] == [(7.0, ended_at)] * 2

    def test_one_that_has_only_been_claimed_is_starting(self, bench: Bench) -> None:
        bench.runner.faults["start"] = OSError("not yet")
        create(bench)
        bench.tick()
        shown = bench.call("DescribeTrainingJob", TrainingJobName=bench.trainings()[0].name)
        assert (shown["TrainingJobStatus"], shown["SecondaryStatus"]) == ("InProgress", "Starting")
        assert [each["Status"] for each in shown["SecondaryStatusTransitions"]] == ["Starting"]
        assert shown["TrainingTimeInSeconds"] is None

    def test_one_that_was_asked_to_stop_is_stopping_at_once(self, make_bench: Callable[..., Bench]) -> None:
        bench = make_bench(script=lambda launch: Script(ends=False))
        create(bench)
        bench.tick()
        name = bench.trainings()[0].name
        bench.call("StopTrainingJob", TrainingJobName=name)
        shown = bench.call("DescribeTrainingJob", TrainingJobName=name)
        assert (shown["TrainingJobStatus"], shown["SecondaryStatus"]) == ("Stopping", "Stopping")
        (listed,) = bench.call("ListTrainingJobs", StatusEquals="Stopping")["TrainingJobSummaries"]
        assert listed["TrainingJobStatus"] == "Stopping"
        bench.call("StopTrainingJob", TrainingJobName=name)
        bench.tick(2)
        with pytest.raises(InvalidRequest, match=r"rejected because the training job is in status Stopped\."):
            bench.call("StopTrainingJob", TrainingJobName=name)

    def test_a_failure_reason_is_cut_to_what_the_api_allows(self, make_bench: Callable[..., Bench]) -> None:
        bench = make_bench(script=scores(digits=["fail"]))
        create(bench, jobs=1)
        bench.run()
        shown = bench.call("DescribeTrainingJob", TrainingJobName=bench.trainings()[0].name)
        assert shown["FailureReason"].startswith("AlgorithmError: xxx")
        assert len(shown["FailureReason"]) == 1024


class TestTags:
    def test_are_given_at_create_and_copied_to_training_jobs_but_not_later(self, bench: Bench) -> None:
        create(bench, jobs=2, top={"Tags": [{"Key": "team", "Value": "vision"}]})
        bench.tick()
        added = bench.call("AddTags", ResourceArn=ARN, Tags=[{"Key": "stage", "Value": "dev"}])
        both = {"Tags": [{"Key": "stage", "Value": "dev"}, {"Key": "team", "Value": "vision"}]}
        assert added == bench.call("ListTags", ResourceArn=ARN) == both
        bench.run()
        for training in bench.trainings():
            arn = f"arn:aws:sagemaker:{REGION}:000000000000:training-job/{training.name}"
            assert bench.call("ListTags", ResourceArn=arn) == {"Tags": [{"Key": "team", "Value": "vision"}]}

    @pytest.mark.parametrize(
        ("keys", "match"), [(("a", "a"), "must not repeat a key, but repeats 'a'"), (("aws:a",), "must not begin with")]
    )
    def test_break_no_rule_when_added(self, bench: Bench, keys: tuple[str, ...], match: str) -> None:
        create(bench)
        with pytest.raises(InvalidRequest, match=match):
            bench.call("AddTags", ResourceArn=ARN, Tags=[{"Key": key, "Value": ""} for key in keys])
        assert bench.call("ListTags", ResourceArn=ARN) == {"Tags": []}

    def test_are_deleted_by_key(self, bench: Bench) -> None:
        create(bench, top={"Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]})
        assert bench.call("DeleteTags", ResourceArn=ARN, TagKeys=["a", "unknown"]) == {}
        assert bench.call("ListTags", ResourceArn=ARN) == {"Tags": [{"Key": "b", "Value": "2"}]}

    @pytest.mark.parametrize(
        "arn",
        [
            "digits",
            ARN.replace("digits", "nobody"),
            ARN.replace(REGION, "mars-north-1"),
            ARN.replace("hyper-parameter-tuning-job", "training-job"),
            ARN.replace("hyper-parameter-tuning-job", "endpoint"),
        ],
    )
    def test_need_a_resource_of_this_service(self, bench: Bench, arn: str) -> None:
        create(bench)
        with pytest.raises(InvalidRequest, match=r"Requested resource not found\. .* is neither a tuning job"):
            bench.call("ListTags", ResourceArn=arn)
