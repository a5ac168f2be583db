"""Asks for a prediction and sends the truth about it; nothing but Python's own library.

    python feedback_example.py [http://localhost:8080]
"""

import json
import sys
import urllib.request

BASE = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8080"
CUSTOMER = {
    "tenure_months": 14,
    "contract": "month-to-month",
    "monthly_charges": 74.95,
    "total_charges": 1012.4,
    "payment_method": "electronic-check",
    "internet_service": "fiber",
    "support_calls": 2,
    "data_usage_gb": 212.5,
    "paperless_billing": True,
}


def post(path, body):
    request = urllib.request.Request(
        BASE + path, json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        return answer.status, json.load(answer)


_, answer = post("/v1/models/churn:predict", {"instances": [CUSTOMER]})
prediction_id = answer["predictions"][0]["prediction_id"]
status, result = post(
    "/v1/models/churn:feedback",
    {"prediction_id": prediction_id, "truth": "stay", "observed_at": "2030-01-31T12:00:00Z"},
)
print(json.dumps({"version": answer["model_version"], "status": status, **result}))
