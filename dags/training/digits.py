"""Trains a classifier of handwritten digits the way SageMaker's script mode expects it.

Hyperparameters are arguments, folders are SM_ variables, the objective is printed, the model is saved. The script knows
nothing of Airflow, of tuning or of where it runs.
"""

import argparse
import os
from pathlib import Path

import joblib
import numpy as np
from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("-C", type=float, default=1.0, help="how much a misplaced sample costs")
    parser.add_argument("--gamma", type=float, default=0.001, help="how far the influence of a sample reaches")
    parser.add_argument("--components", type=int, default=32, help="how many principal components are kept")
    parser.add_argument("--kernel", default="rbf")
    parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN"))
    parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR"))
    return parser.parse_args()


def load(folder: str) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels and digits from every CSV file of a folder; the digit is the last column."""
    rows = np.vstack([np.loadtxt(path, delimiter=",") for path in sorted(Path(folder).rglob("*.csv"))])
    return rows[:, :-1], rows[:, -1].astype(int)


def main() -> None:
    arguments = parse_arguments()
    pixels, digits = load(arguments.train)
    model = make_pipeline(
        PCA(arguments.components, random_state=0),
        SVC(C=arguments.C, gamma=arguments.gamma, kernel=arguments.kernel),
    )
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    accuracy = cross_val_score(model, pixels, digits, cv=folds).mean()
    print(f"samples={len(digits)}")
    print(f"validation:accuracy={accuracy:.6f}", flush=True)
    joblib.dump(model.fit(pixels, digits), Path(arguments.model_dir) / "model.joblib")


if __name__ == "__main__":
    main()
