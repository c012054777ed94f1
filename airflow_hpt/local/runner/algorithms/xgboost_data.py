"""The input of the XGBoost image: CSV with the label first and no header, or libsvm."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

LIBSVM = ("text/libsvm", "text/x-libsvm")


def load(folder: Path, content_type: str, *, has_weights: bool) -> dict[str, Any]:
    """Return the arguments of a DMatrix with the data of a channel; ValueError says what is wrong with the data."""
    kind, *parameters = [part.strip().lower() for part in content_type.split(";")]
    if any(part.startswith("label_size=") and part != "label_size=1" for part in parameters):
        raise ValueError(f"content type {content_type!r} is not supported; the label is one column, the first")
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith((".", "_")))
    if not files:
        raise ValueError("there are no files")
    if kind == "text/csv":
        return _load_csv(files, has_weights=has_weights)
    if kind in LIBSVM:
        return _load_libsvm(files)
    raise ValueError(f"content type {content_type!r} is not supported; give text/csv or text/libsvm")


def _load_csv(files: list[Path], *, has_weights: bool) -> dict[str, Any]:
    import numpy as np

    tables = [_read_csv(file) for file in files]
    if len({table.shape[1] for table in tables}) > 1:
        raise ValueError("the files differ in their number of columns")
    table = np.concatenate(tables)
    first = 2 if has_weights else 1
    if table.shape[1] <= first:
        raise ValueError(f"there are {table.shape[1]} columns; features are expected after the first {first}")
    weights = {"weight": table[:, 1]} if has_weights else {}
    return {"data": table[:, first:], "label": table[:, 0], **weights}


def _read_csv(file: Path) -> Any:
    import numpy as np

    if not file.stat().st_size:
        raise ValueError(f"{file.name} is empty")
    try:
        return np.loadtxt(file, delimiter=",", ndmin=2, comments=None)
    except ValueError:  # slowly, for fields without a value, or to tell which field is wrong
        return np.array(list(_rows(file)))


def _rows(file: Path) -> Iterator[list[float]]:
    width = None
    with file.open(newline="") as opened:
        for number, row in enumerate(csv.reader(opened), start=1):
            if width not in (None, len(row)):
                raise ValueError(f"{file.name}, line {number}: {len(row)} columns after {width} in the lines before")
            width = len(row)
            try:
                yield [float(field) if field.strip() else float("nan") for field in row]
            except ValueError:
                hint = "; the file must not have a header" if number == 1 else ""
                raise ValueError(f"{file.name}, line {number}: a field is not a number{hint}") from None


def _load_libsvm(files: list[Path]) -> dict[str, Any]:
    from scipy.sparse import csr_matrix

    labels: list[float] = []
    weights: list[float] = []
    queries: list[int] = []
    values: list[float] = []
    columns: list[int] = []
    ends = [0]
    for label, weight, query, entries in (line for file in files for line in _lines(file)):
        labels.append(label)
        weights.append(weight)
        queries += [] if query is None else [query]
        columns += entries.keys()
        values += entries.values()
        ends.append(len(values))
    data = csr_matrix((values, columns, ends), shape=(len(labels), max(columns, default=-1) + 1))
    ranked = {"qid": queries} if len(queries) == len(labels) else {}
    weighted = {"weight": weights} if set(weights) != {1.0} else {}
    return {"data": data, "label": labels, **ranked, **weighted}


def _lines(file: Path) -> Iterator[tuple[float, float, int | None, dict[int, float]]]:
    with file.open() as opened:
        for number, line in enumerate(opened, start=1):
            fields = line.partition("#")[0].split()
            if not fields:
                continue
            try:
                label, _, weight = fields[0].partition(":")
                pairs = dict(field.split(":") for field in fields[1:])
                query = int(pairs.pop("qid")) if "qid" in pairs else None
                entries = {int(column): float(value) for column, value in pairs.items()}
                yield float(label), float(weight or 1), query, entries
            except ValueError:
                raise ValueError(f"{file.name}, line {number}: not libsvm; write label index:value …") from None


def same_width(channels: Mapping[str, dict[str, Any]]) -> None:
    """Give sparse channels the same number of columns; ValueError when the columns of dense ones differ."""
    width = max(data["data"].shape[1] for data in channels.values())
    for name, data in channels.items():
        table = data["data"]
        if hasattr(table, "indptr"):  # sparse: the last columns may not occur
            table.resize((table.shape[0], width))
        elif table.shape[1] != width:
            raise ValueError(f"The channel {name} has {table.shape[1]} feature columns and another one has {width}.")
