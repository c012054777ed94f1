"""`airflow-hpt jobs` and `airflow-hpt report`: what a local service knows, for reading in a terminal."""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from airflow_hpt.errors import NotFound
from airflow_hpt.local.cli.options import HomeOption, home_at
from airflow_hpt.local.client import sagemaker
from airflow_hpt.local.home import DEFAULT_HOME

if TYPE_CHECKING:
    from rich.table import Table

Described = Mapping[str, Any]

PLAIN_WIDTH = 160  # where the output is no terminal
COUNTERS = {"Completed": "done", "InProgress": "running", "Stopped": "stopped", "NonRetryableError": "failed"}


def jobs(
    limit: Annotated[int, typer.Option(min=1, help="How many tuning jobs to show.")] = 20,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """List the tuning jobs, newest first, with their progress and their best objective."""
    client = sagemaker(home_at(home))
    pages = client.get_paginator("list_hyper_parameter_tuning_jobs").paginate(
        SortBy="CreationTime", SortOrder="Descending", PaginationConfig={"MaxItems": limit}
    )
    names = [job["HyperParameterTuningJobName"] for page in pages for job in page["HyperParameterTuningJobSummaries"]]
    table = _table("tuning job", "status", "strategy", "created", "training jobs", "best", "best training job")
    for name in names:
        job = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        best = job.get("BestTrainingJob", {})
        created = f"{job['CreationTime']:%Y-%m-%d %H:%M}"
        strategy = job["HyperParameterTuningJobConfig"]["Strategy"]
        objective = _objective(best)
        status = job["HyperParameterTuningJobStatus"]
        table.add_row(name, status, strategy, created, _progress(job), objective, best.get("TrainingJobName", ""))
    _print(table if names else "No tuning jobs yet.")


def report(
    job: Annotated[str, typer.Argument(help="The name of a tuning job.")],
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Tell all about one tuning job: its best hyperparameters, its training jobs in order, its parents."""
    client = sagemaker(home_at(home))
    try:
        described = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=job)
    except client.exceptions.ResourceNotFound as error:
        raise NotFound(error.response["Error"]["Message"]) from None
    pages = client.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job").paginate(
        HyperParameterTuningJobName=job, SortBy="CreationTime", SortOrder="Ascending"
    )
    trainings = [training for page in pages for training in page["TrainingJobSummaries"]]
    _print(*_summary(described), _training_table(described, trainings), *_failures(trainings))


def _summary(job: Described) -> Iterable[Any]:
    config = job["HyperParameterTuningJobConfig"]
    yield f"Tuning job   {job['HyperParameterTuningJobName']}: {job['HyperParameterTuningJobStatus']}, {_progress(job)}"
    if reason := job.get("FailureReason"):
        yield f"Reason       {reason}"
    yield f"Strategy     {config['Strategy']}, {'; '.join(_aims(job))}"
    yield f"Created      {job['CreationTime']:%Y-%m-%d %H:%M:%S}, {_duration(job)}"
    if warm_start := job.get("WarmStartConfig"):
        parents = [parent["HyperParameterTuningJobName"] for parent in warm_start["ParentHyperParameterTuningJobs"]]
        yield f"Warm start   {warm_start['WarmStartType']} from {', '.join(parents)}"
    if best := job.get("BestTrainingJob"):
        yield f"Best         {_objective(best)} by {best['TrainingJobName']}"
        yield from (f"             {name} = {value}" for name, value in sorted(best["TunedHyperParameters"].items()))
    if overall := job.get("OverallBestTrainingJob"):
        owner = overall.get("TuningJobName", "")
        yield f"Overall best {_objective(overall)} by {overall['TrainingJobName']} of {owner}"


def _aims(job: Described) -> Iterable[str]:
    """Yield the objectives of a job: its own, or that of each of its definitions."""
    own = job["HyperParameterTuningJobConfig"].get("HyperParameterTuningJobObjective")
    several = [definition["TuningObjective"] for definition in job.get("TrainingJobDefinitions", [])]
    return dict.fromkeys(f"{aim['Type'].lower()} {aim['MetricName']}" for aim in ([own] if own else several))


def _training_table(job: Described, trainings: list[Described]) -> "Table | str":
    if not trainings:
        return "No training jobs yet."
    tuned = list(dict.fromkeys(name for training in trainings for name in training["TunedHyperParameters"]))
    best = job.get("BestTrainingJob", {}).get("TrainingJobName")
    definitions = ["definition"] if "TrainingJobDefinitions" in job else []
    table = _table("training job", *definitions, "status", "objective", "seconds", *tuned)
    for training in trainings:
        values = [_shortened(training["TunedHyperParameters"].get(name, "")) for name in tuned]
        mark = " *" if training["TrainingJobName"] == best else ""
        seconds = _seconds(training, "TrainingStartTime", "TrainingEndTime")
        status = training["TrainingJobStatus"]
        names = [training["TrainingJobName"] + mark, *(training["TrainingJobDefinitionName"] for _ in definitions)]
        table.add_row(*names, status, _objective(training), seconds, *values)
    return table


def _failures(trainings: list[Described]) -> Iterable[str]:
    """Yield the reasons of the first failures, and where to read more."""
    failed = [training for training in trainings if training.get("FailureReason")]
    for training in islice(failed, 3):
        yield f"{training['TrainingJobName']} failed: {training['FailureReason']}"
    if failed:
        yield f"Its log: airflow-hpt local logs {failed[0]['TrainingJobName']}"


def _progress(job: Described) -> str:
    counters = job["TrainingJobStatusCounters"]
    counted = [f"{counters[key]} {word}" for key, word in COUNTERS.items() if counters.get(key)]
    total = job["HyperParameterTuningJobConfig"].get("ResourceLimits", {}).get("MaxNumberOfTrainingJobs", "?")
    return f"{', '.join(counted) or '0 done'} of {total}"


def _objective(training: Described) -> str:
    metric = training.get("FinalHyperParameterTuningJobObjectiveMetric")
    return f"{metric['Value']:.6g}" if metric else ""


def _duration(job: Described) -> str:
    seconds = _seconds(job, "CreationTime", "HyperParameterTuningEndTime")
    return f"took {seconds} s" if seconds else "not ended"


def _seconds(item: Described, start: str, end: str) -> str:
    return f"{(item[end] - item[start]).total_seconds():.1f}" if start in item and end in item else ""


def _shortened(value: str) -> str:
    """Return a hyperparameter with six significant digits, which is enough to compare by eye."""
    try:
        return value if value.lstrip("-").isdigit() else f"{float(value):.6g}"
    except ValueError:
        return value


def _table(*columns: str) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _print(*parts: Any) -> None:
    from rich.console import Console

    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, str))
