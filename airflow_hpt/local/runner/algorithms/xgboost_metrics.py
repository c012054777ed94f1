"""The XGBoost image: the metrics that it emits, and how they look in what it prints."""

from airflow_hpt.local.runner.algorithms.base import Algorithm

NATIVE_METRICS = (
    "aft-nloglik",
    "auc",
    "aucpr",
    "cox-nloglik",
    "error",
    "gamma-deviance",
    "gamma-nloglik",
    "interval-regression-accuracy",
    "logloss",
    "mae",
    "map",
    "mape",
    "merror",
    "mlogloss",
    "mphe",
    "ndcg",
    "poisson-nloglik",
    "pre",
    "quantile",
    "rmse",
    "rmsle",
    "tweedie-nloglik",
)
# Those that the image computes itself, from predicted classes or values.
COMPUTED_METRICS = (
    "accuracy",
    "balanced_accuracy",
    "f1",
    "f1_binary",
    "f1_macro",
    "mse",
    "precision",
    "precision_macro",
    "precision_micro",
    "r2",
    "recall",
    "recall_macro",
    "recall_micro",
)
NUMBER = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"


def _regex(channel: str, metric: str) -> str:
    return rf".*\[[0-9]+\].*#011{channel}-{metric}:{NUMBER}.*"  # the log shows a tab as #011


XGBOOST = Algorithm(
    name="XGBoost",
    repositories=frozenset({"sagemaker-xgboost", "xgboost"}),
    module="airflow_hpt.local.runner.algorithms.xgboost_training",
    metrics={
        f"{channel}:{metric}": _regex(channel, metric)
        for channel in ("train", "validation")
        for metric in NATIVE_METRICS + COMPUTED_METRICS
    },
    needs="xgboost",
    install="pip install 'airflow-hpt[xgboost]'",
)
