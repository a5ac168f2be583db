"""Tree ensembles as other libraries write them, and what the `shap` package says of them.

    pip install onnx onnxmltools skl2onnx scikit-learn xgboost-cpu lightgbm shap 'protobuf<7'
    python worker/explain/testing/makers/make.py

writes one ONNX file a case and `said.json` beside this file. The rows that explanations are measured against are the
training rows, so the covers that are counted there are those that the libraries keep, and both sides are exact. (skl2onnx 1.20
writes HistGradientBoosting's directions of missing values as booleans, which protobuf 7 refuses.)
"""

import json
from pathlib import Path

import lightgbm
import numpy as np
import onnx
import onnxmltools
import shap
import xgboost
from onnx import TensorProto, helper
from onnxmltools.convert.common import data_types
from sklearn.ensemble import (
    GradientBoostingRegressor, HistGradientBoostingClassifier, HistGradientBoostingRegressor,
    RandomForestClassifier, RandomForestRegressor)
from sklearn.tree import DecisionTreeClassifier
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType

HERE = Path(__file__).parent
OPSETS = {"": 17, "ai.onnx.ml": 3}
COLUMNS, ROWS, EXPLAINED = 4, 80, 12

random = np.random.default_rng(7)
# Quarters: exact as float32 and as JSON, and often equal to a split.
X = (random.integers(-12, 13, (ROWS, COLUMNS)) / 4).astype(np.float32)
GAPS = np.where(random.random(X.shape) < 0.15, np.nan, X).astype(np.float32)
THREE = (X[:, 0] + X[:, 1] * (X[:, 2] > 0) > 1).astype(int) + (X[:, 3] > 1)
TWO = (X[:, 0] + X[:, 1] > X[:, 2]).astype(int)
NUMBER = X[:, 0] * (X[:, 1] > 0) + X[:, 2]


def by_class(values: np.ndarray) -> list:
    """[rows][classes][columns] of shap's [rows, columns] or [rows, columns, classes]."""
    values = np.asarray(values)
    return (values[:, None, :] if values.ndim == 2 else values.transpose(0, 2, 1)).tolist()


def path_dependent(model, x: np.ndarray) -> dict:
    explainer = shap.TreeExplainer(model, feature_perturbation="tree_path_dependent")
    values = explainer.shap_values(x[:EXPLAINED].astype(np.float64))
    return {"base": np.ravel(explainer.expected_value).tolist(), "contributions": by_class(values)}


def of_scikit_learn(model, x: np.ndarray, y: np.ndarray):
    model.fit(x, y)
    options = {"zipmap": False} if hasattr(model, "classes_") else {}
    return to_onnx(model, initial_types=[("x", FloatTensorType([None, COLUMNS]))],
                   options={id(model): options} if options else None, target_opset=OPSETS), model


def of_library(convert, model, x: np.ndarray, y: np.ndarray, **more):
    model.fit(x, y)
    return convert(model, initial_types=[("x", data_types.FloatTensorType([None, COLUMNS]))], target_opset=15, **more), model


#: Whose covers are counts of rows: TreeEnsemble has no place for those of leaves, so they are counted anew.
AS_V5 = ("sklearn-forest-3", "sklearn-forest-numbers", "lightgbm-3", "lightgbm-number")

def with_covers(model: onnx.ModelProto, booster: xgboost.Booster) -> onnx.ModelProto:
    """What onnxmltools leaves out. XGBoost weighs rows by their second derivative, which no counting finds out."""
    (node,) = [n for n in model.graph.node if n.op_type.startswith("TreeEnsemble")]
    a = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    index = {key: i for i, key in enumerate(zip(a["nodes_treeids"], a["nodes_nodeids"]))}
    own = booster.trees_to_dataframe().set_index("ID")
    rates = [0.0] * len(index)

    def visit(tree: int, at: int, name: str) -> None:
        i = index[tree, at]
        rates[i] = float(own.Cover[name])
        if a["nodes_modes"][i] != b"LEAF":
            visit(tree, a["nodes_truenodeids"][i], own.Yes[name])
            visit(tree, a["nodes_falsenodeids"][i], own.No[name])

    for tree in set(a["nodes_treeids"]):
        visit(tree, 0, f"{tree}-0")
    node.attribute.append(helper.make_attribute("nodes_hitrates", rates))
    return model


XGB = dict(n_estimators=4, max_depth=3, learning_rate=0.5, tree_method="exact", n_jobs=1)
LGBM = dict(n_estimators=4, max_depth=3, num_leaves=6, min_child_samples=3, learning_rate=0.5, verbose=-1, n_jobs=1)


