"""TuningJobOperator against a fake service: whose job it is, what its end means, what others get to see."""

import itertools
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Asset

from airflow_hpt._compat import airflow_error
from airflow_hpt.errors import (
    AlreadyExists,
    TuningJobFailed,
    TuningJobStopped,
    TuningJobTimedOut,
    TuningJobUnsuccessful,
)
from airflow_hpt.hooks.tuning import TuningHook
from airflow_hpt.links import console_url
from airflow_hpt.operators.stop import StopTuningJobOperator
from airflow_hpt.operators.tuning import TuningJobOperator
from tests.airflow.conftest import make_context, set_state
from tests.airflow.fake_sagemaker import FakeSageMaker, end, training
from tests.airflow.requests import make_config

pytestmark = pytest.mark.airflow

AirflowFailException = airflow_error("AirflowFailException")
TaskDeferralTimeout = airflow_error("TaskDeferralTimeout")
TaskDeferred = airflow_error("TaskDeferred")

CREATE = "CreateHyperParameterTuningJob"
LINK, PAGE_LINK = "_link_TuningJobLink", "_link_TuningPageLink"


def make_operator(**changes: Any) -> TuningJobOperator:
    settings = {"task_id": "tune", "config": make_config(), "aws_conn_id": "fake", "check_interval": 0.01}
    return TuningJobOperator(**{**settings, **changes})


def run(operator: Any, **context: Any) -> dict[str, Any]:
    return operator.execute(make_context(operator, **context))


def end_after(looks: int, *args: Any, **kwargs: Any):
    """Return an `on_describe` that ends a job at its look number `looks`."""
    counts: dict[str, itertools.count] = {}

    def on_describe(job: dict[str, Any]) -> None:
        count = counts.setdefault(job["HyperParameterTuningJobName"], itertools.count(1))
        if next(count) >= looks and job["HyperParameterTuningJobStatus"] in ("InProgress", "Stopping"):
            end(job, *args, **kwargs)

    return on_describe


