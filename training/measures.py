"""Figures on held-out rows, and how far apart two versions' scores are."""

import numpy as np
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score


def binary(left: np.ndarray, probability: np.ndarray) -> dict[str, float]:
    """Figures for outcomes int64 [n] and probabilities of outcome 1 float64 [n]."""
    return {
        "AUC": roc_auc_score(left, probability),
        "log loss": log_loss(left, probability),
        "Brier score": brier_score_loss(left, probability),
        "accuracy": accuracy_score(left, probability > 0.5),
        "mean score": probability.mean(),
    }


def ks_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Kolmogorov-Smirnov: the largest gap between the two cumulative distributions, 0 to 1."""
    points = np.sort(np.concatenate([a, b]))
    cumulative = [np.searchsorted(np.sort(x), points, side="right") / len(x) for x in (a, b)]
    return float(np.abs(cumulative[0] - cumulative[1]).max())
