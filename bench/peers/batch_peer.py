"""Batch prediction as it is written today: pandas, onnxruntime, one script.

batch_peer.py generate MODEL_FOLDER ROWS FILE    rows drawn evenly from the contract, some nulls
batch_peer.py score MODEL_FOLDER IN OUT          reads, scores and writes Parquet; prints seconds and rows
"""

import json
import pathlib
import sys
import time

import numpy as np
import onnxruntime
import pandas as pd
import yaml

NULLS = 0.05
ROWS_PER_RUN = 65_536
DTYPES = {"int64": np.int64, "float32": np.float32, "float64": np.float64, "bool": np.bool_}


def manifest_of(folder: pathlib.Path) -> dict:
    return yaml.safe_load((folder / "model.yaml").read_text())


def generate(folder: pathlib.Path, rows: int, file: str) -> None:
    random = np.random.default_rng(1)
    columns = {"customer_id": np.arange(rows, dtype=np.int64)}
    for field in manifest_of(folder)["inputs"]:
        name, kind = field["name"], field["type"]
        if "enum" in field:
            values = pd.Series(random.choice(field["enum"], rows))
        elif kind == "bool":
            values = pd.Series(random.random(rows) < 0.5)
        elif kind == "int64":
            values = pd.Series(random.integers(field["min"], field["max"] + 1, rows))
        else:
            values = pd.Series(random.uniform(field["min"], field["max"], rows).round(2).astype(DTYPES[kind]))
        if field.get("nullable"):
            values = values.mask(random.random(rows) < NULLS)
        columns[name] = values
    pd.DataFrame(columns).to_parquet(file, index=False, row_group_size=250_000)


def score(folder: pathlib.Path, source: str, target: str) -> None:
    manifest = manifest_of(folder)
    options = onnxruntime.SessionOptions()
    session = onnxruntime.InferenceSession(
        str(folder / manifest["file"]), options, providers=["CPUExecutionProvider"]
    )
    begun = time.perf_counter()
    frame = pd.read_parquet(source)
    feeds = {}
    for field in manifest["inputs"]:
        column = frame[field["name"]]
        if field["type"] == "string":
            values = column.fillna("").to_numpy(dtype=object)
        else:
            values = column.to_numpy(dtype=DTYPES[field["type"]])
        feeds[field["name"]] = values.reshape(-1, 1)
    names = [output["name"] for output in manifest["outputs"]]
    parts = []
    for first in range(0, len(frame), ROWS_PER_RUN):
        some = {name: values[first : first + ROWS_PER_RUN] for name, values in feeds.items()}
        parts.append(session.run(names, some))
    labels, probabilities = (np.concatenate([part[i] for part in parts]) for i in range(2))
    words = next(output["labels"] for output in manifest["outputs"] if "labels" in output)
    frame["prediction"] = np.array(words, dtype=object)[labels]
    frame["score"] = probabilities[:, manifest["score"]["index"]]
    frame["model_version"] = manifest["version"]
    frame.to_parquet(target, index=False)
    print(json.dumps({"seconds": time.perf_counter() - begun, "rows": len(frame)}))


if __name__ == "__main__":
    command, folder, *rest = sys.argv[1:]
    if command == "generate":
        generate(pathlib.Path(folder), int(rest[0]), rest[1])
    else:
        score(pathlib.Path(folder), *rest)