class TestResult:
    def test_it_is_flat_json_with_typed_hyperparameters(self, fake: FakeSageMaker) -> None:
        fake.on_describe = end_after(3)
        result = run(make_operator(lineage="digits"))
        (name,) = fake.jobs
        assert result | {"created_at": None, "ended_at": None} == {
            "job_name": name,
            "job_arn": fake.jobs[name]["HyperParameterTuningJobArn"],
            "status": "Completed",
            "strategy": "Bayesian",
            "region": "eu-west-1",
            "lineage": "digits",
            "data_fingerprint": None,
            "training_jobs": 1,
            "training_jobs_completed": 1,
            "training_jobs_running": 0,
            "training_jobs_stopped": 0,
            "training_jobs_failed": 0,
            "best_training_job": f"{name}-001-abcdef01",
            "best_tuning_job": name,
            "best_objective_metric": "validation:accuracy",
            "best_objective": 0.9,
            "best_hyperparameters": {"C": 1.5, "degree": 3, "kernel": "rbf"},
            "best_model_artifact": f"s3://bucket/models/{name}-001-abcdef01/output/model.tar.gz",
            "overall_best_training_job": None,
            "overall_best_tuning_job": None,
            "overall_best_objective_metric": None,
            "overall_best_objective": None,
            "overall_best_hyperparameters": {},
            "overall_best_model_artifact": None,
            "summary": f"{name} Completed: 1 completed of 4 training jobs;"
            " best validation:accuracy 0.9 with C=1.5, degree=3, kernel=rbf",
            "warm_start_type": None,
            "parents": [],
            "parents_best_objective": None,
            "warm_start_reason": None,
            "created_at": None,
            "ended_at": None,
        }
        assert result["created_at"].endswith("+00:00")

    def test_it_is_the_extra_of_outlet_asset_events(self, fake: FakeSageMaker) -> None:
        fake.on_describe = end_after(1)
        asset = Asset("model")
        operator = make_operator(outlets=[asset])
        context = make_context(operator)
        result = operator.execute(context)
        assert context["outlet_events"][asset].extra == result

    def test_without_waiting_it_tells_the_job_that_runs(self, fake: FakeSageMaker) -> None:
        result = run(make_operator(wait_for_completion=False))
        assert (result["status"], result["best_training_job"]) == ("InProgress", None)

    @pytest.mark.parametrize("deferrable", [True, False])
    def test_name_and_link_are_there_before_the_job_ends(
        self, fake: FakeSageMaker, deferrable: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(TuningHook, "is_local", False)
        seen: list[dict[str, Any]] = []
        operator = make_operator(deferrable=deferrable)
        context = make_context(operator)

        def on_describe(job: dict[str, Any]) -> None:
            seen.append(dict(context["ti"].xcoms))
            if len(seen) == 3:
                end(job)

        fake.on_describe = on_describe
        if deferrable:
            with pytest.raises(TaskDeferred):
                operator.execute(context)
        else:
            operator.execute(context)
        (name,) = fake.jobs
        url = f"https://eu-west-1.console.aws.amazon.com/sagemaker/home?region=eu-west-1#/hyper-tuning-jobs/{name}"
        page = f"/plugin/tuning/hpt/jobs/{name}?connection=fake"
        assert seen[0] == {"job_name": name, LINK: url, PAGE_LINK: page}

    def test_a_local_service_has_no_console_to_link_to(self, fake: FakeSageMaker) -> None:
        operator = make_operator(wait_for_completion=False)
        context = make_context(operator)
        operator.execute(context)
        assert context["ti"].xcoms[LINK] == ""

    @pytest.mark.parametrize(
        ("region", "partition", "host"),
        [
            ("eu-west-1", "aws", "eu-west-1.console.aws.amazon.com"),
            ("cn-north-1", "aws-cn", "console.amazonaws.cn"),
            ("us-gov-west-1", "aws-us-gov", "console.amazonaws-us-gov.com"),
        ],
    )
    def test_every_partition_has_a_console_of_its_own(self, region: str, partition: str, host: str) -> None:
        assert console_url("x", region=region, partition=partition).startswith(f"https://{host}/sagemaker/home?region=")


class TestIdentity:
    def test_a_retry_takes_over_the_running_job(self, fake: FakeSageMaker) -> None:
        run(make_operator(retries=2, wait_for_completion=False), max_tries=2)
        fake.on_describe = end_after(1)
        result = run(make_operator(retries=2), max_tries=2)
        assert (fake.count(CREATE), result["status"]) == (1, "Completed")

    def test_a_retry_takes_over_the_completed_job(self, fake: FakeSageMaker) -> None:
        fake.on_describe = end_after(1)
        first, second = run(make_operator()), run(make_operator())
        assert fake.count(CREATE) == 1
        assert first == second

    @pytest.mark.parametrize(("max_tries", "generations"), [((2, 3, 4), 3), ((2, 2, 2), 1)])
    def test_a_clear_starts_anew_and_a_retry_does_not(
        self, fake: FakeSageMaker, max_tries: tuple[int, ...], generations: int
    ) -> None:
        fake.on_describe = end_after(1)
        for each in max_tries:
            run(make_operator(retries=2), max_tries=each)
        assert len(fake.jobs) == generations

    @pytest.mark.parametrize(("policy", "status"), [("user", "Stopping"), ("never", "InProgress")])
    def test_a_clear_stops_what_was_running_before(self, fake: FakeSageMaker, policy: str, status: str) -> None:
        first = run(make_operator(wait_for_completion=False), max_tries=0)["job_name"]
        third = run(make_operator(wait_for_completion=False, stop_on_kill=policy), max_tries=2)["job_name"]
        states = {name: job["HyperParameterTuningJobStatus"] for name, job in fake.jobs.items()}
        assert states == {first: status, third: "InProgress"}

    @pytest.mark.parametrize("status", ["Failed", "Stopped"])
    def test_a_retry_after_a_bad_end_gets_a_new_job(self, fake: FakeSageMaker, status: str) -> None:
        fake.on_describe = end_after(1, status, objective=None)
        for _ in range(3):
            with pytest.raises(TuningJobUnsuccessful, match=status):
                run(make_operator())
        assert len(fake.jobs) == 3

    def test_a_retry_does_not_join_a_job_that_is_being_stopped(self, fake: FakeSageMaker) -> None:
        first = run(make_operator(wait_for_completion=False))["job_name"]
        fake.jobs[first]["HyperParameterTuningJobStatus"] = "Stopping"
        assert run(make_operator(wait_for_completion=False))["job_name"] != first

    def test_a_retry_takes_a_stopped_job_that_its_policy_accepts(self, fake: FakeSageMaker) -> None:
        fake.on_describe = end_after(1, "Stopped")
        names = {run(make_operator(stopped="succeed"))["job_name"] for _ in range(2)}
        assert len(names) == 1

    def test_runs_tasks_and_map_indexes_have_jobs_of_their_own(self, fake: FakeSageMaker) -> None:
        fake.on_describe = end_after(1)
        run(make_operator())
        run(make_operator(task_id="other"))
        run(make_operator(), run_id="run-2")
        run(make_operator(), map_index=0)
        run(make_operator(), map_index=1)
        assert len(fake.jobs) == 5

    def test_tags_say_whose_job_it_is(self, fake: FakeSageMaker) -> None:
        config = make_config(Tags=[{"Key": "team", "Value": "vision"}])
        name = run(make_operator(config=config, wait_for_completion=False, lineage="digits (new!)"))["job_name"]
        tags = fake.tags[fake.jobs[name]["HyperParameterTuningJobArn"]]
        assert len(tags.pop("airflow-hpt:request")) == 16
        assert tags == {
            "team": "vision",
            "airflow-hpt:lineage": "digits _new__",
            "airflow-hpt:dag": "retrain",
            "airflow-hpt:run": "run-1",
            "airflow-hpt:task": "tune",
            "airflow-hpt:map-index": "-1",
            "airflow-hpt:generation": "0",
        }

    def test_a_name_in_the_config_is_kept_and_joined_by_a_retry(self, fake: FakeSageMaker) -> None:
        config = make_config(HyperParameterTuningJobName="my-name")
        for _ in range(2):
            run(make_operator(config=config, wait_for_completion=False))
        assert list(fake.jobs) == ["my-name"]

    def test_a_name_of_another_run_is_refused_with_a_way_out(self, fake: FakeSageMaker) -> None:
        config = make_config(HyperParameterTuningJobName="my-name")
        run(make_operator(config=config, wait_for_completion=False))
        with pytest.raises(AlreadyExists, match=r"airflow-hpt:run=run-1\). Leave HyperParameterTuningJobName out"):
            run(make_operator(config=config), run_id="run-2")

    def test_a_request_that_was_sent_twice_is_one_job(
        self, fake: FakeSageMaker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The answer to the first request is lost, boto3 sends it again and is told that the name is taken."""
        create = fake.CreateHyperParameterTuningJob
        monkeypatch.setattr(fake, CREATE, lambda body: create(dict(body)) and create(body))
        assert run(make_operator(wait_for_completion=False))["status"] == "InProgress"

    def test_the_job_goes_on_as_it_was_asked_for_when_the_request_changes(
        self, fake: FakeSageMaker, caplog: pytest.LogCaptureFixture
    ) -> None:
        run(make_operator(wait_for_completion=False))
        changed = make_config()
        changed["HyperParameterTuningJobConfig"]["RandomSeed"] = 7
        with caplog.at_level("WARNING"):
            run(make_operator(config=changed, wait_for_completion=False))
        assert len(fake.jobs) == 1
        assert "has changed since tuning job" in caplog.text


class TestEnding:
    @pytest.mark.parametrize(
        ("status", "objective", "stopped", "error"),
        [
            ("Completed", 0.9, "fail", None),
            ("Completed", None, "fail", TuningJobFailed),
            ("Failed", 0.9, "succeed", TuningJobFailed),
            ("Stopped", 0.9, "fail", TuningJobStopped),
            ("Stopped", 0.9, "succeed", None),
            ("Stopped", None, "succeed", None),
            ("Stopped", 0.9, "succeed_if_best", None),
            ("Stopped", None, "succeed_if_best", TuningJobStopped),
            ("DeleteFailed", 0.9, "succeed", TuningJobFailed),
        ],
    )
    def test_the_table(
        self, fake: FakeSageMaker, status: str, objective: float | None, stopped: str, error: type | None
    ) -> None:
        fake.on_describe = lambda job: end(job, status, objective=objective)
        if error:
            with pytest.raises(error, match=f"ended as {status}"):
                run(make_operator(stopped=stopped))
        else:
            assert run(make_operator(stopped=stopped))["status"] == status

    def test_a_failure_tells_the_reasons_of_the_first_training_jobs(self, fake: FakeSageMaker) -> None:
        def on_describe(job: dict[str, Any]) -> None:
            name = job["HyperParameterTuningJobName"]
            end(job, "Failed", objective=None, reason="No training job succeeded after 5 attempts.")
            fake.trainings[name] = [
                training(f"{name}-00{i}", status="Failed", reason=f"AlgorithmError: exit code {i}") for i in range(1, 6)
            ]

        fake.on_describe = on_describe
        with pytest.raises(TuningJobFailed, match="after 5 attempts") as caught:
            run(make_operator())
        assert [f"exit code {i}" in str(caught.value) for i in range(1, 6)] == [True, True, True, False, False]

    def test_a_metric_that_was_never_printed_is_named_with_its_regex(self, fake: FakeSageMaker) -> None:
        fake.on_describe = end_after(1, objective=None)
        with pytest.raises(TuningJobFailed, match=r"objective metric validation:accuracy \(regex 'accuracy="):
            run(make_operator())

    def test_passing_faults_are_sat_out(self, fake: FakeSageMaker, capsys: pytest.CaptureFixture[str]) -> None:
        def on_describe(job: dict[str, Any]) -> None:
            looks = fake.count("DescribeHyperParameterTuningJob")
            if looks == 3:
                fake.fail_next("ThrottlingException")
                fake.fail_next("InternalFailure", status=500)
                fake.fail_next("ExpiredTokenException")
            if looks > 6:
                end(job)

        fake.on_describe = on_describe
        result = run(make_operator(botocore_config={"retries": {"total_max_attempts": 1}}))
        assert result["status"] == "Completed"
        assert capsys.readouterr().out.count("Will look at tuning job") == 3


class TestTimeout:
    @pytest.mark.parametrize(("stop_on_timeout", "status"), [(True, "Stopping"), (False, "InProgress")])
    def test_a_blocking_wait_stops_the_job(self, fake: FakeSageMaker, stop_on_timeout: bool, status: str) -> None:
        with pytest.raises(TuningJobTimedOut):
            run(make_operator(max_ingestion_time=0.05, stop_on_timeout=stop_on_timeout))
        (job,) = fake.jobs.values()
        assert job["HyperParameterTuningJobStatus"] == status

    def test_a_deferred_wait_stops_the_job(self, fake: FakeSageMaker) -> None:
        operator = make_operator(deferrable=True, max_ingestion_time=600)
        context = make_context(operator)
        with pytest.raises(TaskDeferred) as deferred:
            operator.execute(context)
        assert timedelta(seconds=590) < deferred.value.timeout <= timedelta(seconds=600)
        with pytest.raises(TuningJobTimedOut, match="has been stopped") as caught:
            make_operator(deferrable=True).resume_execution("__fail__", {"error": "Trigger timeout"}, context)
        assert isinstance(caught.value.__cause__, TaskDeferralTimeout)
        (job,) = fake.jobs.values()
        assert job["HyperParameterTuningJobStatus"] == "Stopping"

    @pytest.mark.parametrize(
        ("changes", "most"),
        [
            ({}, timedelta(days=30)),
            ({"execution_timeout": timedelta(hours=1)}, timedelta(hours=1)),
            ({"execution_timeout": timedelta(hours=1), "max_ingestion_time": 60}, timedelta(minutes=1)),
            ({"max_ingestion_time": 3}, timedelta(seconds=15)),  # clear of the scheduler's blind moment
        ],
    )
    def test_a_deferral_never_waits_for_ever(self, fake: FakeSageMaker, changes: dict, most: timedelta) -> None:
        with pytest.raises(TaskDeferred) as deferred:
            run(make_operator(deferrable=True, **changes))
        assert most - timedelta(seconds=10) < deferred.value.timeout <= most

    def test_a_job_older_than_it_may_be_is_stopped_by_the_try_that_finds_it(self, fake: FakeSageMaker) -> None:
        run(make_operator(wait_for_completion=False))
        (job,) = fake.jobs.values()
        job["CreationTime"] -= 1000
        with pytest.raises(TuningJobTimedOut):
            run(make_operator(deferrable=True, max_ingestion_time=900))
        assert job["HyperParameterTuningJobStatus"] == "Stopping"


class TestKill:
    @pytest.mark.parametrize(
        ("policy", "known_as", "status"),
        [
            ("always", "running", "Stopping"),
            ("user", "running", "InProgress"),  # a worker that is shut down
            ("user", "failed", "Stopping"),
            ("user", "success", "Stopping"),
            ("user", "restarting", "Stopping"),  # cleared
            ("never", "failed", "InProgress"),
        ],
    )
    def test_a_killed_worker_stops_the_job_if_asked_to(
        self, fake: FakeSageMaker, policy: str, known_as: str, status: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        operator = make_operator(stop_on_kill=policy, wait_for_completion=False)
        context = make_context(operator)
        operator.execute(context)
        set_state(monkeypatch, known_as)
        operator.on_kill()
        (job,) = fake.jobs.values()
        assert job["HyperParameterTuningJobStatus"] == status

    def test_a_task_killed_before_it_has_a_job_does_nothing(self, fake: FakeSageMaker) -> None:
        make_operator(stop_on_kill="always").on_kill()
        assert fake.calls == []

    @pytest.mark.parametrize(("policy", "stops"), [("user", True), ("always", True), ("never", False)])
    def test_the_trigger_is_told_whether_to_stop(self, fake: FakeSageMaker, policy: str, stops: bool) -> None:
        with pytest.raises(TaskDeferred) as deferred:
            run(make_operator(deferrable=True, stop_on_kill=policy))
        assert deferred.value.trigger.stop_on_kill is stops


class TestDeferring:
    def test_a_job_that_has_ended_already_is_not_waited_for(self, fake: FakeSageMaker) -> None:
        fake.on_describe = end_after(1)
        assert run(make_operator(deferrable=True))["status"] == "Completed"

    def test_the_resumed_task_returns_the_result(self, fake: FakeSageMaker) -> None:
        operator = make_operator(deferrable=True)
        context = make_context(operator)
        with pytest.raises(TaskDeferred) as deferred:
            operator.execute(context)
        fake.on_describe = end_after(1)
        resumed = make_operator(deferrable=True)
        event = {"job_name": deferred.value.trigger.job_name, "status": "Completed", "problem": None}
        result = resumed.resume_execution(deferred.value.method_name, {"event": event}, make_context(resumed))
        assert result["best_objective"] == 0.9

    def test_a_problem_of_the_trigger_fails_the_task_and_leaves_the_job(self, fake: FakeSageMaker) -> None:
        operator = make_operator(deferrable=True)
        event = {"job_name": "x", "status": "unseen", "problem": "No rights."}
        with pytest.raises(TuningJobUnsuccessful, match=r"No rights\. .* the job itself goes on"):
            operator.execute_complete(make_context(operator), event=event)


class TestRequest:
    def test_texts_become_the_types_of_the_api(self, fake: FakeSageMaker) -> None:
        config = make_config()
        tuning, definition = config["HyperParameterTuningJobConfig"], config["TrainingJobDefinition"]
        tuning["RandomSeed"] = "7"
        tuning["ResourceLimits"] |= {"MaxNumberOfTrainingJobs": "4", "MaxRuntimeInSeconds": "600"}
        tuning["TuningJobCompletionCriteria"] = {"TargetObjectiveMetricValue": "0.95"}
        definition["EnableManagedSpotTraining"] = "True"
        definition["StoppingCondition"] = {"MaxRuntimeInSeconds": "10", "MaxWaitTimeInSeconds": "20"}
        definition["StaticHyperParameters"] = {"epochs": 3, "shuffle": True}
        run(make_operator(config=config, wait_for_completion=False))
        (job,) = fake.jobs.values()
        asked = job["HyperParameterTuningJobConfig"]
        assert asked["RandomSeed"] == 7
        assert asked["ResourceLimits"] == {
            "MaxNumberOfTrainingJobs": 4,
            "MaxParallelTrainingJobs": 2,
            "MaxRuntimeInSeconds": 600,
        }
        assert asked["TuningJobCompletionCriteria"] == {"TargetObjectiveMetricValue": 0.95}
        assert job["TrainingJobDefinition"]["EnableManagedSpotTraining"] is True
        assert job["TrainingJobDefinition"]["StoppingCondition"] == {
            "MaxRuntimeInSeconds": 10,
            "MaxWaitTimeInSeconds": 20,
        }
        assert job["TrainingJobDefinition"]["StaticHyperParameters"] == {"epochs": "3", "shuffle": "true"}

    def test_the_template_field_is_left_as_it_was(self, fake: FakeSageMaker) -> None:
        config = make_config(HyperParameterTuningJobName="my-name")
        run(make_operator(config=config, wait_for_completion=False))
        assert config == make_config(HyperParameterTuningJobName="my-name")

    def test_several_definitions_and_no_input_data_are_fine(self, fake: FakeSageMaker) -> None:
        config = make_config()
        ranges = config["HyperParameterTuningJobConfig"].pop("ParameterRanges")
        objective = config["HyperParameterTuningJobConfig"].pop("HyperParameterTuningJobObjective")
        definition = config.pop("TrainingJobDefinition") | {
            "HyperParameterRanges": ranges,
            "TuningObjective": objective,
        }
        config["TrainingJobDefinitions"] = [{**definition, "DefinitionName": name} for name in ("svm", "forest")]
        fake.on_describe = end_after(1)
        assert run(make_operator(config=config))["status"] == "Completed"

    def test_a_role_may_be_given_by_its_name(self, fake: FakeSageMaker) -> None:
        config = make_config()
        config["TrainingJobDefinition"]["RoleArn"] = "tuning"
        run(make_operator(config=config, wait_for_completion=False))
        (job,) = fake.jobs.values()
        assert job["TrainingJobDefinition"]["RoleArn"] == "arn:aws:iam::000000000000:role/tuning"

    def test_aws_is_asked_for_a_role_by_its_name(self, fake: FakeSageMaker, monkeypatch: pytest.MonkeyPatch) -> None:
        class Iam:
            meta = SimpleNamespace(endpoint_url="https://iam.amazonaws.com")

            def get_role(self, *, RoleName: str) -> Any:  # noqa: N803
                return {"Role": {"Arn": f"arn:aws:iam::123456789012:role/service-role/{RoleName}"}}

        hook = TuningHook("fake")
        monkeypatch.setattr(TuningHook, "is_local", False)
        monkeypatch.setattr(hook, "client", lambda service: Iam())
        assert hook.role_arn("tuning") == "arn:aws:iam::123456789012:role/service-role/tuning"


class TestStop:
    @pytest.mark.parametrize("running", [True, False])
    def test_the_result_so_far_is_kept(self, fake: FakeSageMaker, running: bool) -> None:
        started = run(make_operator(wait_for_completion=False))
        fake.on_describe = end_after(2, "Stopped")
        if not running:
            end(fake.jobs[started["job_name"]])
        operator = StopTuningJobOperator(task_id="stop", job_name=started, aws_conn_id="fake", check_interval=0.01)
        result = run(operator)
        assert (result["status"], result["best_objective"]) == ("Stopped" if running else "Completed", 0.9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config": "not json"}, "config was rendered to text that is not JSON"),
        ({"config": "[1]"}, r"config must be a dictionary after rendering; it is list \[1\]"),
        ({"config": None}, "it is NoneType None"),
        ({"config": {"TrainingJobDefinition": {}}}, "HyperParameterTuningJobConfig is missing"),
        ({"config": make_config(Tags="text")}, "Tags"),
    ],
)
def test_a_config_of_the_wrong_type_fails_at_once(fake: FakeSageMaker, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AirflowFailException, match=message):
        run(make_operator(**changes))
    assert fake.count(CREATE) == 0


def test_an_unknown_policy_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'fail', 'succeed', 'succeed_if_best'"):
        make_operator(stopped="ignore")
