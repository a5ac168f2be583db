"""Golden records: chosen inputs with the answers of scikit-learn itself, in double precision.

The serving path is checked against them, so they visit the corners: null in every nullable field, both ends
of every range, every allowed word, and values just left and right of the thresholds of the trees.
"""

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from training.records import to_records, to_table

LINES = 100
#: A row whose two best classes are closer than this is left out: float32 may break the tie the other way.
TIE = 1e-4


def answers(pipeline: Pipeline, table, records: list[dict]) -> list[dict]:
    """Golden lines for the records (the same rows as `table`), without near ties."""
    probabilities = pipeline.predict_proba(table)
    labels = pipeline.predict(table)
    best = np.sort(probabilities, axis=1)
    clear = best[:, -1] - best[:, -2] > 2 * TIE
    return [{"record": record, "outputs": {"label": int(label), "probabilities": row.tolist()}}
            for record, label, row, keep in zip(records, labels, probabilities, clear) if keep]


def churn(pipeline: Pipeline, fields: list[dict], ordinary: pd.DataFrame) -> list[dict]:
    """LINES golden lines: corners, thresholds, then rows of `ordinary` until the number is reached."""
    rows = to_records(ordinary, fields)
    chosen = corners(fields)
    for base, (name, value) in zip(rows[LINES:], thresholds(pipeline, fields)):
        chosen.append({**base, name: value})
    chosen += rows[:LINES]
    lines = answers(pipeline, to_table(chosen, fields), chosen)[:LINES]
    require_coverage(lines, fields)
    return lines


def digits(pipeline: Pipeline, images: np.ndarray) -> list[dict]:
    """LINES golden lines: a blank image, a full one, then held-out images."""
    pixels = np.vstack([np.zeros((1, 64)), np.full((1, 64), 16.0), images])
    records = [{"pixels": [int(v) for v in row]} for row in pixels]
    return answers(pipeline, pixels, records)[:LINES]


def corners(fields: list[dict]) -> list[dict]:
    """The example record with one field at a time taken to each of its corners, then all at once."""
    example = {f["name"]: f["example"] for f in fields}
    records = [example]
    for f in fields:
        values = list(f.get("enum", []))
        values += [f["min"], f["max"]] if "min" in f else []
        values += [False, True] if f["type"] == "bool" else []
        values += [None] if f.get("nullable") else []
        records += [{**example, f["name"]: v} for v in values]
    for edge in ("min", "max"):
        records.append({**example, **{f["name"]: f[edge] for f in fields if edge in f}})
    records.append({**example, **{f["name"]: None for f in fields if f.get("nullable")}})
    return records


def thresholds(pipeline: Pipeline, fields: list[dict], per_field: int = 3) -> list[tuple[str, float]]:
    """(field, value) pairs just left and right of the first splits of the trees; empty without trees."""
    trees = getattr(pipeline["model"], "estimators_", None)
    if trees is None:
        return []
    columns = [name.split("__")[1] for name in pipeline["columns"].get_feature_names_out()]
    numeric = {f["name"]: f for f in fields if "min" in f}
    found: dict[str, list[float]] = {name: [] for name in numeric}
    for tree in trees.ravel():
        for column, split in zip(tree.tree_.feature, tree.tree_.threshold):
            name = columns[column] if column >= 0 else None  # negative marks a leaf
            if name not in numeric or split in found[name] or len(found[name]) == per_field:
                continue
            if numeric[name]["min"] < split < numeric[name]["max"]:
                found[name].append(split)
    return [(name, value) for name, splits in found.items()
            for split in splits for value in neighbours(split, numeric[name]["type"])]


def neighbours(split: float, kind: str) -> list[float]:
    """The two values of the field's type next to a split: the last that goes left, the first that goes right."""
    if kind == "int64":
        return [int(np.floor(split)), int(np.floor(split)) + 1]
    left = np.float32(split)
    if float(left) > split:
        left = np.nextafter(left, np.float32(-np.inf))
    return [float(str(v)) for v in (left, np.nextafter(left, np.float32(np.inf)))]


def require_coverage(lines: list[dict], fields: list[dict]) -> None:
    """Fails when near ties or a short supply dropped a corner the file promises."""
    if len(lines) != LINES:
        raise SystemExit(f"golden: {len(lines)} lines instead of {LINES}")
    for f in fields:
        seen = {line["record"][f["name"]] for line in lines}
        wanted = set(f.get("enum", []))
        wanted |= {f["min"], f["max"]} if "min" in f else set()
        wanted |= {False, True} if f["type"] == "bool" else set()
        wanted |= {None} if f.get("nullable") else set()
        if wanted - seen:
            raise SystemExit(f"golden: {f['name']} lacks {sorted(map(str, wanted - seen))}")
