"""Explanations over HTTP, beside what the `shap` package says of the same models and rows."""

import json
import urllib.request

import numpy as np
import pytest

from shap_oracle import Oracle

AT_ONCE = 50


def explain(address: str, version: str, records: list[dict]) -> dict:
    url = f"http://{address}/v1/models/churn/versions/{version}:explain"
    request = urllib.request.Request(url, json.dumps({"instances": records}).encode())
    with urllib.request.urlopen(request, timeout=30) as response:
        assert response.headers["x-model-version"] == version
        return json.load(response)


@pytest.mark.parametrize("version, method", [("1.0.0", "linear"), ("1.1.0", "tree-shap")])
def test_contributions_are_those_of_shap(canary, version, method):
    oracle = Oracle("churn", version)
    names = [field["name"] for field in oracle.fields]
    records = oracle.records()
    base, expected = oracle.explain(records)
    for first in range(0, len(records), AT_ONCE):
        answer = explain(canary.addresses["churn"], version, records[first:first + AT_ONCE])
        assert (answer["method"], answer["link"]) == (method, "logit")
        for offset, explanation in enumerate(answer["explanations"]):
            by_name = {c["feature"]: c["contribution"] for c in explanation["contributions"]}
            actual = np.array([by_name[name] for name in names])
            assert abs(explanation["base_value"] - base) < 1e-6
            assert np.abs(actual - expected[first + offset]).max() < 1e-6
            value = explanation["base_value"] + actual.sum()
            assert abs(1 / (1 + np.exp(-value)) - explanation["prediction"]) < 1e-4
