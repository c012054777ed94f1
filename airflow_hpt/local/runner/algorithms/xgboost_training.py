"""The XGBoost image's training program: `python -m airflow_hpt.local.runner.algorithms.xgboost_training`."""

import json
import os
import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_hpt.local.runner.algorithms.xgboost_data import load, same_width
from airflow_hpt.local.runner.algorithms.xgboost_hyperparameters import read
from airflow_hpt.local.runner.algorithms.xgboost_scores import COMPUTED, scorer

CHANNELS = ("train", "validation")  # in the order in which their metrics are printed
DEFAULT_CONTENT_TYPE = "text/libsvm"
OBJECTIVE = "_tuning_objective_metric"
MODEL = "xgboost-model"
IMAGES_OWN = ("num_round", "early_stopping_rounds", "csv_weights", "eval_metric", "save_model_on_termination")


def main(base: Path) -> None:
    """Train on the channels below `base`, which stands for /opt/ml, and write the model."""
    try:
        wire = json.loads((base / "input" / "config" / "hyperparameters.json").read_text())
        values = read(wire)
        model = train(values, load_channels(base, values), metrics=metrics_of(values, wire.get(OBJECTIVE, "")))
    except ValueError as fault:  # XGBoost's own errors are ValueErrors too
        (base / "output" / "failure").write_text(f"ClientError: {_said(fault)}")
        sys.exit(1)
    (base / "model" / MODEL).write_bytes(model.save_raw("ubj"))


def load_channels(base: Path, values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the arguments of a DMatrix for each channel."""
    given = json.loads((base / "input" / "config" / "inputdataconfig.json").read_text())
    if "train" not in given:
        raise ValueError(f"The channel train is required; the request has {', '.join(given) or 'no channels'}.")
    channels = {}
    for name in [name for name in CHANNELS if name in given]:
        content_type = given[name].get("ContentType") or DEFAULT_CONTENT_TYPE
        folder = base / "input" / "data" / name
        try:
            channels[name] = load(folder, content_type, has_weights=values.get("csv_weights") == "1")
        except ValueError as fault:
            raise ValueError(f"The data of the channel {name} cannot be used: {fault}.") from fault
    same_width(channels)
    return channels


def metrics_of(values: Mapping[str, Any], objective: str) -> list[str]:
    """Return the metrics to evaluate: those asked for, and the one that the tuning job optimises, last."""
    asked = [metric for metric in values.get("eval_metric", ()) if metric]
    tuned = objective.strip('"').partition(":")[2]
    return asked + [tuned] * (bool(tuned) and tuned not in asked)


def train(values: Mapping[str, Any], channels: Mapping[str, dict[str, Any]], *, metrics: list[str]) -> Any:
    """Return the trained model, after printing the metrics of every round."""
    import xgboost

    bounds = ("label_lower_bound", "label_upper_bound") if values.get("objective") == "survival:aft" else ()
    matrices = {
        name: xgboost.DMatrix(**data, **{bound: data["label"] for bound in bounds}) for name, data in channels.items()
    }
    native = [metric for metric in metrics if metric not in COMPUTED]
    computed = [metric for metric in metrics if metric in COMPUTED]
    settings: dict[str, Any] = {name: value for name, value in values.items() if name not in IMAGES_OWN}
    settings |= {"eval_metric": native} if native else {"disable_default_eval_metric": bool(computed)}
    settings.setdefault("nthread", int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1))
    rounds = values.get("early_stopping_rounds")
    if rounds and "validation" not in matrices:
        raise ValueError("early_stopping_rounds needs the channel validation.")
    return xgboost.train(
        settings,
        matrices["train"],
        num_boost_round=values["num_round"],
        evals=[(matrix, name) for name, matrix in matrices.items()],
        custom_metric=scorer(computed, str(values.get("objective"))) if computed else None,
        early_stopping_rounds=rounds,
        callbacks=[_stop_on_sigterm()] if values.get("save_model_on_termination") else [],
    )


def _stop_on_sigterm() -> Any:
    """Return a callback that ends training after the current round once the training job is asked to stop."""
    import xgboost

    class Stop(xgboost.callback.TrainingCallback):  # type: ignore[misc]
        def __init__(self) -> None:
            self.is_asked = False
            signal.signal(signal.SIGTERM, lambda *_: setattr(self, "is_asked", True))

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            return self.is_asked

    return Stop()


def _said(fault: ValueError) -> str:
    """Return what a fault says, without the place in XGBoost's source and the stack."""
    return re.sub(r"^\[[\d:]+\] \S+: ", "", str(fault).partition("\nStack trace")[0]).strip()


if __name__ == "__main__":
    sys.modules["sklearn"] = None  # type: ignore[assignment] # XGBoost would import it, which takes longer than a small job
    main(Path(os.environ["SAGEMAKER_BASE_DIR"]))
