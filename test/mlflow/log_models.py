"""Logs models to the MLflow server of MLFLOW_TRACKING_URI as a training script would; prints what they answer."""

import json

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from onnx import numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

random = np.random.default_rng(1)
frame = pd.DataFrame(
    {
        "age": random.integers(18, 80, 500),
        "plan": random.choice(["basic", "plus"], 500),
        "charges": random.uniform(0, 100, 500).astype(np.float32),
    }
)
left = ((frame.charges > 50) & (frame.plan == "basic")).astype(int)

# One tensor a column, as Coalmine's contract likes it best.
columns = make_column_transformer(
    (OneHotEncoder(handle_unknown="ignore"), ["plan"]), (StandardScaler(), ["age", "charges"])
)
trees = make_pipeline(columns, GradientBoostingClassifier(n_estimators=20, random_state=1)).fit(frame, left)
types = [
    ("age", Int64TensorType([None, 1])),
    ("plan", StringTensorType([None, 1])),
    ("charges", FloatTensorType([None, 1])),
]
with mlflow.start_run() as run:
    mlflow.log_params({"n_estimators": 20})
    mlflow.log_metric("auc", 0.91)
    mlflow.log_input(mlflow.data.from_pandas(frame.assign(left=left), name="customers"), context="training")
    mlflow.onnx.log_model(
        to_onnx(trees, initial_types=types, options={"zipmap": False}),
        name="model",
        registered_model_name="churn",
        signature=infer_signature(frame, left),
        input_example=frame.head(5),
    )
client = mlflow.MlflowClient()
client.set_registered_model_alias("churn", "champion", "1")

# All columns in one tensor, as most scripts have it.
numbers = frame[["age", "charges"]]
linear = LogisticRegression().fit(numbers.to_numpy(np.float32), left)
with mlflow.start_run():
    mlflow.onnx.log_model(
        to_onnx(linear, numbers.to_numpy(np.float32)[:1], options={"zipmap": False}),
        name="model",
        registered_model_name="Single Tensor",
        signature=infer_signature(numbers, left),
        input_example=numbers.head(3),
    )

# Weights of a kilobyte and more lie in a file of their own, as MLflow has it unless told otherwise.
wide = pd.DataFrame(random.normal(size=(300, 40)), columns=[f"f{i}" for i in range(40)]).astype(np.float32)
network = MLPClassifier((32,), max_iter=50, random_state=1).fit(wide.to_numpy(), left[:300])
onnx_network = to_onnx(network, wide.to_numpy()[:1], options={"zipmap": False})
for tensor in onnx_network.graph.initializer:
    # As bytes, as frameworks of networks write them; ONNX moves nothing else out.
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name))
with mlflow.start_run():
    mlflow.onnx.log_model(
        onnx_network,
        name="model",
        registered_model_name="network",
        signature=infer_signature(wide, left[:300]),
        input_example=wide.head(3),
        save_as_external_data=True,
    )

# Two that cannot be served: no ONNX, and answers that are maps.
with mlflow.start_run():
    mlflow.sklearn.log_model(linear, name="model", registered_model_name="pickled")
with mlflow.start_run():
    mlflow.onnx.log_model(
        to_onnx(linear, numbers.to_numpy(np.float32)[:1]), name="model", registered_model_name="zipmap"
    )

row = frame.iloc[[7]]
print(
    json.dumps(
        {
            "run": run.info.run_id,
            "record": json.loads(row.to_json(orient="records"))[0],
            "churn": float(trees.predict_proba(row)[0, 1]),
            "wide": [float(value) for value in wide.iloc[7]],
            "network": float(network.predict_proba(wide.to_numpy()[7:8])[0, 1]),
            "single": float(linear.predict_proba(row[["age", "charges"]].to_numpy(np.float32))[0, 1]),
        }
    )
)
