"""`make demo`: tune a model in Airflow, retune it on new data by warm start, and show what came of it.

Everything runs on this machine and lives in the folder .demo of the project; what was started is stopped again, however
the demo ends.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import boto3
from rich.console import Console
from rich.table import Table
from workbench import PROJECT, airflow_environment, local_service

from airflow_hpt.hooks.progress import progress_line

HOME = PROJECT / ".demo"
LOG = HOME / "airflow.log"
DAG = "tune_then_retune"
LOG_TAIL_LINES = 25

started = time.monotonic()
console = Console(highlight=False, soft_wrap=True)


def say(text: str) -> None:
    console.print(f"[dim]{time.monotonic() - started:4.0f} s[/dim]  {text}")


def main() -> int:
    say("Tuning a classifier of handwritten digits in Airflow, then retuning it when more data has arrived.")
    with local_service(HOME / "service") as service:
        say(f"The local service speaks SageMaker's API at {service['HPT_ENDPOINT']}.")
        environment = airflow_environment(HOME / "airflow", service)
        say(f"Airflow runs the DAG {DAG}; its log is {shown(LOG)}.")
        jobs = watch(environment)
        if len(jobs) < 2:
            return explain()
        report(jobs, Path(service["HPT_S3_ROOT"]))
    return 0


def watch(environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """Run the DAG and say how its tuning jobs come along; return them in the end, none if the DAG has failed."""
    since = datetime.now(UTC)
    client = boto3.client(
        "sagemaker",
        endpoint_url=environment["HPT_ENDPOINT"],
        region_name=environment["AWS_DEFAULT_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )
    said: dict[str, str] = {}
    with LOG.open("w") as log, airflow(environment, log) as process:
        while True:
            has_ended = process.poll() is not None
            jobs = list(tuning_jobs(client, since))
            for job in jobs:
                tell(job, said)
            if has_ended:
                return jobs if process.returncode == 0 else []
            time.sleep(1)


@contextmanager
def airflow(environment: Mapping[str, str], log: TextIO) -> Iterator[subprocess.Popen[bytes]]:
    """Run the DAG in a process group that does not outlive the block."""
    command = [sys.executable, "-m", "airflow", "dags", "test", DAG]
    process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # its tuning jobs are stopped at the service
            process.wait()


def tuning_jobs(client: Any, since: datetime) -> Iterator[dict[str, Any]]:
    """Yield the descriptions of the tuning jobs of this run, the oldest first."""
    listed = client.list_hyper_parameter_tuning_jobs(
        CreationTimeAfter=since, SortBy="CreationTime", SortOrder="Ascending", MaxResults=100
    )
    for summary in listed["HyperParameterTuningJobSummaries"]:
        yield client.describe_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=summary["HyperParameterTuningJobName"]
        )


def tell(job: Mapping[str, Any], said: dict[str, str]) -> None:
    name = job["HyperParameterTuningJobName"]
    if name not in said and (warm := job.get("WarmStartConfig")):
        parents = ", ".join(each["HyperParameterTuningJobName"] for each in warm["ParentHyperParameterTuningJobs"])
        say(f"New data has arrived; warm start ({warm['WarmStartType']}) from {parents}.")
    line = progress_line(job)
    if said.get(name) != line:
        say(line)
    said[name] = line


def report(jobs: list[dict[str, Any]], s3: Path) -> None:
    """Print what the baseline and the retuning job have found, side by side."""
    table = Table("", "baseline", "retuning", title="What came of it", title_justify="left")
    columns = [
        {"data": samples, **facts(job)} for job, samples in zip(jobs, ("600 samples", "1,797 samples"), strict=False)
    ]
    for name in columns[0]:
        table.add_row(name, *(column[name] for column in columns))
    console.print()
    console.print(table)
    for kind, job in zip(("baseline", "retuning"), jobs, strict=False):
        console.print(f"Best model of the {kind}: {shown(model(job, s3))}")
    console.print("The retuning job began where the baseline had ended. Scores are on each job's own data.")


def facts(job: Mapping[str, Any]) -> dict[str, str]:
    best = job["BestTrainingJob"]
    seconds = (job["HyperParameterTuningEndTime"] - job["CreationTime"]).total_seconds()
    return {
        "tuning job": job["HyperParameterTuningJobName"],
        "training jobs": f"{job['TrainingJobStatusCounters']['Completed']} in {seconds:.0f} s",
        "best accuracy": f"{best['FinalHyperParameterTuningJobObjectiveMetric']['Value']:.4f}",
        "hyperparameters": "\n".join(
            f"{name} = {float(text):.5g}" for name, text in sorted(best["TunedHyperParameters"].items())
        ),
    }


def model(job: Mapping[str, Any], s3: Path) -> Path:
    output = job["TrainingJobDefinition"]["OutputDataConfig"]["S3OutputPath"].removeprefix("s3://")
    return s3 / output / job["BestTrainingJob"]["TrainingJobName"] / "output" / "model.tar.gz"


def explain() -> int:
    """Print why the DAG failed."""
    say(f"The DAG {DAG} has failed. The end of {shown(LOG)}:")
    for line in LOG.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]:
        console.print(line, markup=False)
    return 1


def shown(path: Path) -> str:
    return str(path.relative_to(PROJECT)) if path.is_relative_to(PROJECT) else str(path)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        say("Interrupted; everything that was started has been stopped.")
        sys.exit(130)
