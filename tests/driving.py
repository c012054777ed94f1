"""Drives a live local service through an unmodified boto3 client, and checks every answer against AWS's own model."""

import itertools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from tests.answers import check_answer
from tests.requests import make_training_definition, make_tuning_request

PATIENCE_SECONDS = 60.0
TERMINAL = ("Completed", "Failed", "Stopped")
SCRIPT_HEAD = """
import argparse, os, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("-x", "--x", type=float, default=0.0)
args, _ = parser.parse_known_args()
job = os.environ["TRAINING_JOB_NAME"]
"""
PRINT_SCORE = 'print(f"score={args.x}")'
T = TypeVar("T")
_numbers = itertools.count(1)


def eventually(look: Callable[[], T | None], *, what: str, seconds: float = PATIENCE_SECONDS) -> T:
    """Look again and again until there is something to see."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen within {seconds:.0f} s")


def refusal(call: Callable[..., Any], **request: Any) -> tuple[str, str]:
    """Return code and text of the error that a call ends in."""
    try:
        answer = call(**request)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    raise AssertionError(f"the call was not refused but answered {answer}")


@dataclass
class Driver:
    """Creates tuning jobs whose scripts are a few lines of Python."""

    client: Any
    folder: Path
    created: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client.meta.events.register("before-parse.sagemaker", _check_raw_answer)

    def script(self, body: str = PRINT_SCORE) -> dict[str, str]:
        """Write a training script; return the static hyperparameters that name it. `args.x` and `job` are at hand."""
        folder = self.folder / f"script-{next(_numbers)}"
        folder.mkdir()
        (folder / "train.py").write_text(SCRIPT_HEAD + body + "\n")
        return {"sagemaker_program": "train.py", "sagemaker_submit_directory": f"file://{folder}"}

    def request(self, body: str = PRINT_SCORE, *, name: str = "", static: Any = None, **changes: Any) -> dict[str, Any]:
        """Return a request whose training jobs run a script with this body."""
        definition = make_training_definition(StaticHyperParameters=self.script(body) | (static or {}))
        return make_tuning_request(name or f"job-{next(_numbers)}", TrainingJobDefinition=definition) | changes

    def create(self, request: dict[str, Any]) -> str:
        """Create a tuning job; return its name."""
        self.client.create_hyper_parameter_tuning_job(**request)
        self.created.append(request["HyperParameterTuningJobName"])
        return self.created[-1]

    def describe(self, name: str) -> dict[str, Any]:
        """Describe a tuning job."""
        described: dict[str, Any] = self.client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        return described

    def ended(self, name: str, *, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """Wait until a tuning job has ended; describe it."""
        return self.seen(name, lambda job: job["HyperParameterTuningJobStatus"] in TERMINAL, seconds=seconds)

    def seen(self, name: str, is_so: Callable[[dict[str, Any]], Any], *, seconds: float = PATIENCE_SECONDS) -> Any:
        """Wait until something holds of a tuning job; describe it."""
        last: dict[str, Any] = {}

        def look() -> dict[str, Any] | None:
            last.clear()
            last.update(self.describe(name))
            return last if is_so(last) else None

        try:
            return eventually(look, what="the awaited state", seconds=seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; last seen: {json.dumps(last, default=str)}") from None

    def run(self, request: dict[str, Any]) -> dict[str, Any]:
        """Create a tuning job and wait until it has ended; describe it."""
        return self.ended(self.create(request))

    def children(self, name: str, **options: Any) -> list[dict[str, Any]]:
        """Return the training jobs of a tuning job, in the order of their creation unless asked otherwise."""
        order = {"SortBy": "Name", "SortOrder": "Ascending"} | options
        pages = self.client.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job").paginate(
            HyperParameterTuningJobName=name, **order
        )
        return [training for page in pages for training in page["TrainingJobSummaries"]]

    def training(self, name: str) -> dict[str, Any]:
        """Describe a training job."""
        described: dict[str, Any] = self.client.describe_training_job(TrainingJobName=name)
        return described

    def stop_all(self) -> None:
        """Stop every tuning job of this driver that still runs."""
        for name in self.created:
            try:
                self.client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
            except ClientError:  # it has ended or was deleted
                continue


def _check_raw_answer(operation_model: Any, response_dict: dict[str, Any], **_: Any) -> None:
    if response_dict["status_code"] == 200:
        body = response_dict["body"]
        check_answer(operation_model.name, json.loads(body) if body else None)
