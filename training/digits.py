"""Handwritten digits: the 1797 images of 8x8 pixels that ship with scikit-learn.

Source: the test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak, UCI Machine
Learning Repository). A pixel counts the inked cells of a 4x4 block: 0 (blank) to 16 (full).
"""

import hashlib

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler

LABELS = [str(digit) for digit in range(10)]


def split() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(train, held-out, train digits, held-out digits): float64 [n,64] row by row from the top, int64 [n]."""
    images = load_digits()
    return train_test_split(
        images.data, images.target.astype(np.int64), test_size=0.3, random_state=1, stratify=images.target)


def inputs(example: np.ndarray) -> list[dict]:
    return [{"name": "pixels", "type": "float32", "shape": [64], "min": 0, "max": 16,
             "example": [int(v) for v in example],
             "description": "8x8 image row by row from the top left; ink per pixel, 0 blank to 16 full."}]


OUTPUTS = [
    {"name": "label", "type": "int64", "labels": LABELS, "description": "The most probable digit."},
    {"name": "probabilities", "type": "float32", "shape": [10],
     "description": "Probability of each digit, 0 to 9; they sum to 1."},
]


def train(pixels: np.ndarray, digit: np.ndarray) -> Pipeline:
    model = LogisticRegression(C=3.0, solver="newton-cholesky", tol=1e-10)
    return Pipeline([("scale", MinMaxScaler()), ("model", model)]).fit(pixels, digit)


def canonical_sha256(pixels: np.ndarray, digit: np.ndarray) -> str:
    """Hash of one CSV line per image: 64 integer pixels, then the digit; LF."""
    lines = [",".join(str(int(v)) for v in [*row, d]) for row, d in zip(pixels, digit)]
    return hashlib.sha256(("\n".join(lines) + "\n").encode()).hexdigest()
