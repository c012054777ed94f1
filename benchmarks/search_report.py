"""The table and the plots of the search benchmark, from the lines of its results."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

COLD_AT = (10, 25, 50)
WARM_AT = (5, 10, 25)
LEVELS = (("ours", 25), ("ours", 50), ("optuna-gp", 50))  # cold searches that a warm-started one is measured by
NEVER = 99  # stands for "not within the budget" when medians are taken


class Runs:
    """Best regret so far after each training job, by engine, kind, target and seed."""

    def __init__(self, lines: Sequence[dict[str, Any]], group: str) -> None:
        self.lines = [each for each in lines if each.get("group") == group]

    def of(self, engine: str, kind: str, *, scenario: str = "") -> dict[tuple[str, int], np.ndarray]:
        return {
            (each["target"], each["seed"]): np.minimum.accumulate(each["regrets"])
            for each in self.lines
            if each["engine"] == engine and each["kind"] == kind and each["target"].startswith(scenario)
        }

    def names(self, field: str) -> list[str]:
        return sorted({each[field] for each in self.lines}, key=lambda name: (name != "ours", name != "cold", name))

    def seconds(self, engine: str, kind: str) -> float:
        return float(np.mean([e["seconds"] for e in self.lines if (e["engine"], e["kind"]) == (engine, kind)]))

    def cold_levels(self, engine: str, at: int) -> dict[str, float]:
        """Return for each target the median regret that the cold search of `engine` has after `at` training jobs."""
        cold = self.of(engine, "cold")
        targets = {target for target, _ in cold}
        return {
            target: float(np.median([v[at - 1] for (t, _), v in cold.items() if t == target])) for target in targets
        }


def report(lines: Sequence[dict[str, Any]], *, group: str, out: Path | None) -> None:
    """Print the tables of a group of targets, and draw the plots into the folder `out`."""
    runs = Runs(lines, group)
    scenarios = sorted({each["target"].partition("/")[0] for each in runs.lines})
    cold_table(runs, scenarios)
    warm_table(runs, scenarios)
    if out:
        draw(runs, scenarios, out)


def cold_table(runs: Runs, scenarios: list[str]) -> None:
    print(f"| cold: engine | runs | {' | '.join(scenarios)} | mean | seconds |")
    print("|---|---|" + "---|" * (len(scenarios) + 2))
    for engine in runs.names("engine"):
        found = [runs.of(engine, "cold", scenario=each) for each in scenarios]
        if all(found):
            means = [np.mean([v[[at - 1 for at in COLD_AT]] for v in each.values()], axis=0) for each in found]
            cells = [*map(_figures, means), _figures(np.mean(means, axis=0))]
            count = " + ".join(str(len(each)) for each in found)
            print(f"| {engine} | {count} | {' | '.join(cells)} | {runs.seconds(engine, 'cold'):.3f} |")


def warm_table(runs: Runs, scenarios: list[str]) -> None:
    levels = {f"to {engine}@{at}": runs.cold_levels(engine, at) for engine, at in LEVELS if runs.of(engine, "cold")}
    print(f"\n| warm: kind | engine | runs | {' | '.join(levels)} | {' | '.join(scenarios)} | seconds |")
    print("|---|---|---|" + "---|" * (len(levels) + len(scenarios) + 1))
    for kind in [each for each in runs.names("kind") if each != "cold"]:
        for engine in [e for e in runs.names("engine") if all(runs.of(e, kind, scenario=s) for s in scenarios)]:
            found = [runs.of(engine, kind, scenario=each) for each in scenarios]
            cells = [
                _figures(np.mean([v[[at - 1 for at in WARM_AT]] for v in each.values()], axis=0)) for each in found
            ]
            reached = [_reached(runs.of(engine, kind), each) for each in levels.values()]
            told = [f"{_number(np.median(each))} ({np.mean(each < NEVER):.0%})" for each in reached]
            row = [kind, engine, str(sum(map(len, found))), *told, *cells, f"{runs.seconds(engine, kind):.3f}"]
            print(f"| {' | '.join(row)} |")


def _reached(found: dict[tuple[str, int], np.ndarray], levels: dict[str, float]) -> np.ndarray:
    """Return for every run the number of training jobs after which it was as good as its target's level."""
    return np.array(
        [
            next((i + 1 for i, v in enumerate(run) if v <= levels[t]), NEVER)
            for (t, _), run in found.items()
            if t in levels
        ]
    )


def _number(jobs: float) -> str:
    return ">25" if jobs >= NEVER / 2 else f"{jobs:.0f}"


def _figures(values: np.ndarray) -> str:
    return " / ".join(f"{each:.3f}" for each in values)


def draw(runs: Runs, scenarios: list[str], out: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "airflow-hpt"  # the same plot from the same results
    from matplotlib import pyplot

    def panels(name: str, title: str, lines: Callable[[str], dict[str, np.ndarray]]) -> None:
        figure, axes = pyplot.subplots(1, len(scenarios), figsize=(5 * len(scenarios), 3.6), squeeze=False)
        for axis, scenario in zip(axes[0], scenarios, strict=True):
            for label, values in lines(scenario).items():
                axis.plot(np.arange(1, len(values) + 1), values, label=label, lw=2.4 if "ours" in label else 1.3)
            axis.set(title=scenario, xlabel="training jobs", ylabel="mean regret", ylim=(0, 1))
            axis.grid(alpha=0.3)
        axes[0][0].legend(fontsize=8)
        figure.suptitle(title)
        figure.tight_layout()
        figure.savefig(out / name, metadata={"Date": None})

    def mean(engine: str, kind: str, scenario: str) -> np.ndarray:
        return np.mean(list(runs.of(engine, kind, scenario=scenario).values()), axis=0)

    engines = [each for each in runs.names("engine") if all(runs.of(each, "cold", scenario=s) for s in scenarios)]
    kinds = [each for each in runs.names("kind") if all(runs.of("ours", each, scenario=s) for s in scenarios)]
    panels("search-regret.svg", "Cold start", lambda s: {each: mean(each, "cold", s) for each in engines})
    panels("search-warm-start.svg", "Warm start", lambda s: {each: mean("ours", each, s)[:25] for each in kinds})
