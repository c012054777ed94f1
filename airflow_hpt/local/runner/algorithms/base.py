"""What a built-in algorithm is."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec


@dataclass(frozen=True, slots=True)
class Algorithm:
    """What runs in place of an image.

    `module` is run as a program in the training job's folder: it reads `input/config` and `input/data` below
    SAGEMAKER_BASE_DIR, prints its metrics, writes `model`, and explains a failure in `output/failure`. `metrics` maps
    the names of its metrics to the regular expressions that find them in what it prints. `needs` is the import name of
    the package that it runs on and `install` what to install for it.
    """

    name: str
    repositories: frozenset[str]
    module: str
    metrics: Mapping[str, str]
    needs: str
    install: str

    @property
    def is_installed(self) -> bool:
        """Say whether the package that the algorithm runs on is installed here."""
        return find_spec(self.needs) is not None
