"""The golden records of a model version, and what a client must get for them."""

import functools
import json
from dataclasses import dataclass

import numpy as np
from servers import ROOT

TOLERANCE = 1e-5

#: The columns of churn in the manifest's order: Open Inference datatype and numpy's.
CHURN_COLUMNS = {
    "tenure_months": ("INT64", np.int64),
    "contract": ("BYTES", np.object_),
    "monthly_charges": ("FP32", np.float32),
    "total_charges": ("FP32", np.float32),
    "payment_method": ("BYTES", np.object_),
    "internet_service": ("BYTES", np.object_),
    "support_calls": ("INT64", np.int64),
    "data_usage_gb": ("FP32", np.float32),
    "paperless_billing": ("BOOL", np.bool_),
}


@dataclass(frozen=True)
class Golden:
    record: dict
    label: int
    probabilities: list[float]

    @property
    def key(self) -> str:
        return json.dumps(self.record, sort_keys=True)

    @property
    def complete(self) -> bool:
        """Without nulls: JSON tensors of numbers cannot hold one."""
        return None not in self.record.values()


@functools.cache
def golden(model: str, version: str) -> tuple[Golden, ...]:
    lines = (ROOT / "models" / model / version / "golden.jsonl").read_text().splitlines()
    return tuple(Golden(line["record"], **line["outputs"]) for line in map(json.loads, lines))


def churn_records(versions: tuple[str, ...]) -> list[dict]:
    """Records without nulls for which every one of the versions has a golden answer."""
    known = [{one.key for one in golden("churn", version)} for version in versions]
    records = {one.key: one.record for one in golden("churn", versions[0]) if one.complete}
    return [record for key, record in records.items() if all(key in keys for keys in known)]


def assert_golden(version: str, records: list[dict], labels, probabilities) -> None:
    """The answers for records of churn are those of the version that says it answered."""
    expected = {one.key: one for one in golden("churn", version)}
    wanted = [expected[json.dumps(record, sort_keys=True)] for record in records]
    assert np.asarray(labels).reshape(-1).tolist() == [one.label for one in wanted]
    wanted_probabilities = np.array([one.probabilities for one in wanted])
    np.testing.assert_allclose(
        np.asarray(probabilities, dtype=np.float64).reshape(len(records), 2), wanted_probabilities, rtol=0, atol=TOLERANCE
    )


def column(records: list[dict], name: str, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """One column of churn, [rows, 1] unless said otherwise."""
    values = np.array([record[name] for record in records], dtype=CHURN_COLUMNS[name][1])
    return values.reshape(shape or (len(records), 1))