def made():
    """By name: the ONNX model, its library's own, and the rows that it was trained on."""
    forest = dict(n_estimators=4, max_depth=3, bootstrap=False, max_features=2, random_state=1)
    yield "sklearn-forest-3", *of_scikit_learn(RandomForestClassifier(**forest), X, THREE), X
    yield "sklearn-tree-3", *of_scikit_learn(DecisionTreeClassifier(max_depth=3, random_state=1), X, THREE), X
    yield "sklearn-forest-numbers", *of_scikit_learn(
        RandomForestRegressor(**forest), X, np.stack([NUMBER, X[:, 3] - NUMBER], axis=1)), X
    yield "sklearn-boosting-number", *of_scikit_learn(
        GradientBoostingRegressor(n_estimators=4, max_depth=2, learning_rate=0.5, random_state=1), X, NUMBER), X
    hist = dict(max_iter=4, max_depth=3, min_samples_leaf=3, learning_rate=0.5)
    yield "sklearn-hist-3", *of_scikit_learn(HistGradientBoostingClassifier(**hist), GAPS, THREE), GAPS
    yield "sklearn-hist-2", *of_scikit_learn(HistGradientBoostingClassifier(**hist), GAPS, TWO), GAPS
    yield "sklearn-hist-number", *of_scikit_learn(HistGradientBoostingRegressor(**hist), GAPS, NUMBER), GAPS
    to_xgb, to_lgbm = onnxmltools.convert_xgboost, onnxmltools.convert_lightgbm
    for name, model, y in (("3", xgboost.XGBClassifier(**XGB), THREE), ("2", xgboost.XGBClassifier(**XGB), TWO)):
        written, own = of_library(to_xgb, model, GAPS, y)
        yield f"xgboost-{name}", with_covers(written, own.get_booster()), own, GAPS
    yield "xgboost-number", *of_library(to_xgb, xgboost.XGBRegressor(**XGB), GAPS, NUMBER), GAPS
    yield "lightgbm-3", *of_library(to_lgbm, lightgbm.LGBMClassifier(**LGBM), GAPS, THREE, zipmap=False), GAPS
    yield "lightgbm-2", *of_library(to_lgbm, lightgbm.LGBMClassifier(**LGBM), GAPS, TWO, zipmap=False), GAPS
    yield "lightgbm-number", *of_library(to_lgbm, lightgbm.LGBMRegressor(**LGBM), GAPS, NUMBER), GAPS


