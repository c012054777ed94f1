"""WarmStartTuningJobOperator: which parents, which type, which request, what is refused before the service is asked."""

import copy
from typing import Any

import pytest

from airflow_hpt import WarmStartTuningJobOperator, latest
from airflow_hpt._compat import airflow_error
from tests.airflow.conftest import make_context
from tests.airflow.fake_sagemaker import REGION, FakeSageMaker, end
from tests.airflow.requests import make_config

pytestmark = pytest.mark.airflow

AirflowFailException = airflow_error("AirflowFailException")

CREATE = "CreateHyperParameterTuningJob"
DATA, OTHER_DATA = f"{'a' * 32}-3-100", f"{'b' * 32}-4-120"


def add_parent(
    fake: FakeSageMaker, name: str, *, status: str = "Completed", tags: dict[str, str] | None = None, **changes: Any
) -> None:
    given = [{"Key": f"airflow-hpt:{key}", "Value": value} for key, value in (tags or {}).items()]
    fake.CreateHyperParameterTuningJob(make_config(HyperParameterTuningJobName=name, Tags=given, **changes))
    fake.jobs[name]["CreationTime"] += len(fake.jobs)
    if status != "InProgress":
        end(fake.jobs[name], status, objective=None if status == "Failed" else 0.9)


def run(**changes: Any) -> dict[str, Any]:
    settings = {
        "task_id": "retune",
        "config": make_config(),
        "warm_start_type": "TransferLearning",
        "aws_conn_id": "fake",
        "wait_for_completion": False,
    }
    operator = WarmStartTuningJobOperator(**{**settings, **changes})
    return operator.execute(make_context(operator))


def created(fake: FakeSageMaker) -> dict[str, Any]:
    return [body for operation, body in fake.calls if operation == CREATE][-1]


