"""reference.json: what a version saw in training, for judging how far live traffic has moved.

Shares of categories and quantiles of numbers are taken over the rows that have the value; `missing` is the
share of rows that do not. Standard deviations are those of the population. `score` and `classes` are the
answers of the published pipeline to its training rows (predicted classes, not true ones).
"""

import numpy as np
import pandas as pd

PROBABILITIES = [0, 0.01, 0.05, *[round(0.1 * i, 1) for i in range(1, 10)], 0.95, 0.99, 1]
BINS = 64
#: Of a number among the features: deciles, as the population stability index is read.
FEATURE_BINS = 10
#: Scores closer than this count as one: the served float32 score may differ from this one in its last bits.
SAME_SCORE = 2e-6


def short(value: float) -> float:
    """Nine significant digits: stable to print, finer than float32."""
    return float(f"{value:.9g}")


def numeric(values: np.ndarray) -> dict:
    """Summary of float64 [n]; NaN is missing."""
    present = values[~np.isnan(values)]
    return {
        "kind": "numeric",
        "missing": short(1 - len(present) / len(values)),
        "mean": short(present.mean()),
        "std": short(present.std()),
        "quantiles": {"probabilities": PROBABILITIES,
                      "values": [short(v) for v in np.quantile(present, PROBABILITIES)]},
        "bins": bins(present, FEATURE_BINS, least=0.5),
    }


def categorical(values: list, categories: list) -> dict:
    """Summary of n values; None is missing."""
    present = [v for v in values if v is not None]
    return {
        "kind": "categorical",
        "missing": short(1 - len(present) / len(values)),
        "shares": {name(c): short(present.count(c) / len(present)) for c in categories},
    }


def name(category) -> str:
    return str(category).lower() if isinstance(category, bool) else category


def features(table: pd.DataFrame, fields: list[dict]) -> dict:
    """One summary per contract field."""
    result = {}
    for f in fields:
        column = table[f["name"]]
        if f["type"] == "string":
            values = [None if v == "" else v for v in column.tolist()]
            result[f["name"]] = categorical(values, f["enum"])
        elif f["type"] == "bool":
            result[f["name"]] = categorical(column.tolist(), [False, True])
        else:
            result[f["name"]] = numeric(column.to_numpy(dtype=np.float64))
    return result


def bins(values: np.ndarray, wanted_bins: int, same: float = 0, least: float = 0) -> dict:
    """Bins of (nearly) equal probability. An edge never coincides with a value: it lies midway between two that are
    more than `same` apart, so that the shares are exact also for numbers of which many are equal. A bin of less than
    `least` of what it should hold, as there is beside a value that many have, goes to its neighbour."""
    ordered = np.sort(values)
    gaps = np.flatnonzero(np.diff(ordered) > same)  # gap i lies between ordered[i] and ordered[i + 1]
    below = gaps + 1
    wanted = np.arange(1, wanted_bins) * len(ordered) / wanted_bins
    chosen = []
    for gap in sorted({int(gaps[np.argmin(np.abs(below - w))]) for w in wanted}):
        enough = least * len(ordered) / wanted_bins
        if gap + 1 - (chosen[-1] + 1 if chosen else 0) >= enough and len(ordered) - gap - 1 >= enough:
            chosen.append(gap)
    edges = [short((ordered[g] + ordered[g + 1]) / 2) for g in chosen]
    counts = np.diff([0, *[g + 1 for g in chosen], len(ordered)])
    assert all(a < b for a, b in zip(edges, edges[1:]))
    assert np.array_equal(counts, np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1))
    return {"edges": edges, "shares": [short(c / len(ordered)) for c in counts]}


def score(scores: np.ndarray) -> dict:
    return {**bins(scores, BINS, SAME_SCORE), "mean": short(scores.mean()), "std": short(scores.std())}


def classes(labels: np.ndarray, names: list[str]) -> dict:
    """Share of each predicted class; labels are indices into names."""
    return {n: short(float(np.mean(labels == i))) for i, n in enumerate(names)}
