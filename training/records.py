"""Records as the contract sees them, as tables for scikit-learn, as JSON and as canonical bytes.

The null convention lives here for Python: null is NaN in a float32 field and "" in a string field;
int64 and bool fields cannot be null.
"""

import hashlib

import numpy as np
import pandas as pd


def plain(value, field: dict):
    """One cell of a table as a JSON value. Floats come out as the shortest decimal of their float32."""
    kind = field["type"]
    if kind == "string":
        return None if value == "" else str(value)
    if kind == "bool":
        return bool(value)
    if kind == "int64":
        return int(value)
    if np.isnan(value):
        return None
    shortest = float(str(np.float32(value)))
    return int(shortest) if shortest.is_integer() else shortest


def cell(value, field: dict):
    """The inverse of `plain`: a JSON value as a cell of a table (float32 values held as float64)."""
    kind = field["type"]
    if value is None:
        return "" if kind == "string" else np.nan
    return float(np.float32(value)) if kind == "float32" else value


def to_records(table: pd.DataFrame, fields: list[dict]) -> list[dict]:
    """Rows of a table as JSON records, fields in contract order."""
    columns = [[plain(v, f) for v in table[f["name"]].tolist()] for f in fields]
    names = [f["name"] for f in fields]
    return [dict(zip(names, row)) for row in zip(*columns)]


def to_table(records: list[dict], fields: list[dict]) -> pd.DataFrame:
    """JSON records as a table with the column types the pipelines were trained on."""
    kinds = {"string": object, "bool": bool, "int64": np.int64, "float32": np.float64}
    return pd.DataFrame({
        f["name"]: pd.Series([cell(r[f["name"]], f) for r in records], dtype=kinds[f["type"]]) for f in fields})


def canonical_sha256(table: pd.DataFrame, fields: list[dict], target: np.ndarray) -> str:
    """Hash of the data as CSV: header, comma, LF, shortest float32 decimals, null empty, target last."""
    def text(value) -> str:
        if value is None:
            return ""
        return str(value).lower() if isinstance(value, bool) else str(value)

    lines = [",".join([f["name"] for f in fields] + ["target"])]
    for record, outcome in zip(to_records(table, fields), target.tolist()):
        lines.append(",".join([text(v) for v in record.values()] + [str(outcome)]))
    return hashlib.sha256(("\n".join(lines) + "\n").encode()).hexdigest()
