"""Checks version folders with ONNX Runtime: hashes, graph against contract, and every golden record."""

import hashlib
import json
import os
from pathlib import Path

# Read when the library loads, so it comes before the import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime
import yaml

TOLERANCE = 1e-5
ONNX_TYPES = {"int64": "tensor(int64)", "float32": "tensor(float)", "string": "tensor(string)",
              "bool": "tensor(bool)"}
DTYPES = {"int64": np.int64, "float32": np.float32, "string": object, "bool": np.bool_}


def check_version(folder: Path) -> float:
    """The largest difference of a probability over the golden records; exits with a message on any fault."""
    contract = yaml.safe_load((folder / "model.yaml").read_text())
    model = (folder / contract["file"]).read_bytes()
    require(hashlib.sha256(model).hexdigest() == contract["sha256"], folder, "model.onnx has another sha256")
    for key in ("golden", "reference", "card"):
        require((folder / contract[key]).is_file(), folder, f"{contract[key]} is missing")
    background = contract["explain"].get("background")
    require(background is None or (folder / background).is_file(), folder, f"{background} is missing")

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    inputs = {i.name: (i.type, i.shape[1:]) for i in session.get_inputs()}
    wanted = {f["name"]: (ONNX_TYPES[f["type"]], f.get("shape", [1])) for f in contract["inputs"]}
    require(inputs == wanted, folder, f"graph inputs {inputs}, contract {wanted}")
    require(all(isinstance(i.shape[0], str) for i in session.get_inputs()), folder, "batch dimension is fixed")

    lines = [json.loads(line) for line in (folder / contract["golden"]).read_text().splitlines()]
    records = [line["record"] for line in lines]
    together = run(session, contract, records)
    largest = 0.0
    for number, line in enumerate(lines, 1):
        alone = run(session, contract, [line["record"]])
        for label, probabilities in (
                (alone[0][0], alone[1][0]), (together[0][number - 1], together[1][number - 1])):
            expected = np.array(line["outputs"]["probabilities"])
            difference = float(np.abs(probabilities.astype(np.float64) - expected).max())
            # Written so that NaN fails too.
            require(difference <= TOLERANCE, folder, f"golden line {number}: probabilities differ by {difference}")
            require(label == line["outputs"]["label"], folder, f"golden line {number}: label {label}")
            largest = max(largest, difference)
    return largest


def run(session, contract: dict, records: list[dict]) -> list[np.ndarray]:
    """label int64 [N] and probabilities float32 [N,k]."""
    feeds = {f["name"]: tensor([r[f["name"]] for r in records], f) for f in contract["inputs"]}
    return session.run(["label", "probabilities"], feeds)


def tensor(values: list, field: dict) -> np.ndarray:
    """[N,1] or [N,k]. Null is NaN in a float32 field and "" in a string field."""
    null = {"float32": np.nan, "string": ""}.get(field["type"])
    filled = [null if v is None else v for v in values]
    return np.array(filled, dtype=DTYPES[field["type"]]).reshape(len(values), *field.get("shape", [1]))


def check_all(models: Path) -> None:
    folders = sorted(p.parent for p in models.glob("*/*/model.yaml"))
    for folder in folders:
        print(f"{folder.parent.name} {folder.name}: largest golden difference {check_version(folder):.1e}")
    require(bool(folders), models, "no versions found")


def require(condition: bool, folder: Path, message: str) -> None:
    if not condition:
        raise SystemExit(f"{folder}: {message}")
