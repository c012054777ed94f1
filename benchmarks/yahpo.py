"""YAHPO Gym's surrogates of real training runs, as problems to minimise over our own search spaces.

A folder holds one folder per scenario with `model.onnx`, `config_space.json` and `encoding.json`, as published in the
yahpo_data repository of the YAHPO Gym authors (Pfisterer et al. 2022). The space is flat, as in a tuning job of
SageMaker: conditional hyperparameters are always suggested, and blanked here when their parent makes them inactive.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from airflow_hpt.domain.space import (
    CategoricalRange,
    ContinuousRange,
    Hyperparameters,
    IntegerRange,
    Range,
    Scaling,
    Space,
)


@dataclass(frozen=True)
class Scenario:
    """Which columns the surrogate of a scenario takes and gives, in the order of its tensors."""

    outputs: tuple[str, ...]
    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    instance: str
    fidelity: dict[str, float]
    low_fidelity: dict[str, float]


SCENARIOS = {
    "lcbench": Scenario(
        outputs=(
            "time",
            "val_accuracy",
            "val_cross_entropy",
            "val_balanced_accuracy",
            "test_cross_entropy",
            "test_balanced_accuracy",
        ),
        numbers=(
            "epoch",
            "batch_size",
            "learning_rate",
            "momentum",
            "weight_decay",
            "num_layers",
            "max_units",
            "max_dropout",
        ),
        categories=("OpenML_task_id",),
        instance="OpenML_task_id",
        fidelity={"epoch": 52},
        low_fidelity={"epoch": 12},
    ),
    "rbv2_xgboost": Scenario(
        outputs=("acc", "bac", "auc", "brier", "f1", "logloss", "timetrain", "timepredict", "memory"),
        numbers=(
            "nrounds",
            "eta",
            "gamma",
            "lambda",
            "alpha",
            "subsample",
            "max_depth",
            "min_child_weight",
            "colsample_bytree",
            "colsample_bylevel",
            "rate_drop",
            "skip_drop",
            "trainsize",
            "repl",
        ),
        categories=("task_id", "booster", "num.impute.selected.cpo"),
        instance="task_id",
        fidelity={"trainsize": 1.0, "repl": 10},
        low_fidelity={"trainsize": 0.25, "repl": 10},
    ),
}
MAXIMISED = {"val_accuracy", "acc"}


@dataclass(frozen=True)
class Target:
    """One objective on one data set, with the best value known and the median of random configurations."""

    scenario: str
    instance: str
    objective: str
    best: float = 0.0
    median: float = 1.0

    def regret(self, value: float) -> float:
        """Return how far `value` is from the best known: 1 for a median random configuration."""
        return (value - self.best) / (self.median - self.best)

    def __str__(self) -> str:
        return f"{self.scenario}/{self.instance}/{self.objective}"


class Task:
    """A target as a function of hyperparameters, to be minimised."""

    def __init__(self, folder: Path, target: Target, *, is_small: bool = False, is_negated: bool = False) -> None:
        self.scenario = SCENARIOS[target.scenario]
        self.target = target
        self.fixed: dict[str, Any] = dict(self.scenario.low_fidelity if is_small else self.scenario.fidelity)
        self.fixed[self.scenario.instance] = target.instance
        self.sign = -1.0 if (target.objective in MAXIMISED) != is_negated else 1.0
        self.column = self.scenario.outputs.index(target.objective)
        self.session, self.codes, described = opened(folder / target.scenario)
        given = [each for each in described["hyperparameters"] if each["name"] not in self.fixed]
        self.space = Space(tuple(_range(each) for each in given))
        self.conditions = [
            (each["child"], each["parent"], set(each.get("values") or [each.get("value")]))
            for each in described["conditions"]
        ]

    def __call__(self, hyperparameters: Hyperparameters) -> float:
        return float(self.many([hyperparameters])[0])

    def many(self, configurations: Sequence[Hyperparameters]) -> np.ndarray:
        """Return the objective of each of `configurations`."""
        rows = [self._row(each) for each in configurations]
        numbers = np.array([[row[name] for name in self.scenario.numbers] for row in rows], np.float32)
        codes = [[self.codes[name][row[name]] for name in self.scenario.categories] for row in rows]
        found = self.session.run(None, {"x_cat": np.array(codes, np.int32), "x_cont": numbers})[0]
        return self.sign * found[:, self.column].astype(float)

    def _row(self, hyperparameters: Hyperparameters) -> dict[str, Any]:
        row: dict[str, Any] = dict(hyperparameters)
        for child, parent, values in self.conditions:
            if row[parent] not in values:
                row[child] = 0
        return row | self.fixed


@cache
def opened(folder: Path) -> tuple[onnxruntime.InferenceSession, dict[str, dict[str, int]], dict[str, Any]]:
    """Return the surrogate, the codes of its categories and its configuration space."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    codes = json.loads((folder / "encoding.json").read_text())
    return session, codes, json.loads((folder / "config_space.json").read_text())


def _range(described: dict[str, Any]) -> Range:
    if described["type"] == "categorical":
        return CategoricalRange(described["name"], tuple(sorted(described["choices"])))
    scaling = Scaling.LOGARITHMIC if described["log"] else Scaling.LINEAR
    kind = IntegerRange if described["type"] == "uniform_int" else ContinuousRange
    return kind(described["name"], described["lower"], described["upper"], scaling)


def referenced(folder: Path, target: Target, *, draws: int = 20_000) -> Target:
    """Return `target` with its median and its best known value: random draws, then steps from the best of them."""
    task = Task(folder, target)
    rng = np.random.default_rng(0)
    points = rng.random((draws, len(task.space.ranges)))
    values = np.concatenate([_at(task, points[i : i + 2000]) for i in range(0, draws, 2000)])
    median = float(np.median(values))
    points, values = points[np.argsort(values)[:20]], np.sort(values)[:20]
    for size in np.repeat([0.2, 0.1, 0.05, 0.02, 0.01], 4):
        moved = np.repeat(points, 12, axis=0)
        is_moved = rng.random(moved.shape) < 0.4
        moved = np.clip(moved + is_moved * size * rng.standard_normal(moved.shape), 0, 1)
        is_drawn = rng.random(moved.shape) < 0.04
        moved = np.where(is_drawn, rng.random(moved.shape), moved)
        found = _at(task, moved).reshape(20, 12)
        best = found.argmin(axis=1)
        better = found.min(axis=1) < values
        points[better] = moved.reshape(20, 12, -1)[np.arange(20), best][better]
        values = np.minimum(values, found.min(axis=1))
    return Target(target.scenario, target.instance, target.objective, best=float(values.min()), median=median)


def _at(task: Task, points: np.ndarray) -> np.ndarray:
    return task.many([task.space.decode(point) for point in points])
