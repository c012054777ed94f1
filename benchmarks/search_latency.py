"""How long a suggestion takes, by observations and parents, beside Optuna's samplers in the same process.

    python benchmarks/search_latency.py --peers

Set OPENBLAS_NUM_THREADS=1 and OMP_NUM_THREADS=1: more threads make small matrices slower.
"""

import argparse
import math
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

from search_engines import Ours, Setting

from airflow_hpt.domain.space import CategoricalRange, ContinuousRange, Hyperparameters, IntegerRange, Scaling, Space
from airflow_hpt.local.search.base import Observation, Parent

SPACE = Space(
    (
        ContinuousRange("learning_rate", 1e-5, 1.0, Scaling.LOGARITHMIC),
        ContinuousRange("dropout", 0.0, 0.9),
        ContinuousRange("decay", 1e-8, 1e-2, Scaling.LOGARITHMIC),
        ContinuousRange("momentum", 0.0, 0.999, Scaling.REVERSE_LOGARITHMIC),
        IntegerRange("layers", 1, 12),
        IntegerRange("units", 16, 2048, Scaling.LOGARITHMIC),
        CategoricalRange("optimizer", ("sgd", "adam", "rmsprop")),
        CategoricalRange("activation", ("relu", "gelu", "tanh")),
    )
)
SITUATIONS = ((50, 0, 0), (200, 0, 0), (750, 0, 0), (50, 5, 50), (50, 5, 750))  # own, parents, jobs of each parent


def objective(hyperparameters: Hyperparameters) -> float:
    point = SPACE.encode(hyperparameters)
    return sum((u - 0.3 - 0.05 * j) ** 2 for j, u in enumerate(point)) + 0.1 * math.sin(9 * sum(point))


def drawn(count: int, seed: int) -> tuple[Observation, ...]:
    draws = random.Random(seed)
    configurations = [SPACE.decode([draws.random() for _ in SPACE.ranges]) for _ in range(count)]
    return tuple(Observation(each, objective(each)) for each in configurations)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", action="store_true", help="measure Optuna too (peers.txt says which version)")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    makers: dict[str, Callable[[Setting], Any]] = {"ours": Ours}
    if arguments.peers:
        from search_peers import PEERS

        makers |= {name: PEERS[name] for name in ("optuna-tpe", "optuna-gp")}
    print("| own | parents | " + " | ".join(f"{each}, s (first)" for each in makers) + " | ours : slowest |")
    print("|---|---|" + "---|" * (len(makers) + 1))
    for own, parents, jobs in SITUATIONS:
        setting = Setting(SPACE, 0, tuple(Parent(f"parent-{i}", drawn(jobs, i)) for i in range(parents)))
        times = {name: timed(make(setting), drawn(own, 99), arguments.repeats) for name, make in makers.items()}
        medians = {name: statistics.median(each[1:]) for name, each in times.items()}
        cells = [f"{medians[name]:.3f} ({times[name][0]:.3f})" for name in makers]
        ratio = f"1 : {max(medians.values()) / medians['ours']:.0f}"
        print(f"| {own} | {parents} x {jobs} | {' | '.join(cells)} | {ratio} |", flush=True)


def timed(engine: Any, known: tuple[Observation, ...], repeats: int) -> list[float]:
    """Return the seconds of the first suggestion with everything known, and of `repeats` more."""
    engine.learn(known)
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        suggestion = engine.ask()
        seconds.append(time.perf_counter() - start)
        engine.tell(suggestion, objective(suggestion))
    return seconds


if __name__ == "__main__":
    main()