class TestParents:
    @pytest.mark.parametrize(
        ("parents", "names"),
        [
            ("parent-1", ["parent-1"]),
            ({"job_name": "parent-1", "status": "Completed"}, ["parent-1"]),
            (["parent-2", {"job_name": "parent-1"}, "parent-2"], ["parent-2", "parent-1"]),
            ([["parent-1"], ["parent-2"]], ["parent-1", "parent-2"]),
        ],
    )
    def test_they_are_names_or_results(self, fake: FakeSageMaker, parents: Any, names: list[str]) -> None:
        for name in ("parent-1", "parent-2"):
            add_parent(fake, name)
        assert run(parents=parents)["parents"] == names

    def test_the_latest_of_a_lineage_that_found_something_come_first(self, fake: FakeSageMaker) -> None:
        for name in ("one", "two", "three", "four"):
            add_parent(fake, name, tags={"lineage": "digits"})
        add_parent(fake, "failed", status="Failed", tags={"lineage": "digits"})
        add_parent(fake, "running", status="InProgress", tags={"lineage": "digits"})
        add_parent(fake, "foreign", tags={"lineage": "letters"})
        assert run(parents=latest("digits", limit=3))["parents"] == ["four", "three", "two"]

    def test_a_task_s_own_tuning_jobs_are_not_among_the_latest(self, fake: FakeSageMaker) -> None:
        own = {"dag": "retrain", "run": "run-1", "task": "retune", "map-index": "-1", "generation": "7"}
        add_parent(fake, "earlier", tags={"lineage": "digits", **own, "run": "run-0"})
        add_parent(fake, "before-clear", tags={"lineage": "digits", **own})
        assert run(parents=latest("digits"))["parents"] == ["earlier"]

    @pytest.mark.parametrize("parents", [None, "", [None], {"status": "Failed"}, 5])
    def test_a_task_without_result_is_no_parent(self, fake: FakeSageMaker, parents: Any) -> None:
        with pytest.raises(AirflowFailException, match="A task that failed or was skipped has no result"):
            run(parents=parents)

    def test_one_that_does_not_exist_is_sought_in_the_region(self, fake: FakeSageMaker) -> None:
        with pytest.raises(AirflowFailException, match=f"no tuning job gone in region {REGION}"):
            run(parents="gone")

    @pytest.mark.parametrize(
        ("prepare", "message"),
        [
            (lambda fake: add_parent(fake, "parent", status="InProgress"), "parent is InProgress; a parent must be"),
            (lambda fake: None, "there is no such tuning job|There is no tuning job"),
        ],
    )
    def test_unusable_ones_fail_or_are_dropped_as_asked(
        self, fake: FakeSageMaker, prepare: Any, message: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        prepare(fake)
        add_parent(fake, "good")
        with pytest.raises(AirflowFailException, match=message):
            run(parents=["parent", "good"])
        with caplog.at_level("WARNING"):
            assert run(parents=["parent", "good"], parents_policy="drop")["parents"] == ["good"]
        assert "parent is left out of the parents" in caplog.text

    def test_six_are_too_many_unless_the_surplus_may_be_dropped(self, fake: FakeSageMaker) -> None:
        names = [f"parent-{i}" for i in range(6)]
        for name in names:
            add_parent(fake, name)
        with pytest.raises(AirflowFailException, match="5"):
            run(parents=names)
        assert run(parents=names, parents_policy="drop")["parents"] == names[:5]

    def test_the_hyperparameter_that_differs_is_named(self, fake: FakeSageMaker) -> None:
        add_parent(fake, "parent")
        config = make_config()
        config["TrainingJobDefinition"]["StaticHyperParameters"] = {"momentum": "0.9"}
        with pytest.raises(AirflowFailException, match=r"add \['seed'\].*take out \['momentum'\]"):
            run(config=config, parents="parent")
        assert fake.count(CREATE) == 0

    def test_none_fails_or_starts_cold_as_asked(self, fake: FakeSageMaker) -> None:
        with pytest.raises(AirflowFailException, match="on_no_parents='cold'"):
            run(parents=latest("digits"))
        result = run(parents=latest("digits"), on_no_parents="cold")
        assert (result["parents"], result["warm_start_type"]) == ([], None)
        assert result["warm_start_reason"] == "Cold start: there is no usable parent yet."


class TestType:
    @pytest.mark.parametrize(
        ("seen", "now", "kind", "reason"),
        [
            (DATA, DATA, "IdenticalDataAndAlgorithm", "Training image and input data are those of parent"),
            (DATA, OTHER_DATA, "TransferLearning", "The input data changed"),
            (None, DATA, "TransferLearning", "It is not known what data parent saw"),
        ],
    )
    def test_auto_follows_the_data(self, fake: FakeSageMaker, seen: Any, now: str, kind: str, reason: str) -> None:
        add_parent(fake, "parent", tags={"data": seen} if seen else {})
        result = run(parents="parent", warm_start_type="auto", data_fingerprint={"data_fingerprint": now})
        assert (result["warm_start_type"], result["data_fingerprint"]) == (kind, now)
        assert reason in result["warm_start_reason"]

    def test_auto_follows_the_image(self, fake: FakeSageMaker) -> None:
        add_parent(fake, "parent", tags={"data": DATA})
        config = make_config()
        config["TrainingJobDefinition"]["AlgorithmSpecification"]["TrainingImage"] = "local/other:2"
        result = run(config=config, parents="parent", warm_start_type="auto", data_fingerprint=DATA)
        assert result["warm_start_type"] == "TransferLearning"

    @pytest.mark.parametrize(
        ("label", "kind"),
        [
            ("IDENTICAL_DATA_AND_ALGORITHM", "IdenticalDataAndAlgorithm"),
            ("TRANSFER_LEARNING", "TransferLearning"),
            ("IdenticalDataAndAlgorithm", "IdenticalDataAndAlgorithm"),
        ],
    )
    def test_labels_of_the_documentation_are_understood(self, fake: FakeSageMaker, label: str, kind: str) -> None:
        add_parent(fake, "parent")
        assert run(parents="parent", warm_start_type=label)["warm_start_type"] == kind

    def test_an_unknown_type_names_the_known_ones(self, fake: FakeSageMaker) -> None:
        with pytest.raises(AirflowFailException, match="'auto', 'IdenticalDataAndAlgorithm', 'TransferLearning'"):
            run(parents="parent", warm_start_type="Transfer")


class TestRequest:
    def test_it_is_inherited_from_the_first_parent_with_overrides_on_top(self, fake: FakeSageMaker) -> None:
        add_parent(fake, "parent")
        overrides = {
            "HyperParameterTuningJobConfig": {
                "ResourceLimits": {"MaxNumberOfTrainingJobs": "2"},
                "ParameterRanges": {
                    "ContinuousParameterRanges": [{"Name": "C", "MinValue": "1", "MaxValue": "100"}],
                },
            },
        }
        before = copy.deepcopy(overrides)
        run(config=None, parents="parent", overrides=overrides)
        expected = make_config()["HyperParameterTuningJobConfig"]
        expected["ResourceLimits"]["MaxNumberOfTrainingJobs"] = 2
        expected["ParameterRanges"]["ContinuousParameterRanges"][0] |= {"MinValue": "1", "MaxValue": "100"}
        asked = created(fake)
        assert {**expected, **asked["HyperParameterTuningJobConfig"]} == asked["HyperParameterTuningJobConfig"]
        assert asked["HyperParameterTuningJobConfig"]["ResourceLimits"] == expected["ResourceLimits"]
        assert asked["HyperParameterTuningJobConfig"]["ParameterRanges"] == expected["ParameterRanges"]
        assert asked["WarmStartConfig"]["ParentHyperParameterTuningJobs"] == [{"HyperParameterTuningJobName": "parent"}]
        assert overrides == before

    def test_overrides_apply_to_a_given_config_too(self, fake: FakeSageMaker) -> None:
        add_parent(fake, "parent")
        run(parents="parent", overrides={"HyperParameterTuningJobConfig": {"RandomSeed": 5}})
        assert created(fake)["HyperParameterTuningJobConfig"]["RandomSeed"] == 5

    def test_without_config_and_parents_there_is_nothing_to_start_from(self, fake: FakeSageMaker) -> None:
        with pytest.raises(AirflowFailException, match=r"no parents .* to inherit the request from\. Pass `config`"):
            run(config=None, parents=latest("digits"), on_no_parents="cold")

    @pytest.mark.parametrize(
        ("keep", "bests", "cost", "degree"),
        [
            (0.2, [("1.0", "3")], (0.630957, 1.584893), (2, 4)),  # half the share on either side, as it is scaled
            (0.2, [("0.1", "1")], (0.1, 0.158489), (1, 2)),  # cut off at the range's own end
            (0.5, [("0.1", "1"), ("10.0", "5")], (0.1, 10.0), (1, 5)),  # from the lowest to the highest best value
            (1.0, [("1.0", "3")], (0.1, 10.0), (1, 5)),
        ],
    )
    def test_ranges_can_be_narrowed_to_what_was_best(
        self,
        fake: FakeSageMaker,
        keep: float,
        bests: Any,
        cost: tuple[float, float],
        degree: tuple[int, int],
    ) -> None:
        config = make_config()
        ranges = config["HyperParameterTuningJobConfig"]["ParameterRanges"]
        ranges["ContinuousParameterRanges"][0]["ScalingType"] = "Logarithmic"
        for number, (best_c, best_degree) in enumerate(bests):
            add_parent(fake, f"parent-{number}")
            fake.jobs[f"parent-{number}"]["BestTrainingJob"]["TunedHyperParameters"] |= {
                "C": best_c,
                "degree": best_degree,
            }
        run(config=config, parents=[f"parent-{number}" for number in range(len(bests))], narrow_ranges=keep)
        asked = created(fake)["HyperParameterTuningJobConfig"]["ParameterRanges"]
        (continuous,), (integer,) = asked["ContinuousParameterRanges"], asked["IntegerParameterRanges"]
        assert (float(continuous["MinValue"]), float(continuous["MaxValue"])) == pytest.approx(cost, rel=1e-5)
        assert (int(integer["MinValue"]), int(integer["MaxValue"])) == degree
        assert asked["CategoricalParameterRanges"] == ranges["CategoricalParameterRanges"]

    def test_a_hyperparameter_that_no_parent_has_tuned_keeps_its_range(self, fake: FakeSageMaker) -> None:
        add_parent(fake, "parent")
        del fake.jobs["parent"]["BestTrainingJob"]
        run(parents="parent", narrow_ranges=0.1)
        assert created(fake)["HyperParameterTuningJobConfig"]["ParameterRanges"]["ContinuousParameterRanges"] == [
            {"Name": "C", "MinValue": "0.1", "MaxValue": "10"}
        ]

    @pytest.mark.parametrize("keep", [0, -0.5, 1.5])
    def test_a_share_that_is_none_is_refused(self, keep: float) -> None:
        with pytest.raises(ValueError, match=f"above 0 and at most 1; not {keep}"):
            run(parents="parent", narrow_ranges=keep)

    def test_a_retry_takes_over_without_looking_for_parents_again(self, fake: FakeSageMaker) -> None:
        add_parent(fake, "parent")
        first = run(parents="parent")
        del fake.jobs["parent"]
        assert run(parents="parent")["job_name"] == first["job_name"]


class TestResult:
    @pytest.mark.parametrize(("direction", "best"), [("Maximize", 0.95), ("Minimize", 0.85)])
    def test_what_its_parents_have_found_is_told(self, fake: FakeSageMaker, direction: str, best: float) -> None:
        objective = {"Type": direction, "MetricName": "validation:accuracy"}
        config = make_config()
        config["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"] = objective
        for name, value in {"one": 0.85, "two": 0.95, "none": None}.items():
            add_parent(fake, name, HyperParameterTuningJobConfig=config["HyperParameterTuningJobConfig"])
            end(fake.jobs[name], objective=value)
            if value is None:
                del fake.jobs[name]["BestTrainingJob"]
        fake.on_describe = lambda job: end(job) if job["HyperParameterTuningJobStatus"] == "InProgress" else None
        result = run(config=config, parents=["one", "two", "none"], wait_for_completion=True)
        assert result["parents_best_objective"] == best
        assert result["summary"].endswith(f"; the best of its parents was {best}")

    def test_a_parent_that_has_gone_is_passed_over(
        self, fake: FakeSageMaker, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("one", "gone"):
            add_parent(fake, name)
        create = fake.CreateHyperParameterTuningJob
        monkeypatch.setattr(fake, CREATE, lambda body: fake.jobs.pop("gone") and create(body))
        result = run(parents=["one", "gone"])
        assert (result["parents"], result["parents_best_objective"]) == (["one", "gone"], 0.9)
        assert "What parent gone has found is not known" in capsys.readouterr().out
