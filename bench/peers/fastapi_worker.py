"""The peer of our worker: the same model file behind FastAPI, set up as fast as FastAPI reasonably goes.

What was chosen in its favour, each measured against the alternative on the same machine:
- uvicorn with uvloop and httptools, one process; no access log, no proxy headers, no Server header, no lifespan
- pydantic-core parses and validates the body's bytes in one pass (`validate_json`), instead of FastAPI's own
  way over json.loads, a tree of dicts and a second walk for validation
- the rules are Rust literals and constraints made once from model.yaml; nothing is checked in Python
- the answer is serialised by orjson into a plain Response: no response model, no jsonable_encoder
- inference runs inside the async handler: a hop to the thread pool costs more than the model does
- onnxruntime with one thread and without spinning, as our worker has it
- objects made at start are frozen out of the garbage collector

It answers with the body our worker gives, and with fewer headers. 422 keeps FastAPI's form.

    python fastapi_worker.py MODEL_FOLDER PORT
"""

import gc
import sys
from pathlib import Path
from typing import Annotated, Literal

import numpy
import onnxruntime
import orjson
import uvicorn
import yaml
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

NUMPY_TYPES = {
    "int64": numpy.int64,
    "int32": numpy.int32,
    "float32": numpy.float32,
    "float64": numpy.float64,
    "string": object,
    "bool": numpy.bool_,
}
PYTHON_TYPES = {"int64": int, "int32": int, "float32": float, "float64": float, "string": str, "bool": bool}


def field_type(field: dict):
    """The pydantic type of one input: strict, in range, of the enum; no NaN and no infinity."""
    if "enum" in field:
        kind = Literal[tuple(field["enum"])]
    else:
        rules = {"strict": True}
        if field["type"] in ("float32", "float64"):
            rules["allow_inf_nan"] = False
        if "min" in field:
            rules["ge"] = field["min"]
        if "max" in field:
            rules["le"] = field["max"]
        if field["type"] == "string":
            rules["max_length"] = field.get("maxLength", 1024)
        kind = Annotated[PYTHON_TYPES[field["type"]], Field(**rules)]
    return (kind | None, None) if field.get("nullable") else (kind, ...)


def request_model(inputs: list[dict]) -> type[BaseModel]:
    """`{"instances": [record, ...]}` with 1 to 1,024 records that keep the manifest's rules."""
    forbid = ConfigDict(extra="forbid")
    record = create_model("Record", __config__=forbid, **{field["name"]: field_type(field) for field in inputs})
    instances = (Annotated[list[record], Field(min_length=1, max_length=1024)], ...)
    return create_model("PredictRequest", __config__=forbid, instances=instances)


def encoder(inputs: list[dict]):
    """records -> feeds; null becomes NaN or "", as the training saw it."""
    columns = []
    for field in inputs:
        missing = "" if field["type"] == "string" else float("nan")
        columns.append((field["name"], NUMPY_TYPES[field["type"]], bool(field.get("nullable")), missing))

    def encode(records: list[BaseModel]) -> dict:
        # A pydantic model keeps its values in __dict__: one look-up instead of one attribute access a field.
        rows = [record.__dict__ for record in records]
        feeds = {}
        for name, kind, nullable, missing in columns:
            if nullable:
                values = [[missing if row[name] is None else row[name]] for row in rows]
            else:
                values = [[row[name]] for row in rows]
            feeds[name] = numpy.array(values, dtype=kind)
        return feeds

    return encode


def build_app(folder: Path) -> FastAPI:
    manifest = yaml.safe_load((folder / "model.yaml").read_text())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(
        str(folder / manifest["file"]), options, providers=["CPUExecutionProvider"]
    )
    names = [output["name"] for output in manifest["outputs"]]
    encode = encoder(manifest["inputs"])
    validate = request_model(manifest["inputs"]).__pydantic_validator__.validate_json
    model_name, model_version = manifest["name"], manifest["version"]
    headers = {"x-model-name": model_name, "x-model-version": model_version}
    parameters = {"model_digest": "sha256:" + manifest["sha256"]}

    app = FastAPI()

    @app.get("/readyz")
    async def ready() -> dict:
        return {"ready": True}

    @app.post(f"/v1/models/{model_name}:predict")
    async def predict(request: Request) -> Response:
        try:
            body = validate(await request.body())
        except ValidationError as error:
            raise RequestValidationError(error.errors()) from error
        columns = [column.tolist() for column in session.run(names, encode(body.instances))]
        answer = {
            "predictions": [dict(zip(names, row)) for row in zip(*columns)],
            "model_name": model_name,
            "model_version": model_version,
            "parameters": parameters,
        }
        return Response(orjson.dumps(answer), media_type="application/json", headers=headers)

    return app


if __name__ == "__main__":
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    app = build_app(folder)
    gc.collect()
    gc.freeze()
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
    )