def v5(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same trees as one TreeEnsemble of ai.onnx.ml 5, whose answers are the sums themselves.

    A leaf has one target there, so a tree whose leaves have several is written once for each of them.
    """
    (node,) = [n for n in model.graph.node if n.op_type.startswith("TreeEnsemble")]
    a = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    prefix = "class" if node.op_type == "TreeEnsembleClassifier" else "target"
    index = {key: i for i, key in enumerate(zip(a["nodes_treeids"], a["nodes_nodeids"]))}
    weights: dict = {}
    for tree, at, target, weight in zip(*(a[f"{prefix}_{of}"] for of in ("treeids", "nodeids", "ids", "weights"))):
        weights.setdefault((tree, at), {})[target] = weight
    targets = sorted({target for of in weights.values() for target in of})
    inner, leaves, roots = [], [], []

    def add(tree: int, at: int, target: int) -> tuple[int, bool]:
        """Where the node is written, and whether as a leaf."""
        i = index[tree, at]
        if a["nodes_modes"][i] == b"LEAF":
            leaves.append((target, weights.get((tree, at), {}).get(target, 0.0)))
            return len(leaves) - 1, True
        own = len(inner)
        inner.append(None)
        sides = [add(tree, a[f"nodes_{side}nodeids"][i], target) for side in ("true", "false")]
        inner[own] = (i, *sides)
        return own, False

    for tree in sorted(set(a["nodes_treeids"])):
        for target in targets:
            if any(target in of for (of_tree, _), of in weights.items() if of_tree == tree):
                at, is_leaf = add(tree, 0, target)
                if is_leaf:  # One leaf alone is a node both of whose branches lead to it.
                    at = len(inner)
                    inner.append((None, (len(leaves) - 1, True), (len(leaves) - 1, True)))
                roots.append(at)
    of = lambda name, preset: [preset if i is None else a[name][i] for i, _, _ in inner]  # noqa: E731
    modes = {b"BRANCH_LEQ": 0, b"BRANCH_LT": 1, b"BRANCH_GTE": 2, b"BRANCH_GT": 3, b"BRANCH_EQ": 4, b"BRANCH_NEQ": 5}
    tensor = helper.make_tensor
    ensemble = helper.make_node(
        "TreeEnsemble", ["x"], ["y"], domain="ai.onnx.ml", n_targets=max(targets) + 1, aggregate_function=1,
        post_transform=0, tree_roots=roots,
        nodes_featureids=of("nodes_featureids", 0),
        nodes_splits=tensor("splits", TensorProto.FLOAT, [len(inner)], of("nodes_values", 0.0)),
        nodes_modes=tensor("modes", TensorProto.UINT8, [len(inner)], [modes[m] for m in of("nodes_modes", b"BRANCH_LEQ")]),
        nodes_missing_value_tracks_true=of("nodes_missing_value_tracks_true", 0),
        nodes_truenodeids=[t[0] for _, t, _ in inner], nodes_trueleafs=[int(t[1]) for _, t, _ in inner],
        nodes_falsenodeids=[f[0] for _, _, f in inner], nodes_falseleafs=[int(f[1]) for _, _, f in inner],
        leaf_targetids=[target for target, _ in leaves],
        leaf_weights=tensor("weights", TensorProto.FLOAT, [len(leaves)], [weight for _, weight in leaves]))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", COLUMNS])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", max(targets) + 1])
    graph = helper.make_graph([ensemble], "trees", [x], [y])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 5)],
                             ir_version=9)


def changed(model: onnx.ModelProto, **attributes) -> onnx.ModelProto:
    """The same with other attributes of its first operator."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    node = copy.graph.node[0]
    kept = [a for a in node.attribute if a.name not in attributes]
    del node.attribute[:]
    node.attribute.extend([*kept, *(helper.make_attribute(name, value) for name, value in attributes.items())])
    return copy


def variants_of_two_classes(model: onnx.ModelProto):
    """By name: one score for two classes, with the transforms and signs by which ONNX Runtime writes both."""
    a = {each.name: helper.get_attribute_value(each) for each in model.graph.node[0].attribute}
    positive = [abs(weight) for weight in a["class_weights"]]
    yield "two-raw", changed(model, post_transform="NONE")
    yield "two-positive", changed(model, class_weights=positive)
    yield "two-positive-raw", changed(model, class_weights=positive, post_transform="NONE")


def variants(model: onnx.ModelProto):
    """By name: the same TreeEnsemble with something else in it that the operator allows."""
    a = {each.name: helper.get_attribute_value(each) for each in model.graph.node[0].attribute}
    tensor = lambda name, values, type_: helper.make_tensor(name, type_, [len(values)], values)  # noqa: E731
    numbers = lambda name: onnx.numpy_helper.to_array(a[name]).tolist()  # noqa: E731
    yield "average", changed(model, aggregate_function=0)
    yield "max", changed(model, aggregate_function=3)
    # Numbers as ONNX Runtime reads them, which has LOGISTIC before SOFTMAX.
    yield "logistic", changed(model, post_transform=1)
    yield "softmax", changed(model, post_transform=2)
    # One more tree that is one leaf: a node both of whose branches lead to it.
    leaf = len(a["leaf_targetids"])
    stump = dict(
        nodes_featureids=[*a["nodes_featureids"], 0], leaf_targetids=[*a["leaf_targetids"], 1],
        nodes_truenodeids=[*a["nodes_truenodeids"], leaf], nodes_falsenodeids=[*a["nodes_falsenodeids"], leaf],
        nodes_trueleafs=[*a["nodes_trueleafs"], 1], nodes_falseleafs=[*a["nodes_falseleafs"], 1],
        nodes_missing_value_tracks_true=[*a["nodes_missing_value_tracks_true"], 0],
        tree_roots=[*a["tree_roots"], len(a["nodes_featureids"])],
        nodes_splits=tensor("splits", [*numbers("nodes_splits"), 0.0], TensorProto.FLOAT),
        nodes_modes=tensor("modes", [*numbers("nodes_modes"), 0], TensorProto.UINT8),
        leaf_weights=tensor("weights", [*numbers("leaf_weights"), 0.25], TensorProto.FLOAT))
    yield "stump", changed(model, **stump)
    # A second branch into the last leaf of the first tree.
    into = list(a["nodes_truenodeids"])
    first = a["nodes_trueleafs"].index(1)
    second = a["nodes_trueleafs"].index(1, first + 1)
    into[second] = into[first]
    yield "shared", changed(model, nodes_truenodeids=into)
    # The first node asks whether its column is one of two values.
    yield "member", changed(model, nodes_modes=tensor("modes", [6, *numbers("nodes_modes")[1:]], TensorProto.UINT8),
                            membership_values=tensor("members", [0.25, 1.5, float("nan")], TensorProto.FLOAT))


def main() -> None:
    said = {}
    for name, model, own, x in made():
        outputs = [o.name for o in model.graph.output]
        covers = "nodes_hitrates" if name in ("xgboost-3", "xgboost-2") else "background"
        said[name] = {"gaps": x is GAPS, "outputs": outputs, "covers": covers, **path_dependent(own, x)}
        onnx.save(model, HERE / f"{name}.onnx")
        if name in AS_V5:
            onnx.save(v5(model), HERE / f"{name}-v5.onnx")
        made_of_it = {
            "sklearn-forest-3": lambda m: variants(v5(m)),
            "xgboost-2": variants_of_two_classes,
            "xgboost-number": lambda m: [("number-logistic", changed(m, post_transform="LOGISTIC"))],
        }
        for variant, other in made_of_it.get(name, lambda _: [])(model):
            onnx.save(other, HERE / f"variant-{variant}.onnx")
    rows = lambda x: [[None if np.isnan(v) else float(v) for v in row] for row in x]  # noqa: E731
    text = json.dumps({"whole": rows(X), "gaps": rows(GAPS), "cases": said})
    (HERE / "said.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
