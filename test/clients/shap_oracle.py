"""What the `shap` package says of the example models, from their published files alone.

`python test/clients/shap_oracle.py > worker/explain/testing/shap-golden.json` writes what the unit tests compare with.
"""

import json
import os
import sys
from pathlib import Path

# Read when the library loads, so it comes before the import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnx
import onnxruntime
import shap
import yaml

ROOT = Path(__file__).resolve().parents[2]
DTYPES = {"int64": np.int64, "float32": np.float32, "string": object, "bool": np.bool_}
GOLDEN_ROWS = 25


class Oracle:
    """Explains records of one version by raw field, in the space before the link."""

    def __init__(self, model: str, version: str):
        self.folder = ROOT / "models" / model / version
        self.contract = yaml.safe_load((self.folder / "model.yaml").read_text())
        self.onnx = onnx.load(self.folder / "model.onnx")
        (self.node,) = [n for n in self.onnx.graph.node if n.op_type in ("TreeEnsembleClassifier", "LinearClassifier")]
        self.attributes = {a.name: onnx.helper.get_attribute_value(a) for a in self.node.attribute}
        self.onnx.graph.output.append(onnx.helper.make_tensor_value_info(self.node.input[0], 1, None))
        self.session = onnxruntime.InferenceSession(self.onnx.SerializeToString(), providers=["CPUExecutionProvider"])
        self.fields = self.contract["inputs"]

    def lines(self, file: str) -> list[dict]:
        return [json.loads(line) for line in (self.folder / file).read_text().splitlines()]

    def records(self) -> list[dict]:
        return [line["record"] for line in self.lines("golden.jsonl")]

    def encoded(self, records: list[dict]) -> np.ndarray:
        """[rows, columns]: what the last operator takes."""
        feeds = {}
        for f in self.fields:
            null = {"float32": np.nan, "string": ""}.get(f["type"])
            values = [null if r.get(f["name"]) is None else r[f["name"]] for r in records]
            feeds[f["name"]] = np.array(values, dtype=DTYPES[f["type"]]).reshape(len(records), *f.get("shape", [1]))
        return self.session.run([self.node.input[0]], feeds)[0]

    def by_field(self, contributions: np.ndarray) -> np.ndarray:
        """[rows, fields]: the columns of a field's categories summed; null of a string has one of its own."""
        widths = [len(f["enum"]) + bool(f.get("nullable")) if "enum" in f else 1 for f in self.fields]
        ends = np.cumsum(widths)
        assert ends[-1] == contributions.shape[1]
        return np.stack([contributions[:, end - width:end].sum(axis=1) for end, width in zip(ends, widths)], axis=1)

    def trees(self) -> shap.TreeExplainer:
        a = self.attributes
        ids = np.array(a["nodes_treeids"])
        weights = dict(zip(zip(a["class_treeids"], a["class_nodeids"]), a["class_weights"]))
        trees = []
        for tree in sorted(set(ids)):
            at = np.flatnonzero(ids == tree)
            leaf = np.array([a["nodes_modes"][i] == b"LEAF" for i in at])
            assert all(a["nodes_modes"][i] in (b"LEAF", b"BRANCH_LEQ") for i in at)
            column = lambda name: np.array([a[name][i] for i in at])  # noqa: E731
            trees.append({
                "children_left": np.where(leaf, -1, column("nodes_truenodeids")),
                "children_right": np.where(leaf, -1, column("nodes_falsenodeids")),
                "children_default": np.where(leaf, -1, column("nodes_falsenodeids")),
                "features": np.where(leaf, -2, column("nodes_featureids")),
                "thresholds": column("nodes_values").astype(np.float64),
                "values": np.array([[weights.get((tree, i), 0.0)] for i in column("nodes_nodeids")]),
                "node_sample_weight": column("nodes_hitrates").astype(np.float64),
            })
        return shap.TreeExplainer({"trees": trees, "base_offset": a["base_values"][0]},
                                  feature_perturbation="tree_path_dependent")

    def explain(self, records: list[dict]) -> tuple[float, np.ndarray]:
        """The base value and, by row and field, the contributions to the log-odds of class 1."""
        x = self.encoded(records).astype(np.float64)
        if self.node.op_type == "TreeEnsembleClassifier":
            explainer = self.trees()
        else:
            coefficients = np.array(self.attributes["coefficients"]).reshape(2, -1)[1]
            background = self.encoded(self.lines("background.jsonl")).astype(np.float64)
            masker = shap.maskers.Independent(background, max_samples=len(background))
            explainer = shap.LinearExplainer((coefficients, self.attributes["intercepts"][1]), masker)
        return float(np.ravel(explainer.expected_value)[0]), self.by_field(explainer.shap_values(x))


def golden() -> dict:
    """By version: the base value and the contributions of the first golden records, fields in contract order."""
    said = {}
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        oracle = Oracle("churn", version)
        base, contributions = oracle.explain(oracle.records()[:GOLDEN_ROWS])
        said[version] = {"base": base, "contributions": contributions.tolist()}
    return said


if __name__ == "__main__":
    print(json.dumps({"shap": shap.__version__, "churn": golden()}, indent=1), file=sys.stdout)
