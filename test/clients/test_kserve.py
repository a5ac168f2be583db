"""InferenceRESTClient of KServe's SDK, over V1 and V2."""

import asyncio

import httpx
import pytest
from golden import CHURN_COLUMNS, assert_golden, churn_records, column, golden
from kserve import InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig


def call(protocol, use):
    """Runs `use(client)` in a loop of its own."""

    async def run():
        async with InferenceRESTClient(RESTConfig(protocol=protocol)) as client:
            return await use(client)

    return asyncio.run(run())


def failure(protocol, use) -> httpx.HTTPStatusError:
    with pytest.raises(httpx.HTTPStatusError) as caught:
        call(protocol, use)
    return caught.value


@pytest.fixture()
def url(target):
    return f"http://{target.addresses['churn']}"


def infer_request(records) -> InferRequest:
    inputs = []
    for name, (datatype, _) in CHURN_COLUMNS.items():
        values = column(records, name)
        tensor = InferInput(name, list(values.shape), datatype)
        tensor.set_data_from_numpy(values, binary_data=False)
        inputs.append(tensor)
    return InferRequest(model_name="churn", infer_inputs=inputs, request_id="order-66")


def test_v1_server_is_live(url):
    assert call("v1", lambda client: client.is_server_live(url)) is True


def test_v2_server_is_live_and_ready(url):
    assert call("v2", lambda client: client.is_server_live(url)) is True
    assert call("v2", lambda client: client.is_server_ready(url)) is True


@pytest.mark.parametrize("protocol", ["v1", "v2"])
def test_model_is_ready(url, protocol):
    assert call(protocol, lambda client: client.is_model_ready(url, "churn")) is True


def test_v1_an_unknown_model_is_not_ready(url):
    error = failure("v1", lambda client: client.is_model_ready(url, "nobody"))
    assert error.response.status_code == 404
    assert "Request for unknown model" in str(error)


def test_v2_an_unknown_model_is_not_ready(url):
    assert call("v2", lambda client: client.is_model_ready(url, "nobody")) is False


def test_v1_predict(target, url):
    records = churn_records(target.versions)
    answer = call("v1", lambda client: client.infer(url, {"instances": records}, model_name="churn"))
    assert answer["model_version"] in target.versions
    labels = [prediction["label"] for prediction in answer["predictions"]]
    probabilities = [prediction["probabilities"] for prediction in answer["predictions"]]
    assert_golden(answer["model_version"], records, labels, probabilities)


def test_v1_nulls_are_values_of_the_contract(target, url):
    rows = [row for row in golden("churn", "1.0.0") if not row.complete]
    assert rows
    instances = {"instances": [row.record for row in rows]}
    answer = call("v1", lambda client: client.infer(url, instances, model_name="churn"))
    if answer["model_version"] == "1.0.0":
        probabilities = [prediction["probabilities"] for prediction in answer["predictions"]]
        assert_golden("1.0.0", [row.record for row in rows], [row.label for row in rows], probabilities)


def test_v2_infer(target, url):
    records = churn_records(target.versions)
    headers: dict[str, str] = {}
    request = infer_request(records)
    answer = call("v2", lambda client: client.infer(url, request, model_name="churn", response_headers=headers))
    # The SDK drops model_version of the body; the header keeps it.
    version = headers["x-model-version"]
    assert version in target.versions
    assert answer.model_name == "churn"
    assert answer.id == "order-66"
    found = {output.name: output.as_numpy() for output in answer.outputs}
    assert_golden(version, records, found["label"], found["probabilities"])


def test_v1_a_value_that_breaks_the_contract_is_named(target, url):
    record = {**churn_records(target.versions)[0], "tenure_months": "fourteen"}
    error = failure("v1", lambda client: client.infer(url, {"instances": [record]}, model_name="churn"))
    assert error.response.status_code == 422
    assert "tenure_months" in str(error).split(", '422")[0]


def test_v2_a_value_that_breaks_the_contract_is_named(target, url):
    request = infer_request([{**churn_records(target.versions)[0], "tenure_months": 121}])
    error = failure("v2", lambda client: client.infer(url, request, model_name="churn"))
    assert error.response.status_code == 422
    assert "tenure_months" in str(error).split(", '422")[0]


@pytest.mark.parametrize("protocol", ["v1", "v2"])
def test_an_unknown_model(target, url, protocol):
    records = churn_records(target.versions)[:1]
    data = {"instances": records} if protocol == "v1" else infer_request(records)
    error = failure(protocol, lambda client: client.infer(url, data, model_name="nobody"))
    assert error.response.status_code == 404
    assert str(error).startswith("Request for unknown model")
