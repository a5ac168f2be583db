"""tritonclient[http], NVIDIA's client for Triton, with JSON tensors."""

import asyncio

import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from golden import CHURN_COLUMNS, TOLERANCE, assert_golden, churn_records, column, golden
from tritonclient.utils import InferenceServerException


@pytest.fixture()
def churn(target):
    with triton.InferenceServerClient(target.addresses["churn"]) as client:
        yield client


@pytest.fixture()
def digits(target):
    with triton.InferenceServerClient(target.addresses["digits"]) as client:
        yield client


def churn_inputs(records, *, shape=None, binary=False, kind=triton.InferInput):
    inputs = []
    for name, (datatype, _) in CHURN_COLUMNS.items():
        values = column(records, name, shape)
        tensor = kind(name, list(values.shape), datatype)
        tensor.set_data_from_numpy(values, binary_data=binary)
        inputs.append(tensor)
    return inputs


def outputs(*names):
    return [triton.InferRequestedOutput(name, binary_data=False) for name in names]


BOTH = ("label", "probabilities")


def assert_result(target, records, result):
    version = result.get_response()["model_version"]
    assert version in target.versions
    assert_golden(version, records, result.as_numpy("label"), result.as_numpy("probabilities"))


def test_server_is_live_and_ready(churn):
    assert churn.is_server_live()
    assert churn.is_server_ready()


def test_model_is_ready_with_and_without_its_version(churn):
    assert churn.is_model_ready("churn")
    assert churn.is_model_ready("churn", "1.0.0")
    assert not churn.is_model_ready("nobody")
    assert not churn.is_model_ready("churn", "9.9.9")


def test_server_metadata(churn):
    metadata = churn.get_server_metadata()
    assert metadata["name"].startswith("coalmine")
    assert metadata["version"]
    assert isinstance(metadata["extensions"], list)


def test_model_metadata(churn):
    metadata = churn.get_model_metadata("churn")
    assert metadata["name"] == "churn"
    assert "1.0.0" in metadata["versions"]
    assert [(tensor["name"], tensor["datatype"]) for tensor in metadata["inputs"]] == [
        (name, datatype) for name, (datatype, _) in CHURN_COLUMNS.items()
    ]
    assert all(tensor["shape"] == [-1, 1] for tensor in metadata["inputs"])
    assert [tensor["name"] for tensor in metadata["outputs"]] == list(BOTH)
    assert churn.get_model_metadata("churn", "1.0.0")["properties"]["version"] == "1.0.0"


def test_metadata_of_an_unknown_model(churn):
    with pytest.raises(InferenceServerException, match="^\\[404\\] Request for unknown model"):
        churn.get_model_metadata("nobody")


def test_one_row(target, churn):
    for record in churn_records(target.versions)[:10]:
        result = churn.infer("churn", churn_inputs([record]), outputs=outputs(*BOTH))
        assert_result(target, [record], result)


def test_all_golden_rows_in_one_request(target, churn):
    records = churn_records(target.versions)
    result = churn.infer("churn", churn_inputs(records), outputs=outputs(*BOTH))
    assert result.as_numpy("label").dtype == np.int64
    assert result.as_numpy("probabilities").dtype == np.float32
    assert result.as_numpy("probabilities").shape == (len(records), 2)
    assert_result(target, records, result)


def test_columns_may_be_flat(target, churn):
    records = churn_records(target.versions)[:3]
    result = churn.infer("churn", churn_inputs(records, shape=(3,)), outputs=outputs(*BOTH))
    assert_result(target, records, result)


def test_digits(digits):
    rows = golden("digits", "1.0.0")
    pixels = np.array([row.record["pixels"] for row in rows], dtype=np.float32)
    tensor = triton.InferInput("pixels", [len(rows), 64], "FP32")
    tensor.set_data_from_numpy(pixels, binary_data=False)
    result = digits.infer("digits", [tensor], outputs=outputs(*BOTH))
    assert result.as_numpy("label").reshape(-1).tolist() == [row.label for row in rows]
    expected = np.array([row.probabilities for row in rows])
    np.testing.assert_allclose(result.as_numpy("probabilities"), expected, rtol=0, atol=TOLERANCE)


def test_only_the_outputs_asked_for(target, churn):
    inputs = churn_inputs(churn_records(target.versions)[:2])
    result = churn.infer("churn", inputs, outputs=outputs("probabilities"))
    assert [output["name"] for output in result.get_response()["outputs"]] == ["probabilities"]


def test_no_outputs_named_gives_all_as_json(target, churn):
    """The client then asks for binary outputs, which a server without that extension may answer with JSON."""
    records = churn_records(target.versions)[:2]
    assert_result(target, records, churn.infer("churn", churn_inputs(records)))


