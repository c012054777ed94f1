"""Listings and Search: filters, orders, pages and tokens."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from airflow_hpt.errors import InvalidRequest, NotFound
from tests.local.fakes import REGION, START, Bench, Script
from tests.requests import make_training_definition, make_tuning_config, make_tuning_request

CHILDREN = "ListTrainingJobsForHyperParameterTuningJob"
SCORES = {1: "0.5", 2: None, 3: "0.25", 4: "0.75"}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    def script(launch: Any) -> Script:
        score = SCORES[int(launch.name.split("-")[-2])]
        return Script((f"score={score}",) if score else ())

    bench = Bench(tmp_path, script=script)
    yield bench
    bench.close()


def create(bench: Bench, name: str = "digits", *, tags: dict[str, str] | None = None, **config: Any) -> None:
    request = make_tuning_request(
        name,
        HyperParameterTuningJobConfig=make_tuning_config(**config),
        Tags=[{"Key": key, "Value": value} for key, value in (tags or {}).items()],
    )
    bench.operations.call("CreateHyperParameterTuningJob", request)
    bench.clock.advance(10)


def pages(bench: Bench, operation: str, member: str, **request: Any) -> list[list[str]]:
    """Return the names on every page of a listing."""
    key = "HyperParameterTuningJobName" if member.startswith("HyperParameter") else "TrainingJobName"
    found, token = [], None
    while True:
        answer = bench.call(operation, **request, **({"NextToken": token} if token else {}))
        found.append([each[key] for each in answer[member]])
        token = answer["NextToken"]
        if token is None:
            return found


def numbers(names: list[str]) -> list[int]:
    return [int(name.split("-")[-2]) for name in names]


class TestTuningJobs:
    def test_come_ten_a_page_by_name_as_the_documentation_says(self, bench: Bench) -> None:
        names = [f"job{at:02}" for at in range(23)]
        for name in reversed(names):
            create(bench, name)
        found = pages(bench, "ListHyperParameterTuningJobs", "HyperParameterTuningJobSummaries")
        assert [len(page) for page in found] == [10, 10, 3]
        assert list(chain(*found)) == names

    def test_a_last_page_that_is_full_has_no_token(self, bench: Bench) -> None:
        create(bench, "a")
        create(bench, "b")
        assert pages(bench, "ListHyperParameterTuningJobs", "HyperParameterTuningJobSummaries", MaxResults=2) == [
            ["a", "b"]
        ]

    def test_are_summed_up(self, bench: Bench) -> None:
        create(bench, jobs=4, ResourceLimits={"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2})
        bench.run()
        (summary,) = bench.call("ListHyperParameterTuningJobs")["HyperParameterTuningJobSummaries"]
        job = bench.job()
        assert summary == {
            "HyperParameterTuningJobName": "digits",
            "HyperParameterTuningJobArn": f"arn:aws:sagemaker:{REGION}:000000000000:hyper-parameter-tuning-job/digits",
            "HyperParameterTuningJobStatus": "Completed",
            "Strategy": "Random",
            "CreationTime": START,
            "HyperParameterTuningEndTime": job.ended_at,
            "LastModifiedTime": job.ended_at,
            "TrainingJobStatusCounters": {
                "Completed": 4,
                "InProgress": 0,
                "RetryableError": 0,
                "NonRetryableError": 0,
                "Stopped": 0,
            },
            "ObjectiveStatusCounters": {"Succeeded": 3, "Pending": 0, "Failed": 1},
            "ResourceLimits": {
                "MaxNumberOfTrainingJobs": 4,
                "MaxParallelTrainingJobs": 2,
                "MaxRuntimeInSeconds": None,
            },
        }

    @pytest.mark.parametrize(
        ("request_members", "expected"),
        [
            ({"SortBy": "CreationTime"}, ["beta", "alpha", "gamma"]),
            ({"SortBy": "CreationTime", "SortOrder": "Descending"}, ["gamma", "alpha", "beta"]),
            ({"SortOrder": "Descending"}, ["gamma", "beta", "alpha"]),
            ({"NameContains": "eta"}, ["beta"]),
            ({"StatusEquals": "Stopping"}, ["gamma"]),
            ({"CreationTimeAfter": START}, ["alpha", "gamma"]),
            ({"CreationTimeBefore": START + timedelta(seconds=20)}, ["alpha", "beta"]),
            ({"LastModifiedTimeAfter": START + timedelta(seconds=10)}, ["gamma"]),
        ],
    )
    def test_are_filtered_and_sorted(self, bench: Bench, request_members: dict[str, Any], expected: list[str]) -> None:
        for name in ("beta", "alpha", "gamma"):
            create(bench, name)
        bench.call("StopHyperParameterTuningJob", HyperParameterTuningJobName="gamma")
        found = bench.call("ListHyperParameterTuningJobs", **request_members)["HyperParameterTuningJobSummaries"]
        assert [each["HyperParameterTuningJobName"] for each in found] == expected


class TestChildren:
    @pytest.fixture(autouse=True)
    def run(self, bench: Bench) -> None:
        create(bench, jobs=4)
        bench.run()

    @pytest.mark.parametrize(
        ("request_members", "expected"),
        [
            ({}, [4, 3, 2, 1]),
            ({"SortBy": "Name"}, [1, 2, 3, 4]),
            ({"SortOrder": "Ascending"}, [1, 2, 3, 4]),
            ({"SortBy": "CreationTime", "SortOrder": "Descending"}, [4, 3, 2, 1]),
            ({"SortBy": "FinalObjectiveMetricValue", "SortOrder": "Descending"}, [4, 1, 3]),
            ({"SortBy": "FinalObjectiveMetricValue"}, [3, 1, 4]),
            ({"StatusEquals": "Completed", "SortBy": "Status"}, [1, 2, 3, 4]),
            ({"StatusEquals": "Failed"}, []),
        ],
    )
    @pytest.mark.parametrize("size", [1, 3, 100])
    def test_are_listed(self, bench: Bench, request_members: dict[str, Any], expected: list[int], size: int) -> None:
        found = pages(
            bench,
            CHILDREN,
            "TrainingJobSummaries",
            HyperParameterTuningJobName="digits",
            MaxResults=size,
            **request_members,
        )
        assert numbers(list(chain(*found))) == expected
        assert all(len(page) <= size for page in found)

    def test_are_summed_up(self, bench: Bench) -> None:
        request = {"HyperParameterTuningJobName": "digits", "SortBy": "Name"}
        scored, unscored, *_ = bench.call(CHILDREN, **request)["TrainingJobSummaries"]
        training = bench.trainings()[0]
        assert scored == {
            "TrainingJobDefinitionName": None,
            "TrainingJobName": training.name,
            "TrainingJobArn": f"arn:aws:sagemaker:{REGION}:000000000000:training-job/{training.name}",
            "CreationTime": training.created_at,
            "TrainingStartTime": training.started_at,
            "TrainingEndTime": training.ended_at,
            "TrainingJobStatus": "Completed",
            "TunedHyperParameters": {"x": training.tuned["x"]},
            "FailureReason": None,
            "FinalHyperParameterTuningJobObjectiveMetric": {"Type": None, "MetricName": "score", "Value": 0.5},
            "ObjectiveStatus": "Succeeded",
        }
        assert unscored["FinalHyperParameterTuningJobObjectiveMetric"] is None
        assert unscored["ObjectiveStatus"] == "Failed"

    def test_of_an_unknown_tuning_job_are_not_found(self, bench: Bench) -> None:
        with pytest.raises(NotFound, match="can't find a tuning job called nobody"):
            bench.call(CHILDREN, HyperParameterTuningJobName="nobody")

    def test_of_all_tuning_jobs_are_listed_oldest_first(self, bench: Bench) -> None:
        create(bench, "another", jobs=1)
        bench.run()
        found = pages(bench, "ListTrainingJobs", "TrainingJobSummaries", MaxResults=2)
        assert [name.split("-")[0] for name in list(chain(*found))] == ["digits"] * 4 + ["another"]
        (last,) = bench.call("ListTrainingJobs", NameContains="another")["TrainingJobSummaries"]
        assert (last["TrainingJobStatus"], last["SecondaryStatus"]) == ("Completed", "Completed")

    @pytest.mark.parametrize("member", ["WarmPoolStatusEquals", "TrainingPlanArnEquals"])
    def test_never_have_warm_pools_or_plans(self, bench: Bench, member: str) -> None:
        assert bench.call("ListTrainingJobs", **{member: "Available"}) == {"TrainingJobSummaries": []}


class TestTokens:
    @pytest.fixture
    def token(self, bench: Bench) -> str:
        for name in "abc":
            create(bench, name)
        return str(bench.call("ListHyperParameterTuningJobs", MaxResults=1, NameContains="")["NextToken"])

    def test_go_with_another_page_size(self, bench: Bench, token: str) -> None:
        answer = bench.call("ListHyperParameterTuningJobs", MaxResults=5, NameContains="", NextToken=token)
        assert [each["HyperParameterTuningJobName"] for each in answer["HyperParameterTuningJobSummaries"]] == [
            "b",
            "c",
        ]

    @pytest.mark.parametrize(
        "changed",
        [
            {},
            {"NameContains": "b"},
            {"NameContains": "", "SortBy": "Status"},
            {"NameContains": "", "StatusEquals": "Failed"},
        ],
    )
    def test_belong_to_their_filters(self, bench: Bench, token: str, changed: dict[str, Any]) -> None:
        with pytest.raises(
            InvalidRequest, match="NextToken does not belong to this call of ListHyperParameterTuningJobs"
        ):
            bench.call("ListHyperParameterTuningJobs", NextToken=token, **changed)

    @pytest.mark.parametrize("operation", ["ListHyperParameterTuningJobs", "ListTrainingJobs"])
    @pytest.mark.parametrize(
        "made_up",
        [
            "x",
            "WyJhIiwgMV0=",
            "bnVsbA==",
            "MTIz",
            "é",
            "W1tbW1tbW1tbW1tb" * 400,
            "WyJhIiwgMTAwMDAwMDAwMDAwMDAwMDAwMDAwMCwgIjAiXQ==",
        ],
    )
    def test_that_nobody_gave_are_refused(self, bench: Bench, operation: str, made_up: str) -> None:
        with pytest.raises(InvalidRequest, match="NextToken does not belong"):
            bench.call(operation, NextToken=made_up)

    def test_of_another_operation_are_refused(self, bench: Bench, token: str) -> None:
        with pytest.raises(InvalidRequest, match="NextToken does not belong to this call of ListTrainingJobs"):
            bench.call("ListTrainingJobs", NameContains="", NextToken=token)

    def test_of_tags_do_not_exist(self, bench: Bench) -> None:
        create(bench)
        arn = f"arn:aws:sagemaker:{REGION}:000000000000:hyper-parameter-tuning-job/digits"
        with pytest.raises(InvalidRequest, match="NextToken was not given by ListTags"):
            bench.call("ListTags", ResourceArn=arn, NextToken="x")


class TestSearch:
    @pytest.fixture(autouse=True)
    def jobs(self, bench: Bench) -> None:
        create(bench, "alpha", jobs=1, tags={"team": "vision", "hpt:lineage": "digits", "cost.center": "7"})
        bench.run()
        bench.clock.advance(10)
        create(bench, "beta", jobs=2, tags={"team": "speech"}, Strategy="Bayesian")
        create(bench, "gamma", jobs=3, tags={"team": "vision"})

    def found(self, bench: Bench, **expression: Any) -> list[str]:
        answer = bench.call(
            "Search",
            Resource="HyperParameterTuningJob",
            SortBy="HyperParameterTuningJobName",
            SortOrder="Ascending",
            SearchExpression=expression,
        )
        names = [each["HyperParameterTuningJob"]["HyperParameterTuningJobName"] for each in answer["Results"]]
        assert answer["TotalHits"] == {"Value": len(names), "Relation": "EqualTo"}
        return names

    @pytest.mark.parametrize(
        ("name", "operator", "value", "expected"),
        [
            ("Tags.team", "Equals", "vision", "ag"),
            ("Tags.team", None, "vision", "ag"),
            ("Tags.team", "NotEquals", "vision", "b"),
            ("Tags.hpt:lineage", "NotEquals", "digits", "bg"),
            ("Tags.hpt:lineage", "Exists", None, "a"),
            ("Tags.hpt:lineage", "NotExists", None, "bg"),
            ("Tags.cost.center", "Equals", "7", "a"),
            ("Tags.team", "In", "speech,sales", "b"),
            ("Tags.team", "Contains", "is", "ag"),
            ("HyperParameterTuningJobName", "Contains", "a", "abg"),
            ("HyperParameterTuningJobName", "GreaterThan", "alpha", "bg"),
            ("HyperParameterTuningJobStatus", "Equals", "Completed", "a"),
            ("HyperParameterTuningJobStatus", "In", "InProgress,Failed", "bg"),
            ("CreationTime", "GreaterThan", "2026-11-24T12:00:00Z", "bg"),
            ("CreationTime", "LessThanOrEqualTo", "2026-11-24T12:00:00", "a"),
            ("CreationTime", "LessThanOrEqualTo", str(START.timestamp()), "a"),
            ("HyperParameterTuningEndTime", "Exists", None, "a"),
            ("HyperParameterTuningEndTime", "GreaterThanOrEqualTo", "2020-01-01", "a"),
            ("HyperParameterTuningJobConfig.Strategy", "Equals", "Bayesian", "b"),
            ("HyperParameterTuningJobConfig.ResourceLimits.MaxNumberOfTrainingJobs", "GreaterThan", "1", "bg"),
            ("HyperParameterTuningJobConfig.ResourceLimits.MaxNumberOfTrainingJobs", "In", "1,3", "ag"),
            ("HyperParameterTuningJobConfig.ParameterRanges.ContinuousParameterRanges.Name", "Equals", "x", "abg"),
            ("TrainingJobDefinition.StaticHyperParameters.sagemaker_program", "Equals", "train.py", "abg"),
            ("TrainingJobDefinition.EnableNetworkIsolation", "Equals", "False", "abg"),
            ("BestTrainingJob.FinalHyperParameterTuningJobObjectiveMetric.Value", "LessThan", "0.6", "a"),
            ("FailureReason", "Exists", None, ""),
        ],
    )
    def test_filters(self, bench: Bench, name: str, operator: str | None, value: str | None, expected: str) -> None:
        given = {"Name": name, "Operator": operator, "Value": value}
        found = self.found(bench, Filters=[{key: member for key, member in given.items() if member is not None}])
        assert "".join(each[0] for each in found) == expected

    def test_expressions_combine(self, bench: Bench) -> None:
        vision = {"Name": "Tags.team", "Value": "vision"}
        running = {"Name": "HyperParameterTuningJobStatus", "Value": "InProgress"}
        assert self.found(bench, Filters=[vision, running]) == ["gamma"]
        assert self.found(bench, Filters=[vision, running], Operator="Or") == ["alpha", "beta", "gamma"]
        inner = {
            "Filters": [{"Name": "Tags.team", "Value": "speech"}, {"Name": "Tags.hpt:lineage", "Operator": "Exists"}]
        }
        assert self.found(bench, SubExpressions=[{**inner, "Operator": "Or"}], Filters=[running]) == ["beta"]
        assert self.found(bench) == ["alpha", "beta", "gamma"]
        assert self.found(bench, Operator="Or") == ["alpha", "beta", "gamma"]

    def test_nested_filters_ask_one_member_of_a_list_for_everything(self, bench: Bench) -> None:
        metrics = [{"Name": "score", "Regex": "score=([0-9.]+)"}, {"Name": "loss", "Regex": "l=([0-9.]+)"}]
        algorithm = {**make_training_definition()["AlgorithmSpecification"], "MetricDefinitions": metrics}
        request = make_tuning_request(
            "delta", TrainingJobDefinition=make_training_definition(AlgorithmSpecification=algorithm)
        )
        bench.operations.call("CreateHyperParameterTuningJob", request)
        prefix = "TrainingJobDefinition.AlgorithmSpecification.MetricDefinitions"

        def both(name: str, regex: str) -> dict[str, Any]:
            filters = [
                {"Name": f"{prefix}.Name", "Value": name},
                {"Name": f"{prefix}.Regex", "Operator": "Contains", "Value": regex},
            ]
            return {"NestedPropertyName": prefix, "Filters": filters}

        assert self.found(bench, NestedFilters=[both("loss", "l=")]) == ["delta"]
        assert self.found(bench, NestedFilters=[both("loss", "score=")]) == []
        assert self.found(bench, Filters=both("loss", "score=")["Filters"]) == ["delta"]

    def test_results_are_whole_entities_the_latest_change_first(self, bench: Bench) -> None:
        answer = bench.call("Search", Resource="HyperParameterTuningJob")
        entities = [each["HyperParameterTuningJob"] for each in answer["Results"]]
        assert [each["HyperParameterTuningJobName"] for each in entities] == ["gamma", "beta", "alpha"]
        alpha, described = entities[2], bench.describe("alpha")
        assert alpha == {**{name: described.get(name) for name in alpha}, "Tags": alpha["Tags"]}
        assert {"Key": "team", "Value": "vision"} in alpha["Tags"]
        assert "Autotune" not in alpha

    def test_results_come_in_pages(self, bench: Bench) -> None:
        names, token = [], None
        while True:
            answer = bench.call(
                "Search",
                Resource="HyperParameterTuningJob",
                SortBy="CreationTime",
                MaxResults=2,
                **({"NextToken": token} if token else {}),
            )
            names.append([each["HyperParameterTuningJob"]["HyperParameterTuningJobName"] for each in answer["Results"]])
            token = answer["NextToken"]
            if token is None:
                break
        assert names == [["gamma", "beta"], ["alpha"]]

    def test_those_without_the_sorted_property_come_last(self, bench: Bench) -> None:
        for order in ("Ascending", "Descending"):
            answer = bench.call(
                "Search", Resource="HyperParameterTuningJob", SortBy="Tags.hpt:lineage", SortOrder=order
            )
            assert answer["Results"][0]["HyperParameterTuningJob"]["HyperParameterTuningJobName"] == "alpha"

    @pytest.mark.parametrize(
        ("request_members", "words"),
        [
            ({"Resource": "Endpoint"}, "searches HyperParameterTuningJob only, but Resource is Endpoint"),
            ({"SortBy": "Nonsense"}, "Unknown property name: Nonsense"),
            ({"SortBy": "HyperParameterTuningJobConfig"}, "HyperParameterTuningJobConfig is a structure"),
            ({"Filters": [{"Name": "Nonsense", "Value": "1"}]}, "Unknown property name: Nonsense"),
            ({"Filters": [{"Name": "Tags", "Value": "1"}]}, "Unknown property name: Tags. Add the key of a tag"),
            (
                {"Filters": [{"Name": "HyperParameterTuningJobName"}]},
                "Equals on HyperParameterTuningJobName needs a Value",
            ),
            ({"Filters": [{"Name": "CreationTime", "Value": "soon"}]}, "an ISO 8601 time or seconds since the epoch"),
            ({"Filters": [{"Name": "CreationTime", "Value": "1e999"}]}, "an ISO 8601 time or seconds since the epoch"),
            (
                {"Filters": [{"Name": "ConsumedResources.RuntimeInSeconds", "Value": "long"}]},
                "that property is a number",
            ),
            ({"Filters": [{"Name": "TrainingJobDefinition.EnableNetworkIsolation", "Value": "1"}]}, "true or false"),
            (
                {"Filters": [{"Name": "HyperParameterTuningJobConfig", "Operator": "LessThan", "Value": "1"}]},
                "a structure",
            ),
            (
                {"NestedFilters": [{"NestedPropertyName": "TrainingJobDefinitions", "Filters": [{"Name": "Tags.a"}]}]},
                "filter what is in it",
            ),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, bench: Bench, request_members: dict[str, Any], words: str) -> None:
        expression = {key: request_members.pop(key) for key in ("Filters", "NestedFilters") if key in request_members}
        request = {"Resource": "HyperParameterTuningJob", "SearchExpression": expression, **request_members}
        with pytest.raises(InvalidRequest, match=words):
            bench.call("Search", **request)
