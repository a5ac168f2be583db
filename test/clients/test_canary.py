"""A split at 50 %: clients see one endpoint, both versions answer, and each gives its own golden numbers."""

import asyncio
from collections import Counter

import tritonclient.http as triton
from golden import assert_golden, churn_records
from kserve import InferenceRESTClient
from kserve.inference_client import RESTConfig
from test_kserve import infer_request
from test_triton import BOTH, churn_inputs, outputs

REQUESTS = 200
#: 99.999 % of all binomial(200, 1/2) draws lie within 100 +- 31.
SHARE = range(69, 132)


def assert_both(versions: Counter) -> None:
    assert sum(versions.values()) == REQUESTS
    assert set(versions) == {"1.0.0", "1.1.0"}
    assert versions["1.1.0"] in SHARE, versions


def test_tritonclient(canary):
    records = churn_records(canary.versions)
    versions = Counter()
    with triton.InferenceServerClient(canary.addresses["churn"]) as client:
        for i in range(REQUESTS):
            record = records[i % len(records)]
            result = client.infer("churn", churn_inputs([record]), outputs=outputs(*BOTH))
            version = result.get_response()["model_version"]
            assert_golden(version, [record], result.as_numpy("label"), result.as_numpy("probabilities"))
            versions[version] += 1
    assert_both(versions)


def test_kserve_v1(canary):
    records = churn_records(canary.versions)

    async def run():
        versions = Counter()
        async with InferenceRESTClient(RESTConfig(protocol="v1")) as client:
            for i in range(REQUESTS):
                record, headers = records[i % len(records)], {}
                instances = {"instances": [record]}
                answer = await client.infer(url(canary), instances, model_name="churn", response_headers=headers)
                (prediction,) = answer["predictions"]
                assert answer["model_version"] == headers["x-model-version"]
                assert prediction["prediction_id"] == headers["x-prediction-id"]
                assert_golden(answer["model_version"], [record], prediction["label"], prediction["probabilities"])
                versions[answer["model_version"]] += 1
        return versions

    assert_both(asyncio.run(run()))


def test_kserve_v2(canary):
    records = churn_records(canary.versions)

    async def run():
        versions = Counter()
        async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
            for i in range(REQUESTS):
                record, headers = records[i % len(records)], {}
                request = infer_request([record])
                answer = await client.infer(url(canary), request, model_name="churn", response_headers=headers)
                found = {output.name: output.as_numpy() for output in answer.outputs}
                assert_golden(headers["x-model-version"], [record], found["label"], found["probabilities"])
                versions[headers["x-model-version"]] += 1
        return versions

    assert_both(asyncio.run(run()))


def url(target) -> str:
    return f"http://{target.addresses['churn']}"
