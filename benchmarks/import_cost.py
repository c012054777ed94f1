"""What a DAG file pays for importing operators: airflow-hpt's and the stock ones, in one run.

A DAG processor imports them for every file, all day long. Airflow itself is imported once; then, for each measurement,
the process is copied and the module imported in the copy.

    python benchmarks/import_cost.py [--repeat 7]
"""

import argparse
import json
import os
import sys
import time
from importlib import import_module
from statistics import median

import airflow.sdk
from airflow.sdk import DAG, BaseOperator, BaseSensorOperator, task  # noqa: F401 - what a DAG file imports anyway

PAIRS = {
    "tuning operator": ("airflow_hpt.operators.tuning", "airflow.providers.amazon.aws.operators.sagemaker"),
    "tuning sensor": ("airflow_hpt.sensors.tuning", "airflow.providers.amazon.aws.sensors.sagemaker"),
    "tuning trigger": ("airflow_hpt.triggers.tuning", "airflow.providers.amazon.aws.triggers.sagemaker"),
}


def measure(module: str) -> tuple[float, int]:
    """Return CPU milliseconds and new modules of one import, in a copy of this process."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        known, began = set(sys.modules), time.process_time()
        import_module(module)
        spent = (time.process_time() - began) * 1000
        os.write(writing, json.dumps([spent, len(set(sys.modules) - known)]).encode())
        os._exit(0)
    os.wait()
    answer = os.read(reading, 1000)
    os.close(reading)
    os.close(writing)
    spent, modules = json.loads(answer)
    return spent, modules


def repeated(module: str, times: int) -> tuple[float, float, float, int]:
    """Return median, least and most CPU milliseconds and the number of new modules."""
    measure(module)  # fills the caches of the file system
    figures = [measure(module) for _ in range(times)]
    spent = [each for each, _ in figures]
    return median(spent), min(spent), max(spent), figures[0][1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=7)
    times = parser.parse_args().repeat
    print(f"On top of airflow.sdk {airflow.sdk.__version__}; CPU ms, median (least-most) of {times}\n")
    print("| import | airflow-hpt | modules | stock | modules | CPU ratio |")
    print("|---|---|---|---|---|---|")
    for what, (ours, stock) in PAIRS.items():
        own, other = repeated(ours, times), repeated(stock, times)
        cells = [f"{each[0]:.0f} ({each[1]:.0f}-{each[2]:.0f}) | {each[3]}" for each in (own, other)]
        print(f"| {what} | {cells[0]} | {cells[1]} | {other[0] / own[0]:.0f} x |")


if __name__ == "__main__":
    main()
