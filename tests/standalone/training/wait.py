"""A training job that takes as long as it is told to."""

import argparse
import time

parser = argparse.ArgumentParser()
parser.add_argument("-x", type=float)
parser.add_argument("--seconds", type=float)
given = parser.parse_args()
time.sleep(given.seconds)
print(f"score={given.x}")  # noqa: T201 - this is how it tells its objective
