"""What deferred tuning jobs cost in API calls: ours, and Airflow's stock trigger.

Triggers wait in one event loop for tuning jobs of a local service whose training jobs queue for one slot; what is
counted are the lines of the service's request log. Ours share a stream as they do in Airflow 3.3's triggerer. Counting
begins when every trigger has looked at its job, which they do at their start. The stock trigger needs aiobotocore, and
so an environment of its own: without it, its row is left out.

    python benchmarks/polling.py [--jobs 200] [--interval 30] [--seconds 120]
"""

import argparse
import asyncio
import logging
import multiprocessing
import os
import re
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import structlog
from airflow.triggers.shared_stream import SharedStreamManager

sys.path.insert(0, str(Path(__file__).parents[1]))

from airflow_hpt.config import Continuous, Maximize, tuning_job_config
from airflow_hpt.local import daemon, serving
from airflow_hpt.local.client import sagemaker
from airflow_hpt.local.environment import variables
from airflow_hpt.local.home import Home, Settings
from airflow_hpt.triggers.tuning import TuningJobFinished

CONNECTION = "hpt_local"
SCRIPT = "import time\ntime.sleep(3600)\n"
Wait = Callable[[Sequence[str], float], list[Awaitable[Any]]]


@contextmanager
def service_with_jobs(names: Sequence[str]) -> Iterator[Home]:
    """Run a local service that has tuning jobs of these names."""
    with TemporaryDirectory() as folder, service_for(len(names), Path(folder) / "home") as home:
        client = sagemaker(home)
        code = Path(folder) / "code"
        code.mkdir()
        (code / "wait.py").write_text(SCRIPT)
        for name in names:
            client.create_hyper_parameter_tuning_job(HyperParameterTuningJobName=name, **make_request(code))
        yield home
        for name in names:
            client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)


@contextmanager
def service_for(jobs: int, folder: Path) -> Iterator[Home]:
    """Run a local service that takes more tuning jobs at once than SageMaker's default quota."""
    home = Home(folder)
    home.prepare()
    process = multiprocessing.get_context("spawn").Process(target=serve_many, args=(home, jobs))
    process.start()
    try:
        while home.serving_pid() != process.pid:
            process.join(0.2)
            if process.exitcode is not None:
                sys.exit(home.log.read_text())
        os.environ.update(variables(home, daemon.running(home).settings))
        yield home
    finally:
        process.terminate()
        process.join()


def serve_many(home: Home, jobs: int) -> None:
    with home.log.open("ab") as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
    serving.Service = partial(serving.Service, tuning_jobs_limit=jobs)  # type: ignore[misc]
    serving.serve(home, Settings(port=0, slots=1))


def make_request(code: Path) -> dict[str, Any]:
    return tuning_job_config(
        entry_point="wait.py",
        source_dir=code.as_uri(),
        objective=Maximize("score"),
        hyperparameter_ranges={"rate": Continuous(0, 1)},
        output_path="s3://models/out",
        max_jobs=1,
        strategy="Random",
    )


def shared(names: Sequence[str], interval: float) -> list[Awaitable[Any]]:
    """Wait as Airflow 3.3 does, in one stream for all."""
    manager = SharedStreamManager(log=structlog.get_logger())

    async def wait(number: int, trigger: TuningJobFinished) -> None:
        key = trigger.shared_stream_key()
        await anext(trigger.filter_shared_stream(manager.subscribe(trigger_id=number, trigger=trigger, key=key)))

    return [wait(*each) for each in enumerate(make_triggers(names, interval))]


def one_by_one(names: Sequence[str], interval: float) -> list[Awaitable[Any]]:
    """Wait as Airflow before 3.3 does, each for itself."""
    return [anext(trigger.run()) for trigger in make_triggers(names, interval)]


def make_triggers(names: Sequence[str], interval: float) -> list[TuningJobFinished]:
    return [TuningJobFinished(name, aws_conn_id=CONNECTION, poll_seconds=interval) for name in names]


def stock(names: Sequence[str], interval: float) -> list[Awaitable[Any]]:
    """Wait with the amazon provider's trigger."""
    from airflow.providers.amazon.aws.triggers.sagemaker import SageMakerTrigger

    settings = {"job_type": "tuning", "waiter_delay": int(interval), "aws_conn_id": CONNECTION}
    return [anext(SageMakerTrigger(job_name=name, **settings).run()) for name in names]


async def counted(wait: Wait, names: Sequence[str], *, home: Home, interval: float, seconds: float) -> Counter[str]:
    """Let all triggers wait for a while; return how often each operation was called once all were waiting."""
    waiting = [asyncio.ensure_future(each) for each in wait(names, interval)]
    offset = home.log.stat().st_size
    while len(set(re.findall(r" Describe\S+ status=200 .* job=(\S+)", log_from(home, offset)))) < len(names):
        await asyncio.sleep(0.2)
    offset = home.log.stat().st_size
    await asyncio.wait(waiting, timeout=seconds)
    calls = Counter(re.findall(r"airflow_hpt\.requests: (\S+) status=200", log_from(home, offset)))
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    return calls


def log_from(home: Home, offset: int) -> str:
    with home.log.open() as log:
        log.seek(offset)
        return log.read()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--interval", type=float, default=30)
    parser.add_argument("--seconds", type=float, default=120)
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))

    ways: dict[str, Wait] = {"airflow-hpt, Airflow 3.3": shared, "airflow-hpt, before 3.3": one_by_one}
    if find_spec("aiobotocore"):
        ways["stock"] = stock
    names = [f"tune-{number}" for number in range(given.jobs)]
    print(f"{given.jobs} deferred tuning jobs, one look every {given.interval:g} s, for {given.seconds:g} s\n")
    print("| trigger | Describe | List | calls a minute |")
    print("|---|---|---|---|")
    with service_with_jobs(names) as home:
        for what, wait in ways.items():
            calls = asyncio.run(counted(wait, names, home=home, interval=given.interval, seconds=given.seconds))
            described, listed = (
                calls[f"{verb}HyperParameterTuningJob{s}"] for verb, s in (("Describe", ""), ("List", "s"))
            )
            print(f"| {what} | {described} | {listed} | {calls.total() * 60 / given.seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
