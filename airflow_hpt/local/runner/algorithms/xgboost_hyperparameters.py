"""The hyperparameters of the XGBoost image: their kinds, and how a request's texts are read."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

OWN_PREFIXES = ("_tuning_", "sagemaker_")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a hyperparameter may be: `read` raises ValueError for a text that is not `meant`."""

    read: Callable[[str], Any]
    meant: str


def _whole(low: int, high: float = math.inf) -> Kind:
    return Kind(lambda text: _within(int(text), low, high), f"a whole number {_between(low, high)}")


def _number(low: float = -math.inf, high: float = math.inf) -> Kind:
    return Kind(lambda text: _within(float(text), low, high), f"a number {_between(low, high)}".strip())


def _one_of(*options: str) -> Kind:
    def read(text: str) -> str:
        if text not in options:
            raise ValueError(text)
        return text

    return Kind(read, f"one of {', '.join(options)}")


def _within(value: Any, low: float, high: float) -> Any:
    if not low <= value <= high:
        raise ValueError(value)
    return value


def _between(low: float, high: float) -> str:
    if math.isinf(high):
        return "" if math.isinf(low) else f"of at least {low:g}"
    return f"from {low:g} to {high:g}"


def _truth(text: str) -> bool:
    return {"true": True, "1": True, "false": False, "0": False}[text.lower()]


TEXT = Kind(str, "a text")
LIST = Kind(lambda text: [item.strip() for item in text.split(",") if item.strip()], "names separated by commas")
FLAG = Kind(lambda text: int(_truth(text)), "true or false")
SHARE = _number(0, 1)
POSITIVE = _number(0)

KINDS: Mapping[str, Kind] = {
    # What the image itself acts on
    "num_round": _whole(1),
    "early_stopping_rounds": _whole(1),
    "csv_weights": _one_of("0", "1"),
    "eval_metric": LIST,
    "save_model_on_termination": FLAG,
    # What XGBoost takes
    "aft_loss_distribution": _one_of("normal", "logistic", "extreme"),
    "aft_loss_distribution_scale": POSITIVE,
    "alpha": POSITIVE,
    "base_score": _number(),
    "booster": _one_of("gbtree", "gblinear", "dart"),
    "colsample_bylevel": SHARE,
    "colsample_bynode": SHARE,
    "colsample_bytree": SHARE,
    "eta": SHARE,
    "gamma": POSITIVE,
    "grow_policy": _one_of("depthwise", "lossguide"),
    "huber_slope": POSITIVE,
    "interaction_constraints": TEXT,
    "lambda": POSITIVE,
    "max_bin": _whole(2),
    "max_delta_step": POSITIVE,
    "max_depth": _whole(0),
    "max_leaves": _whole(0),
    "min_child_weight": POSITIVE,
    "monotone_constraints": TEXT,
    "normalize_type": _one_of("tree", "forest"),
    "nthread": _whole(1),
    "num_class": _whole(2),
    "num_parallel_tree": _whole(1),
    "objective": TEXT,
    "one_drop": FLAG,
    "process_type": _one_of("default", "update"),
    "rate_drop": SHARE,
    "refresh_leaf": FLAG,
    "sample_type": _one_of("uniform", "weighted"),
    "sampling_method": _one_of("uniform", "gradient_based"),
    "scale_pos_weight": _number(),
    "seed": _whole(0),
    "skip_drop": SHARE,
    "subsample": SHARE,
    "tree_method": _one_of("auto", "exact", "approx", "hist"),
    "tweedie_variance_power": _number(1, 2),
    "updater": TEXT,
    "verbosity": _whole(0, 3),
}
# Taken by the image, without a meaning in today's XGBoost.
OBSOLETE = frozenset(
    {
        "deterministic_histogram",
        "dsplit",
        "lambda_bias",
        "predictor",
        "prob_buffer_row",
        "silent",
        "single_precision_histogram",
        "sketch_eps",
        "use_dask_gpu_training",
    }
)


def read(wire: Mapping[str, str]) -> dict[str, Any]:
    """Return the typed hyperparameters; ValueError names everything that is wrong with them."""
    faults, values = [], {}
    for name, text in sorted(wire.items()):
        if name in OBSOLETE or name.startswith(OWN_PREFIXES):
            continue
        if name not in KINDS:
            faults.append(f"{name} is not a hyperparameter of XGBoost")
            continue
        try:
            values[name] = KINDS[name].read(_unquoted(text))
        except (ValueError, KeyError):
            faults.append(f"{name} is {text!r} but must be {KINDS[name].meant}")
    faults += _missing(values)
    if faults:
        raise ValueError("; ".join(faults))
    return values


def _missing(values: Mapping[str, Any]) -> list[str]:
    faults = [] if "num_round" in values else ["num_round is required"]
    if str(values.get("objective", "")).startswith("multi:") and "num_class" not in values:
        faults.append(f"num_class is required for the objective {values['objective']}")
    return faults


def _unquoted(text: str) -> str:
    return str(json.loads(text)) if text.startswith('"') and text.endswith('"') and len(text) > 1 else text.strip()
