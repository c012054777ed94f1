"""A small SageMaker over HTTP whose tuning jobs do what a test tells them to.

It stands in for situations that the real local service does not get into on request: throttling, expired credentials,
jobs that stay in a state for as long as a test needs.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

REGION = "eu-west-1"
Json = dict[str, Any]


class Refusal(Exception):
    """An error answer; `args` are code, message and HTTP status."""


class FakeSageMaker:
    """Tuning jobs by name, each a Describe answer that tests may change; `calls` lists every operation called."""

    def __init__(self) -> None:
        self.reset()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def reset(self) -> None:
        """Forget every job, call and fault."""
        self.jobs: dict[str, Json] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.trainings: dict[str, list[Json]] = {}
        self.calls: list[tuple[str, Json]] = []
        self.faults: list[Refusal] = []
        self.on_describe: Callable[[Json], None] = lambda job: None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def fail_next(self, code: str, *, status: int = 400, times: int = 1) -> None:
        """Answer the next calls with an error."""
        self.faults += [Refusal(code, f"{code} on request", status)] * times

    def count(self, operation: str) -> int:
        return Counter(name for name, _ in self.calls)[operation]

    def answer(self, operation: str, body: Json) -> Json:
        self.calls.append((operation, body))
        if self.faults:
            raise self.faults.pop(0)
        return getattr(self, operation)(body)

    def CreateHyperParameterTuningJob(self, body: Json) -> Json:  # noqa: N802
        name = body["HyperParameterTuningJobName"]
        if name in self.jobs:
            raise Refusal("ResourceInUse", f"A hyperparameter tuning job with the name, {name}, already exists.", 400)
        arn = f"arn:aws:sagemaker:{REGION}:000000000000:hyper-parameter-tuning-job/{name}"
        self.tags[arn] = {tag["Key"]: tag["Value"] for tag in body.pop("Tags", ())}
        self.jobs[name] = {
            **body,
            "HyperParameterTuningJobArn": arn,
            "HyperParameterTuningJobStatus": "InProgress",
            "CreationTime": time.time(),
            "TrainingJobStatusCounters": dict.fromkeys(
                ("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped"), 0
            ),
            "ObjectiveStatusCounters": {"Succeeded": 0, "Pending": 0, "Failed": 0},
        }
        return {"HyperParameterTuningJobArn": arn}

    def DescribeHyperParameterTuningJob(self, body: Json) -> Json:  # noqa: N802
        job = self._job(body)
        self.on_describe(job)
        return job

    def StopHyperParameterTuningJob(self, body: Json) -> Json:  # noqa: N802
        job = self._job(body)
        if job["HyperParameterTuningJobStatus"] != "InProgress":
            raise Refusal("ValidationException", "The tuning job is already in a terminal state.", 400)
        job["HyperParameterTuningJobStatus"] = "Stopping"
        return {}

    def ListTrainingJobsForHyperParameterTuningJob(self, body: Json) -> Json:  # noqa: N802
        wanted = body.get("StatusEquals")
        found = self.trainings.get(self._job(body)["HyperParameterTuningJobName"], [])
        return {"TrainingJobSummaries": [each for each in found if wanted in (None, each["TrainingJobStatus"])]}

    def ListHyperParameterTuningJobs(self, body: Json) -> Json:  # noqa: N802
        members = ("Name", "Arn", "Status")
        summaries = [
            {
                **{f"HyperParameterTuningJob{member}": job[f"HyperParameterTuningJob{member}"] for member in members},
                **{key: job[key] for key in ("CreationTime", "TrainingJobStatusCounters", "ObjectiveStatusCounters")},
                "Strategy": job["HyperParameterTuningJobConfig"]["Strategy"],
                "ResourceLimits": job["HyperParameterTuningJobConfig"]["ResourceLimits"],
            }
            for job in self.jobs.values()
            if job.get("HyperParameterTuningEndTime", job["CreationTime"]) > body["LastModifiedTimeAfter"]
        ]
        begin = int(body.get("NextToken", 0))
        end = begin + body.get("MaxResults", 10)
        more = {"NextToken": str(end)} if end < len(summaries) else {}
        return {"HyperParameterTuningJobSummaries": summaries[begin:end], **more}

    def ListTags(self, body: Json) -> Json:  # noqa: N802
        return {"Tags": [{"Key": key, "Value": value} for key, value in self.tags[body["ResourceArn"]].items()]}

    def Search(self, body: Json) -> Json:  # noqa: N802
        """Find tuning jobs by tags and members, the latest first."""
        found = []
        for job in self.jobs.values():
            tags = self.tags[job["HyperParameterTuningJobArn"]]
            members = {**job, **{f"Tags.{key}": value for key, value in tags.items()}}
            if all(_fits(members.get(each["Name"]), each) for each in body["SearchExpression"]["Filters"]):
                found.append({**job, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]})
        found.sort(key=lambda job: job["CreationTime"], reverse=True)
        return {"Results": [{"HyperParameterTuningJob": job} for job in found]}

    def DescribeTrainingJob(self, body: Json) -> Json:  # noqa: N802
        name = body["TrainingJobName"]
        return {
            "TrainingJobName": name,
            "ModelArtifacts": {"S3ModelArtifacts": f"s3://bucket/models/{name}/output/model.tar.gz"},
        }

    def _job(self, body: Json) -> Json:
        name = body["HyperParameterTuningJobName"]
        if name not in self.jobs:
            raise Refusal("ResourceNotFound", f"Amazon SageMaker can't find a tuning job called {name}.", 400)
        return self.jobs[name]


def _fits(value: str | None, wanted: Json) -> bool:
    if wanted["Operator"] == "Exists":
        return value is not None
    if wanted["Operator"] == "In":
        return value in wanted["Value"].split(",")
    return (value == wanted["Value"]) == (wanted["Operator"] == "Equals")


def end(job: Json, status: str = "Completed", *, objective: float | None = 0.9, reason: str | None = None) -> None:
    """Bring a job of the fake to its end, with a best training job unless `objective` is None."""
    job["HyperParameterTuningJobStatus"] = status
    job["HyperParameterTuningEndTime"] = time.time()
    if reason:
        job["FailureReason"] = reason
    if objective is not None:
        job["BestTrainingJob"] = training(f"{job['HyperParameterTuningJobName']}-001-abcdef01", objective=objective)
        job["TrainingJobStatusCounters"]["Completed"] = 1


def training(name: str, *, objective: float | None = None, status: str = "Completed", reason: str = "") -> Json:
    """Return the summary of a training job."""
    summary: Json = {
        "TrainingJobName": name,
        "TrainingJobArn": f"arn:aws:sagemaker:{REGION}:000000000000:training-job/{name}",
        "CreationTime": time.time(),
        "TrainingJobStatus": status,
        "TunedHyperParameters": {"C": "1.5", "degree": "3", "kernel": "rbf"},
    }
    if objective is not None:
        metric = {"MetricName": "validation:accuracy", "Value": objective}
        summary["FinalHyperParameterTuningJobObjectiveMetric"] = metric
    if reason:
        summary["FailureReason"] = reason
    return summary


def _handler(fake: FakeSageMaker) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet; two would wait for each other

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
            operation = self.headers["X-Amz-Target"].rpartition(".")[2]
            try:
                self._send(200, fake.answer(operation, body))
            except Refusal as refusal:
                code, message, status = refusal.args
                self._send(status, {"__type": code, "message": message})

        def _send(self, status: int, answer: Json) -> None:
            payload = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *args: object) -> None:
            pass

    return Handler
