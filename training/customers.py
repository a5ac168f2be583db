"""Synthetic telecom customers with a known ground truth.

Nobody's data: every row is drawn from the distributions below, and whether a customer leaves within
30 days is drawn from LOG_ODDS. Knowing the truth lets a model card say how good a model could be at best.
"""

import numpy as np
import pandas as pd

CONTRACTS = ["month-to-month", "one-year", "two-year"]
INTERNET = ["none", "dsl", "fiber"]
PAYMENTS = ["electronic-check", "mailed-check", "bank-transfer", "credit-card"]

#: The formula as the model card prints it; `log_odds` below is the same formula in code.
LOG_ODDS = """\
log-odds(leaves within 30 days) =
  - 2.1
  + 1.8 * exp(-tenure_months / 8)                                     new customers leave most
  - 0.9 * [contract = one-year] - 1.8 * [contract = two-year]
  + 0.060 * (monthly_charges - 65) * [contract = month-to-month]        price matters to those free to go
  + 1.3 * [support_calls >= 4]                                          a step, not a slope
  + 1.0 * [support_calls >= 4 and tenure_months < 12]
  + 2.2 * [internet_service = fiber and data_usage_gb < 80]             pays for what is not used
  + 1.2 * [data_usage_gb > 500]                                         outgrew the plan
  + 1.0 * [tenure_months >= 6 and total_charges < 0.87 * monthly_charges * tenure_months]   a recent price rise
  + 0.5 * [payment_method = electronic-check]
  + 0.4 * [payment_method = electronic-check and paperless_billing]"""

#: Share of rows that lose the value, at random, after the outcome was drawn.
MISSING = {"monthly_charges": 0.04, "total_charges": 0.03, "internet_service": 0.05}


def draw(rows: int, seed: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Draws customers.

    Returns (records, left, truth):
      records  DataFrame [rows x 9]; columns and units as in churn_contract.INPUTS. Nullable numbers are
               float64 holding exact float32 values with NaN for null; null strings are "".
      left     int64 [rows], 1 when the customer left
      truth    float64 [rows], the true probability of leaving
    """
    rng = np.random.default_rng(seed)
    contract = rng.choice(CONTRACTS, rows, p=[0.55, 0.22, 0.23])
    internet = rng.choice(INTERNET, rows, p=[0.20, 0.35, 0.45])
    payment = rng.choice(PAYMENTS, rows, p=[0.34, 0.22, 0.22, 0.22])
    paperless = rng.random(rows) < np.where(payment == "mailed-check", 0.25, 0.68)

    mean_tenure = pd.Series(contract).map(dict(zip(CONTRACTS, [20.0, 40.0, 56.0]))).to_numpy()
    tenure = np.minimum(np.floor(rng.gamma(1.4, mean_tenure / 1.4)), 120).astype(np.int64)

    base = pd.Series(internet).map(dict(zip(INTERNET, [22.0, 54.0, 84.0]))).to_numpy()
    spread = pd.Series(internet).map(dict(zip(INTERNET, [4.0, 11.0, 16.0]))).to_numpy()
    monthly = np.round(np.clip(base + spread * rng.standard_normal(rows), 10, 500), 2)

    # A quarter of the customers paid less in the past: their total lags behind tenure x today's price.
    rise = np.where(rng.random(rows) < 0.25, rng.uniform(0.15, 0.45, rows), 0.0)
    total = np.round(monthly / (1 + rise) * tenure * rng.uniform(0.97, 1.03, rows), 2)

    calls = rng.poisson(rng.gamma(1.2, np.where(internet == "fiber", 1.9, 1.3)))
    calls = np.minimum(calls, 50).astype(np.int64)

    median_usage = np.where(internet == "fiber", 190.0, 90.0)
    usage = np.where(internet == "none", 0.0, median_usage * np.exp(0.9 * rng.standard_normal(rows)))
    usage = np.round(np.minimum(usage, 5000), 1)

    records = pd.DataFrame({
        "tenure_months": tenure,
        "contract": contract.astype(object),
        "monthly_charges": as_float32(monthly),
        "total_charges": as_float32(total),
        "payment_method": payment.astype(object),
        "internet_service": internet.astype(object),
        "support_calls": calls,
        "data_usage_gb": as_float32(usage),
        "paperless_billing": paperless,
    })
    truth = 1 / (1 + np.exp(-log_odds(records)))
    left = (rng.random(rows) < truth).astype(np.int64)

    # The outcome follows the real value; the record the model sees has lost it.
    for name, share in MISSING.items():
        lost = rng.random(rows) < share
        records.loc[lost, name] = "" if name == "internet_service" else np.nan
    # A customer in the first month has not been billed yet.
    records.loc[tenure == 0, "total_charges"] = np.nan
    return records, left, truth


def log_odds(r: pd.DataFrame) -> np.ndarray:
    """LOG_ODDS for complete records: float64 [rows]."""
    monthly_contract = r["contract"] == "month-to-month"
    many_calls = r["support_calls"] >= 4
    check = r["payment_method"] == "electronic-check"
    price_rise = (r["tenure_months"] >= 6) & (
        r["total_charges"] < 0.87 * r["monthly_charges"] * r["tenure_months"])
    z = (
        -2.1
        + 1.8 * np.exp(-r["tenure_months"] / 8)
        - 0.9 * (r["contract"] == "one-year") - 1.8 * (r["contract"] == "two-year")
        + 0.060 * (r["monthly_charges"] - 65) * monthly_contract
        + 1.3 * many_calls
        + 1.0 * (many_calls & (r["tenure_months"] < 12))
        + 2.2 * ((r["internet_service"] == "fiber") & (r["data_usage_gb"] < 80))
        + 1.2 * (r["data_usage_gb"] > 500)
        + 1.0 * price_rise
        + 0.5 * check
        + 0.4 * (check & r["paperless_billing"])
    )
    return z.to_numpy(dtype=np.float64)


def as_float32(values: np.ndarray) -> np.ndarray:
    """Rounds to float32, the type of the graph input, so training sees what serving sees. Kept as float64."""
    return values.astype(np.float32).astype(np.float64)
