"""How the training toolkit reads hyperparameters: decoded one by one, split from its own, turned into arguments."""

import json
import os
from collections.abc import Mapping
from typing import Any

from airflow_hpt.local.runner.failures import client_error

OWN_PREFIX = "sagemaker_"
OWN = frozenset({"_tuning_objective_metric", "default_user_module_name"})


def decode(text: str) -> tuple[Any, bool]:
    """Return the JSON value that a text stands for, and whether it is JSON; any other text stands for itself.

    >>> decode("64"), decode('"64"'), decode("adam")
    ((64, True), ('64', True), ('adam', False))
    """
    try:
        return json.loads(text), True
    except (ValueError, RecursionError):
        return text, False


def users_own(wire: Mapping[str, str]) -> dict[str, Any]:
    """Return the decoded hyperparameters that are the user's: all but those that the toolkit keeps for itself."""
    return {name: decode(text)[0] for name, text in wire.items() if not (name.startswith(OWN_PREFIX) or name in OWN)}


def setting(wire: Mapping[str, str], name: str) -> str | None:
    """Return one of the toolkit's own hyperparameters as text; None when it is not given."""
    return None if name not in wire else str(decode(wire[name])[0])


def arguments(hyperparameters: Mapping[str, Any]) -> list[str]:
    """Return the command-line arguments: sorted by name, one dash before a single letter, else two.

    >>> arguments({"lr": 0.1, "C": 2, "flags": {"b": 1, "a": None}})
    ['-C', '2', '--flags', 'a=None,b=1', '--lr', '0.1']
    """
    found = []
    for name in sorted(hyperparameters):
        value = _argument(hyperparameters[name])
        if "\0" in name + value or not _is_encodable(name + value):
            raise client_error(f"Hyperparameter {name!r} has a character that a command line cannot carry; remove it.")
        found += [f"--{name}" if len(name) > 1 else f"-{name}" if name else "", value]
    return found


def _argument(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{key}={item}" for key, item in sorted(value.items()))
    return "" if value is None else str(value)


def _is_encodable(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True
