"""The handwritten digits of scikit-learn, and the script that learns them, put where training reads them."""

import io
import tarfile
from pathlib import Path

from airflow_hpt.hooks.data import DataHook
from airflow_hpt.hooks.tuning import TuningHook

SCRIPTS = Path(__file__).parent / "training"


def put_samples(connection: str, uri: str, *, first: int = 0, last: int | None = None) -> int:
    """Write the samples from `first` up to `last` as one CSV file, the digit in the last column; return how many."""
    import numpy as np
    from sklearn.datasets import load_digits

    digits = load_digits()
    rows = np.column_stack([digits.data, digits.target])[first:last]
    text = io.StringIO()
    np.savetxt(text, rows, delimiter=",", fmt="%d")
    DataHook(TuningHook(connection)).write(uri, io.BytesIO(text.getvalue().encode()))
    return len(rows)


def put_script(connection: str, uri: str, name: str) -> str:
    """Pack a training script as script mode wants it; return where it lies."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        tar.add(SCRIPTS / name, arcname=name)
    archive.seek(0)
    DataHook(TuningHook(connection)).write(uri, archive)
    return uri
