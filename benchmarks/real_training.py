"""Real training on data that scikit-learn ships: tune on the old data, then retune on the refreshed data.

    python benchmarks/real_training.py --seeds 3

The old data are the first half of the rows, in a fixed random order; the refreshed data are all of them. The objective
is the error of a gradient-boosted classifier or a support vector machine in cross-validation. Compared on the refreshed
data: a cold search, a search that is warm-started from the tuning job on the old data, and random search.
"""

import argparse
import warnings
from collections.abc import Callable

import numpy as np
from search_engines import Ours, Setting, raced, random_search
from sklearn import datasets
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from airflow_hpt.domain.space import CategoricalRange, ContinuousRange, Hyperparameters, IntegerRange, Scaling, Space
from airflow_hpt.local.search.base import Parent

AT = (1, 3, 5, 10, 15)
DATA = {"digits": datasets.load_digits, "breast cancer": datasets.load_breast_cancer, "wine": datasets.load_wine}
MACHINE = Space(
    (
        ContinuousRange("C", 1e-3, 1e3, Scaling.LOGARITHMIC),
        ContinuousRange("gamma", 1e-6, 1e1, Scaling.LOGARITHMIC),
        CategoricalRange("kernel", ("rbf", "poly", "sigmoid")),
        IntegerRange("degree", 2, 5),
    )
)
BOOSTING = Space(
    (
        ContinuousRange("learning_rate", 1e-3, 1.0, Scaling.LOGARITHMIC),
        IntegerRange("n_estimators", 5, 60, Scaling.LOGARITHMIC),
        IntegerRange("max_depth", 1, 8),
        ContinuousRange("subsample", 0.2, 1.0),
        IntegerRange("min_samples_leaf", 1, 50, Scaling.LOGARITHMIC),
    )
)
PROBLEMS = (("digits", "svm"), ("breast cancer", "svm"), ("breast cancer", "boosting"), ("wine", "boosting"))


def objective(name: str, model: str, *, share: float) -> Callable[[Hyperparameters], float]:
    """Return the error in cross-validation on the first `share` of a data set."""
    x, y = DATA[name](return_X_y=True)
    rows = np.random.default_rng(0).permutation(len(y))[: int(share * len(y))]

    def error(hyperparameters: Hyperparameters) -> float:
        values = dict(hyperparameters)
        built = SVC(**values) if model == "svm" else GradientBoostingClassifier(random_state=0, **values)
        return float(1 - cross_val_score(make_pipeline(StandardScaler(), built), x[rows], y[rows], cv=3).mean())

    return error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=15)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", module="sklearn")
    print(f"| data, model | search | best error after {' / '.join(map(str, AT))} training jobs |\n|---|---|---|")
    for name, model in PROBLEMS:
        for label, runs in compared(name, model, arguments.jobs, arguments.seeds).items():
            means = np.minimum.accumulate(np.array(runs), axis=1).mean(axis=0)
            print(f"| {name}, {model} | {label} | {' / '.join(f'{means[at - 1]:.4f}' for at in AT)} |", flush=True)


def compared(name: str, model: str, jobs: int, seeds: int) -> dict[str, list[list[float]]]:
    """Return the errors of every search, a list for each seed."""
    space = MACHINE if model == "svm" else BOOSTING
    old, new = (objective(name, model, share=share) for share in (0.5, 1.0))
    found: dict[str, list[list[float]]] = {"random": [], "cold": [], "warm-started": []}
    for seed in range(seeds):
        parent = Parent("old-data", raced(Ours(Setting(space, 100 + seed)), old, jobs).observations)
        engines = {
            "random": random_search(Setting(space, seed)),
            "cold": Ours(Setting(space, seed)),
            "warm-started": Ours(Setting(space, seed, (parent,))),
        }
        for label, engine in engines.items():
            found[label].append([each.objective or 0.0 for each in raced(engine, new, jobs).observations])
    return found


if __name__ == "__main__":
    main()
