"""The peer of our explanations: the `shap` package on the same trees and rows.

    python shap_explain.py FOLDER

Trains one boosted regressor and takes its first 100, 300 and 500 trees: real trees of depth 6 over 20 features. Writes
each as FOLDER/<trees>/ with model.onnx (covers as hit rates, as training/export.py does) and shap.json: rows, the base
value, contributions of every row, and the median time of explaining one row. Nothing but `shap_values` is timed, on an
explainer that was made before, for a row that lies in memory as float64.

Then FOLDER/churn.json: churn 1.1.0, trained as training/ does, and the median time from one record to its contributions:
a table of one row, the fitted columns, `shap_values`.
"""

import copy
import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np
import shap
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import make_friedman1
from sklearn.ensemble import GradientBoostingRegressor

from training import churn, churn_contract, customers
from training.records import to_table

SIZES = (100, 300, 500)
FEATURES = 20
TRAIN_ROWS = 3000
ROWS = 200
TIMED = 60


def main(folder: Path) -> None:
    x, y = make_friedman1(n_samples=TRAIN_ROWS + ROWS, n_features=FEATURES, noise=1.0, random_state=1)
    x = x.astype(np.float32).astype(np.float64)
    whole = GradientBoostingRegressor(n_estimators=max(SIZES), max_depth=6, random_state=1)
    whole.fit(x[:TRAIN_ROWS], y[:TRAIN_ROWS])
    for size in SIZES:
        model = copy.copy(whole)
        model.estimators_ = whole.estimators_[:size]
        model.n_estimators_ = model.n_estimators = size
        at = folder / str(size)
        at.mkdir(parents=True)
        (at / "model.onnx").write_bytes(export(model))
        (at / "shap.json").write_text(json.dumps(explain(model, x[TRAIN_ROWS:])))
    (folder / "churn.json").write_text(json.dumps({"p50Ms": whole_way()}))


def export(model: GradientBoostingRegressor) -> bytes:
    onnx = to_onnx(model, initial_types=[("x", FloatTensorType([None, FEATURES]))],
                   target_opset={"": 17, "ai.onnx.ml": 3})
    (node,) = [n for n in onnx.graph.node if n.op_type == "TreeEnsembleRegressor"]
    (rates,) = [a for a in node.attribute if a.name == "nodes_hitrates"]
    covers = np.concatenate([t.tree_.weighted_n_node_samples for t in np.ravel(model.estimators_)])
    assert len(rates.floats) == len(covers)
    rates.floats[:] = [float(c) for c in covers]
    return onnx.SerializeToString()


def explain(model: GradientBoostingRegressor, rows: np.ndarray) -> dict:
    explainer = shap.TreeExplainer(model, feature_perturbation="tree_path_dependent")
    ready = [rows[i:i + 1] for i in range(len(rows))]
    return {
        "shap": shap.__version__,
        "rows": rows.tolist(),
        "base": float(np.ravel(explainer.expected_value)[0]),
        "contributions": explainer.shap_values(rows).tolist(),
        "p50Ms": median_ms(lambda i: explainer.shap_values(ready[i % len(ready)], check_additivity=False)),
        "depth": max(t.tree_.max_depth for t in np.ravel(model.estimators_)),
        "innerNodes": int(sum((t.tree_.children_left >= 0).sum() for t in np.ravel(model.estimators_))),
    }


def whole_way() -> float:
    table, left, _ = customers.draw(16000, 1)
    pipeline = churn.gradient_boosting(table, left)
    explainer = shap.TreeExplainer(pipeline["model"], feature_perturbation="tree_path_dependent")
    lines = (ROOT / "models/churn/1.1.0/golden.jsonl").read_text().splitlines()
    records = [json.loads(line)["record"] for line in lines]
    return median_ms(lambda i: explainer.shap_values(
        pipeline["columns"].transform(to_table([records[i % len(records)]], churn_contract.INPUTS)),
        check_additivity=False))


def median_ms(call) -> float:
    """Without the first calls, which fill caches."""
    times = []
    for i in range(TIMED + 5):
        begin = time.perf_counter()
        call(i)
        times.append(time.perf_counter() - begin)
    return float(np.median(times[5:]) * 1000)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