def test_request_id_comes_back(target, churn):
    inputs = churn_inputs(churn_records(target.versions)[:1])
    result = churn.infer("churn", inputs, outputs=outputs(*BOTH), request_id="order-66")
    assert result.get_response()["id"] == "order-66"


def test_a_version_can_be_pinned(target, churn):
    records = churn_records(target.versions)[:2]
    for version in target.versions:
        for _ in range(10):
            result = churn.infer("churn", churn_inputs(records), model_version=version, outputs=outputs(*BOTH))
            assert result.get_response()["model_version"] == version
            assert_result(target, records, result)


def test_query_parameters_and_headers_pass(target, churn):
    records = churn_records(target.versions)[:1]
    more = {"query_params": {"test_1": 1, "test_2": 2}, "headers": {"x-request-id": "abc-1"}}
    assert_result(target, records, churn.infer("churn", churn_inputs(records), outputs=outputs(*BOTH), **more))
    assert churn.is_server_ready(query_params={"test_1": 1})


def test_a_compressed_answer_may_be_asked_for(target, churn):
    records = churn_records(target.versions)[:1]
    result = churn.infer("churn", churn_inputs(records), outputs=outputs(*BOTH), response_compression_algorithm="gzip")
    assert_result(target, records, result)


def test_custom_parameters_pass(target, churn):
    records = churn_records(target.versions)[:1]
    result = churn.infer("churn", churn_inputs(records), outputs=outputs(*BOTH), parameters={"caller": "test"})
    assert_result(target, records, result)


def failure(call) -> InferenceServerException:
    with pytest.raises(InferenceServerException) as caught:
        call()
    return caught.value


def test_an_unknown_model(target, churn):
    inputs = churn_inputs(churn_records(target.versions)[:1])
    error = failure(lambda: churn.infer("nobody", inputs, outputs=outputs(*BOTH)))
    assert error.status() == "404"
    assert error.message().startswith("Request for unknown model")


def test_an_unknown_version(target, churn):
    inputs = churn_inputs(churn_records(target.versions)[:1])
    error = failure(lambda: churn.infer("churn", inputs, model_version="9.9.9", outputs=outputs(*BOTH)))
    assert error.status() == "404"
    assert error.message().startswith("Request for unknown model")
    assert "9.9.9" in error.message()


@pytest.mark.parametrize(
    ("field", "value"), [("tenure_months", -1), ("tenure_months", 121), ("contract", "three-years"), ("monthly_charges", 501)]
)
def test_a_value_that_breaks_the_contract_is_named(target, churn, field, value):
    good = churn_records(target.versions)[0]
    error = failure(lambda: churn.infer("churn", churn_inputs([good, {**good, field: value}]), outputs=outputs(*BOTH)))
    assert error.status() == "422"
    assert field in error.message()


def test_a_missing_input_is_named(target, churn):
    inputs = churn_inputs(churn_records(target.versions)[:1])[1:]
    error = failure(lambda: churn.infer("churn", inputs, outputs=outputs(*BOTH)))
    assert error.status() in ("400", "422")
    assert "tenure_months" in error.message()


def test_an_unknown_output_is_named(target, churn):
    inputs = churn_inputs(churn_records(target.versions)[:1])
    error = failure(lambda: churn.infer("churn", inputs, outputs=outputs("logits")))
    assert error.status() in ("400", "422")
    assert "logits" in error.message()


def test_binary_inputs_are_refused_with_the_way_out(target, churn):
    inputs = churn_inputs(churn_records(target.versions)[:1], binary=True)
    error = failure(lambda: churn.infer("churn", inputs, outputs=outputs(*BOTH)))
    assert error.status() in ("400", "415", "501")
    assert "binary" in error.message()


def test_answers_of_parallel_requests_are_not_mixed_up(target):
    records = churn_records(target.versions)
    with triton.InferenceServerClient(target.addresses["churn"], concurrency=16) as client:
        calls = [
            (record, client.async_infer("churn", churn_inputs([record]), outputs=outputs(*BOTH), request_id=f"row-{i}"))
            for i, record in enumerate(records * 8)
        ]
        for i, (record, call) in enumerate(calls):
            result = call.get_result()
            assert result.get_response()["id"] == f"row-{i}"
            assert_result(target, [record], result)


def test_the_asyncio_client(target):
    async def infer(record):
        async with triton_aio.InferenceServerClient(target.addresses["churn"]) as client:
            assert await client.is_server_ready()
            return await client.infer("churn", churn_inputs([record]), outputs=outputs(*BOTH))

    record = churn_records(target.versions)[0]
    assert_result(target, [record], asyncio.run(infer(record)))
