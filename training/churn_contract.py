"""The request contract of the churn model, the same for every version, in the shape of model.yaml."""

from training import customers

INPUTS = [
    {"name": "tenure_months", "type": "int64", "min": 0, "max": 120, "unit": "months", "example": 14,
     "description": "Full months since the first contract began."},
    {"name": "contract", "type": "string", "enum": customers.CONTRACTS, "example": "month-to-month",
     "description": "Commitment of the current contract."},
    {"name": "monthly_charges", "type": "float32", "min": 0, "max": 500, "unit": "USD", "nullable": True,
     "example": 74.95, "description": "Charges of the last full month; null when not billed yet."},
    {"name": "total_charges", "type": "float32", "min": 0, "max": 60000, "unit": "USD", "nullable": True,
     "example": 1012.4, "description": "All charges since the first contract; null before the first bill."},
    {"name": "payment_method", "type": "string", "enum": customers.PAYMENTS, "example": "electronic-check",
     "description": "How the last bill was paid."},
    {"name": "internet_service", "type": "string", "enum": customers.INTERNET, "nullable": True,
     "example": "fiber", "description": "Access technology; null when the line record is missing."},
    {"name": "support_calls", "type": "int64", "min": 0, "max": 50, "example": 2,
     "description": "Calls to support in the last 90 days."},
    {"name": "data_usage_gb", "type": "float32", "min": 0, "max": 5000, "unit": "GB", "example": 212.5,
     "description": "Data used in the last full month; 0 without internet service."},
    {"name": "paperless_billing", "type": "bool", "example": True,
     "description": "Whether bills are sent electronically only."},
]

LABELS = ["stay", "churn"]

OUTPUTS = [
    {"name": "label", "type": "int64", "labels": LABELS,
     "description": "The more probable outcome within 30 days: 0 stay, 1 churn."},
    {"name": "probabilities", "type": "float32", "shape": [2],
     "description": "Probability of each label, in label order; they sum to 1."},
]

#: What the gateway compares between versions: the probability of leaving.
SCORE = {"output": "probabilities", "index": 1, "range": [0, 1]}
