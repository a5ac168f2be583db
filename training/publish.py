"""Writes a version folder. It appears under its name complete, or not at all."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import sklearn
import yaml

#: Part of the published bytes, so a constant: the date these versions were first trained.
TRAINED_AT = "2026-11-20T00:00:00Z"


@dataclass
class Version:
    name: str
    version: str
    description: str
    inputs: list[dict]
    outputs: list[dict]
    score: dict | None
    model: bytes
    golden: list[dict]
    reference: dict
    #: How explanations are made, and the training rows that they measure against where that takes any.
    explain: str
    background: list[dict] | None
    card: str
    data_name: str
    data_sha256: str


def files(v: Version) -> dict[str, bytes]:
    """Every file of the version folder by name."""
    def lines(rows: list[dict]) -> bytes:
        return "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows).encode()

    return {
        "model.onnx": v.model,
        "model.yaml": manifest(v).encode(),
        "golden.jsonl": lines(v.golden),
        **({"background.jsonl": lines(v.background)} if v.background else {}),
        "reference.json": (json.dumps(v.reference, indent=1) + "\n").encode(),
        "model-card.md": v.card.encode(),
    }


def manifest(v: Version) -> str:
    """model.yaml: block style outside, one line per input, output and other small value."""
    def flow(value) -> str:
        text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**9, allow_unicode=True)
        return text.removesuffix("\n").removesuffix("\n...")

    lines = [
        f"name: {v.name}",
        f"version: {v.version}",
        "platform: onnxruntime_onnx",
        "file: model.onnx",
        # Quoted: a hash of digits and a single e would read as a number.
        f"sha256: '{hashlib.sha256(v.model).hexdigest()}'",
        f"description: {flow(v.description)}",
        "inputs:", *[f"  - {flow(field)}" for field in v.inputs],
        "outputs:", *[f"  - {flow(field)}" for field in v.outputs],
        *([f"score: {flow(v.score)}"] if v.score else []),
        "batching: {maxBatchSize: 64}",
        f"explain: {flow({'method': v.explain} | ({'background': 'background.jsonl'} if v.background else {}))}",
        "golden: golden.jsonl",
        "reference: reference.json",
        "card: model-card.md",
        "provenance:",
        "  trainingData:",
        f"    name: {flow(v.data_name)}",
        f"    sha256: '{v.data_sha256}'",
        f"  trainedAt: '{TRAINED_AT}'",
        f"  framework: scikit-learn {sklearn.__version__}",
    ]
    text = "\n".join(lines) + "\n"
    read = yaml.safe_load(text)
    meant = {"version": v.version, "description": v.description, "inputs": v.inputs, "outputs": v.outputs,
             "provenance": {"trainingData": {"name": v.data_name, "sha256": v.data_sha256},
                            "trainedAt": TRAINED_AT, "framework": f"scikit-learn {sklearn.__version__}"}}
    assert {key: read[key] for key in meant} == meant and read.get("score") == v.score
    return text


def publish(v: Version, models: Path, replace: bool, check: Callable[[Path], float]) -> str:
    """Writes, checks, then renames into place. Says what happened and the largest golden difference."""
    target = models / v.name / v.version
    temporary = target.with_name(f".{v.version}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        written = files(v)
        for name, content in written.items():
            (temporary / name).write_bytes(content)
        difference = check(temporary)
        return f"{place(temporary, target, written, replace)} (largest golden difference {difference:.1e})"
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def place(temporary: Path, target: Path, written: dict[str, bytes], replace: bool) -> str:
    if not target.exists():
        temporary.rename(target)
        return "published"
    present = {p.name: p.read_bytes() for p in target.iterdir()}
    changed = sorted(n for n in {*present, *written} if present.get(n) != written.get(n))
    if not changed:
        return "unchanged"
    if not replace:
        # A version that changes under its number is taken for tampered wherever it is served.
        raise SystemExit(f"{target}: {', '.join(changed)} would change; "
                         "give it a new version number, or pass --replace if it was never served")
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    target.rename(old)
    temporary.rename(target)
    shutil.rmtree(old)
    return f"replaced ({', '.join(changed)})"
