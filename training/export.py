"""Exports a fitted pipeline to ONNX: preprocessing inside the graph, one graph input per contract field."""

import numpy as np
import onnx
from skl2onnx import to_onnx
from skl2onnx.common.data_types import (
    BooleanTensorType, FloatTensorType, Int64TensorType, StringTensorType)
from sklearn.pipeline import Pipeline

TENSORS = {"bool": BooleanTensorType, "float32": FloatTensorType,
           "int64": Int64TensorType, "string": StringTensorType}


def export(pipeline: Pipeline, name: str, fields: list[dict]) -> bytes:
    """Serialized model. Inputs: [N,1] per scalar field, [N,k] for shape [k]. Outputs: label, probabilities."""
    graph_inputs = [(f["name"], TENSORS[f["type"]]([None, *f.get("shape", [1])])) for f in fields]
    model = to_onnx(
        pipeline, initial_types=graph_inputs, name=name,
        # Without this, probabilities would be a list of maps, which not every runtime can hand out.
        options={id(pipeline): {"zipmap": False}},
        # Older than the newest on purpose: any runtime of the last years loads it.
        target_opset={"": 17, "ai.onnx.ml": 3})
    for value in [*model.graph.input, *model.graph.output]:
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    fill_hit_rates(model, pipeline)
    onnx.checker.check_model(model)
    assert [i.name for i in model.graph.input] == [f["name"] for f in fields]
    assert [o.name for o in model.graph.output] == ["label", "probabilities"]
    return model.SerializeToString(deterministic=True)


def fill_hit_rates(model: onnx.ModelProto, pipeline: Pipeline) -> None:
    """Writes how many training rows passed each node into `nodes_hitrates`, which skl2onnx fills with ones.

    ONNX Runtime does not read them; explanations are exact by them (path-dependent TreeSHAP needs covers).
    """
    trees = getattr(pipeline[-1], "estimators_", None)
    if trees is None:
        return
    covers = np.concatenate([t.tree_.weighted_n_node_samples for t in np.ravel(trees)])
    nodes = [n for n in model.graph.node if n.op_type in ("TreeEnsembleClassifier", "TreeEnsembleRegressor")]
    assert len(nodes) == 1
    attributes = {a.name: a for a in nodes[0].attribute}
    # skl2onnx numbers trees and nodes as scikit-learn does, so the lists are in the same order.
    ids = [i for t in np.ravel(trees) for i in range(t.tree_.node_count)]
    assert list(attributes["nodes_nodeids"].ints) == ids
    rates = attributes["nodes_hitrates"].floats
    assert len(rates) == len(covers)
    rates[:] = [float(c) for c in covers]
