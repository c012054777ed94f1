"""Built-in algorithms: images that need no script, and what runs here in their place.

Other packages add algorithms through the entry point group `airflow_hpt.algorithms`; each entry point names an
Algorithm.
"""

import functools
from collections.abc import Mapping
from importlib.metadata import entry_points

from airflow_hpt.local.runner.algorithms.base import Algorithm
from airflow_hpt.local.runner.algorithms.xgboost_metrics import XGBOOST

GROUP = "airflow_hpt.algorithms"


def repository_of(image: str) -> str:
    """Return the repository of an image address.

    >>> repository_of("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1")
    'sagemaker-xgboost'
    """
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]


@functools.cache
def algorithms() -> tuple[Algorithm, ...]:
    """Return every algorithm that can stand for an image."""
    return (XGBOOST, *(entry.load() for entry in entry_points(group=GROUP)))


def find_algorithm(image: str) -> Algorithm | None:
    """Return the algorithm that stands for an image, or None."""
    repository = repository_of(image)
    return next((algorithm for algorithm in algorithms() if repository in algorithm.repositories), None)


def image_metrics(image: str) -> Mapping[str, str] | None:
    """Return the metrics that a built-in image emits, with their regular expressions; None for any other image."""
    algorithm = find_algorithm(image)
    return algorithm.metrics if algorithm else None
