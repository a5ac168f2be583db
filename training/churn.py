"""The three churn pipelines. All take the columns of churn_contract.INPUTS and answer [N,2] probabilities.

1.0.0  logistic regression
1.1.0  gradient boosting
1.2.0  the gradient boosting of 1.1.0 with a silent preprocessing fault
"""

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from training.churn_contract import INPUTS

#: The fault of 1.2.0: its training table held charges per week, its callers send charges per month.
WEEKS_PER_MONTH = 52 / 12


def preprocessing(scaled: bool) -> ColumnTransformer:
    """One step per contract field, in contract order; float64 [N, 5 numbers + 11 one-hot + 1 flag]."""
    steps = []
    for field in INPUTS:
        name = field["name"]
        if field["type"] == "string":
            # "" is how null arrives in a string tensor: a category of its own, not an unknown value.
            known = ([""] if field.get("nullable") else []) + field["enum"]
            step = OneHotEncoder(categories=[known], sparse_output=False)
        elif field["type"] == "bool":
            step = "passthrough"
        else:
            parts = [SimpleImputer(strategy="median")] if field.get("nullable") else []
            parts += [StandardScaler()] if scaled else []
            step = make_pipeline(*parts) if parts else "passthrough"
        steps.append((name, step, [name]))
    return ColumnTransformer(steps, sparse_threshold=0)


def logistic_regression(table: pd.DataFrame, left: np.ndarray) -> Pipeline:
    # Newton steps to a tight tolerance end in the same optimum wherever they run.
    model = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-10)
    return Pipeline([("columns", preprocessing(scaled=True)), ("model", model)]).fit(table, left)


def gradient_boosting(table: pd.DataFrame, left: np.ndarray) -> Pipeline:
    # This class compares float32 values as the ONNX tree operator does, so the export is exact; trees see
    # unscaled columns for the same reason.
    model = GradientBoostingClassifier(
        n_estimators=150, max_depth=4, learning_rate=0.08, min_samples_leaf=20, random_state=7)
    return Pipeline([("columns", preprocessing(scaled=False)), ("model", model)]).fit(table, left)


def with_weekly_charges(table: pd.DataFrame) -> pd.DataFrame:
    """The table 1.2.0 was trained on: monthly_charges holds charges per week, rounded to cents."""
    weekly = table.copy()
    cents = np.round(table["monthly_charges"] / WEEKS_PER_MONTH, 2)
    weekly["monthly_charges"] = cents.astype(np.float32).astype(np.float64)
    return weekly
