"""What deferred tuning jobs cost in API calls: one shared listing per interval against a look at each job.

A server that counts calls stands for SageMaker; triggers run on the shared streams of Airflow 3.3's triggerer. Counting
begins one interval after the triggers, each of which looks at its job once when it starts.

    python benchmarks/polling.py [--jobs 200] [--interval 30] [--seconds 120]
"""

import argparse
import asyncio
import json
import os
import sys
from collections import Counter
from pathlib import Path

import structlog
from airflow.triggers.shared_stream import SharedStreamManager

sys.path.insert(0, str(Path(__file__).parents[1]))

from airflow_hpt.triggers.tuning import TuningJobFinished
from tests.airflow.fake_sagemaker import REGION, FakeSageMaker
from tests.airflow.requests import make_config


async def wait(triggers: list[TuningJobFinished], service: FakeSageMaker, *, shared: bool, seconds: float) -> None:
    """Let all triggers wait for a while, with the calls of the first interval forgotten."""
    manager = SharedStreamManager(log=structlog.get_logger())

    async def one(number: int, trigger: TuningJobFinished) -> None:
        if shared:
            key = trigger.shared_stream_key()
            stream = manager.subscribe(trigger_id=number, trigger=trigger, key=key)
            await anext(trigger.filter_shared_stream(stream))
        else:
            await anext(trigger.run())

    waiting = [asyncio.create_task(one(*each)) for each in enumerate(triggers)]
    await asyncio.wait(waiting, timeout=triggers[0].poll_seconds * 0.9)
    service.calls.clear()
    await asyncio.wait(waiting, timeout=seconds)
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await manager.stop_all()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--interval", type=float, default=30)
    parser.add_argument("--seconds", type=float, default=120)
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))

    service = FakeSageMaker()
    extra = {"endpoint_url": service.endpoint, "region_name": REGION}
    connection = {"conn_type": "aws", "login": "x", "password": "x", "extra": extra}
    os.environ["AIRFLOW_CONN_FAKE"] = json.dumps(connection)
    names = [f"tune-{number}" for number in range(given.jobs)]
    for name in names:
        service.CreateHyperParameterTuningJob(make_config(HyperParameterTuningJobName=name))

    print(f"{given.jobs} deferred tuning jobs, one look every {given.interval:g} s, for {given.seconds:g} s\n")
    print("| polling | DescribeHyperParameterTuningJob | ListHyperParameterTuningJobs | calls a minute |")
    print("|---|---|---|---|")
    for what, shared in (("shared", True), ("one by one", False)):
        triggers = [TuningJobFinished(name, aws_conn_id="fake", poll_seconds=given.interval) for name in names]
        asyncio.run(wait(triggers, service, shared=shared, seconds=given.seconds))
        counts = Counter(operation for operation, _ in service.calls)
        described, listed = counts["DescribeHyperParameterTuningJob"], counts["ListHyperParameterTuningJobs"]
        print(f"| {what} | {described} | {listed} | {(described + listed) * 60 / given.seconds:.0f} |", flush=True)
    service.close()


if __name__ == "__main__":
    main()
