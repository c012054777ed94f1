"""Hyperparameter tuning jobs with warm start for Apache Airflow, on Amazon SageMaker or on your own machine.

Names are loaded when they are first used, so that a DAG file pays only for what it takes.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Categorical": "airflow_hpt.config",
    "Continuous": "airflow_hpt.config",
    "DataRefreshSensor": "airflow_hpt.sensors.data",
    "DataRefreshed": "airflow_hpt.triggers.data",
    "Integer": "airflow_hpt.config",
    "Maximize": "airflow_hpt.config",
    "Minimize": "airflow_hpt.config",
    "latest": "airflow_hpt.hooks.parents",
    "tuning_asset": "airflow_hpt.assets",
    "tuning_job_config": "airflow_hpt.config",
    "tuning_retry_policy": "airflow_hpt.retries",
    "StopTuningJobOperator": "airflow_hpt.operators.stop",
    "TuningHook": "airflow_hpt.hooks.tuning",
    "TuningJobOperator": "airflow_hpt.operators.tuning",
    "TuningJobSensor": "airflow_hpt.sensors.tuning",
    "WarmStartTuningJobOperator": "airflow_hpt.operators.warm_start",
}

__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"airflow_hpt has no {name!r}; it offers {', '.join(sorted(_HOMES))}.")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
