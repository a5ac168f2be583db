"""Trains and publishes every version. `python -m training.train [--check] [--replace] [--models FOLDER]`."""

import argparse
from pathlib import Path

import numpy as np
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss
from threadpoolctl import threadpool_limits

from training import cards, churn, churn_contract, customers, digits, golden, measures, records, reference
from training.export import export
from training.publish import Version, publish

TRAIN_ROWS, TRAIN_SEED = 16000, 1
HELD_ROWS, HELD_SEED = 8000, 2
#: The training rows that explanations measure against: the first of a table in random order.
BACKGROUND_ROWS = 200


def churn_versions() -> list[Version]:
    fields = churn_contract.INPUTS
    train, left, _ = customers.draw(TRAIN_ROWS, TRAIN_SEED)
    held, held_left, truth = customers.draw(HELD_ROWS, HELD_SEED)
    data = {
        "train_rows": len(train), "train_rate": left.mean(),
        "train_sha256": records.canonical_sha256(train, fields, left),
        "held_rows": len(held), "held_rate": held_left.mean(),
        "held_sha256": records.canonical_sha256(held, fields, held_left),
    }
    best = measures.binary(held_left, truth)

    weekly = churn.with_weekly_charges(train)
    regression = churn.logistic_regression(train, left)
    boosting = churn.gradient_boosting(train, left)
    faulty = churn.gradient_boosting(weekly, left)

    def scores(pipeline, table) -> np.ndarray:
        return pipeline.predict_proba(table)[:, 1]

    def version(number, pipeline, description, kind, explain, data_sha256=data["train_sha256"], **card) -> Version:
        training_scores = scores(pipeline, train)
        return Version(
            name="churn", version=number, description=description,
            inputs=fields, outputs=churn_contract.OUTPUTS, score=churn_contract.SCORE,
            model=export(pipeline, "churn", fields),
            golden=golden.churn(pipeline, fields, held),
            reference={
                "rows": len(train),
                "features": reference.features(train, fields),
                "score": reference.score(training_scores),
                "classes": reference.classes(pipeline.predict(train), churn_contract.LABELS),
            },
            explain=explain,
            # Trees carry their own: how many training rows passed each of their nodes.
            background=None if explain == "tree-shap" else records.to_records(train[:BACKGROUND_ROWS], fields),
            card=cards.churn(number, kind, data, measures.binary(held_left, scores(pipeline, held)), best, **card),
            data_name=f"synthetic telecom customers, {len(train)} rows, seed {TRAIN_SEED}",
            data_sha256=data_sha256)

    moved = measures.ks_distance(scores(faulty, held), scores(boosting, held))
    moved_before = measures.ks_distance(scores(boosting, held), scores(regression, held))
    meant = measures.binary(held_left, scores(faulty, churn.with_weekly_charges(held)))
    weekly_sha256 = records.canonical_sha256(weekly, fields, left)
    return [
        version("1.0.0", regression,
                "Probability that a telecom customer leaves within 30 days (logistic regression).",
                "Logistic regression on scaled numbers and one-hot categories.", "linear"),
        version("1.1.0", boosting,
                "Probability that a telecom customer leaves within 30 days (gradient boosting).",
                "Gradient boosting: 150 trees of depth 4 on unscaled numbers and one-hot categories. "
                "Same contract as 1.0.0.", "tree-shap",
                extra=[("KS distance of the scores to 1.0.0, held-out rows", f"{moved_before:.4f}")]),
        version("1.2.0", faulty,
                "Published to demonstrate a silent preprocessing fault: trained on weekly charges, served "
                "monthly ones. Never promote it.",
                "Gradient boosting as in 1.1.0, with a preprocessing fault. Same contract as 1.1.0.", "tree-shap",
                data_sha256=weekly_sha256,
                notes=(
                    "> **Published to demonstrate a silent preprocessing fault. Do not use its answers.**\n>\n"
                    "> The training table held `monthly_charges` per week (monthly x 12 / 52); the contract, and so "
                    "every caller, sends charges per month. Every record is valid, nothing raises an error, and the "
                    "golden records pass because they hold what this very pipeline answers. Only the scores move: "
                    "nearly every customer looks expensive.\n>\n"
                    "> The hash in `model.yaml` is that of the table with weekly charges; `reference.json` "
                    "describes the training rows as the contract states them, in USD per month, and the scores this "
                    "pipeline gives them, so it shows no fault either. Comparing live scores with those of "
                    "1.1.0 does."),
                extra=[("KS distance of the scores to 1.1.0, held-out rows", f"{moved:.4f}"),
                       ("AUC had callers sent weekly charges (what its training run saw)", f"{meant['AUC']:.4f}"),
                       ("mean score had callers sent weekly charges", f"{meant['mean score']:.4f}")]),
    ]


def digits_versions() -> list[Version]:
    train, held, digit, held_digit = digits.split()
    pipeline = digits.train(train, digit)
    predicted = pipeline.predict(held)
    train_sha256 = digits.canonical_sha256(train, digit)

    confusion = confusion_matrix(held_digit, predicted)
    recalls = ", ".join(f"{d}: {confusion[d, d] / confusion[d].sum():.3f}" for d in range(10))
    mistakes = sorted(((-confusion[t, p], t, p) for t in range(10) for p in range(10) if t != p and confusion[t, p]))
    worst = [f"{t} read as {p} ({-count} of {confusion[t].sum()})" for count, t, p in mistakes[:4]]

    fields = digits.inputs(held[0])
    return [Version(
        name="digits", version="1.0.0", description="Which digit an 8x8 image of handwriting shows.",
        inputs=fields, outputs=digits.OUTPUTS, score=None,
        model=export(pipeline, "digits", fields),
        golden=golden.digits(pipeline, held),
        reference={
            "rows": len(train),
            "features": {"pixels": reference.numeric(train.ravel())},
            "classes": reference.classes(pipeline.predict(train), digits.LABELS),
        },
        explain="linear",
        background=[{"pixels": [int(v) for v in row]} for row in train[:BACKGROUND_ROWS]],
        card=cards.digits(
            "1.0.0",
            {"train_rows": len(train), "train_sha256": train_sha256,
             "held_rows": len(held), "held_sha256": digits.canonical_sha256(held, held_digit)},
            {"accuracy": f"{accuracy_score(held_digit, predicted):.4f}",
             "log loss": f"{log_loss(held_digit, pipeline.predict_proba(held)):.4f}"},
            worst, recalls),
        data_name=f"scikit-learn load_digits, {len(train)} training images",
        data_sha256=train_sha256)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.train", description=__doc__.split(".")[0] + ".")
    parser.add_argument("--check", action="store_true", help="only check the published versions")
    parser.add_argument("--replace", action="store_true", help="allow a published version to change")
    parser.add_argument("--models", type=Path, default=Path(__file__).parent.parent / "models", metavar="FOLDER")
    arguments = parser.parse_args()

    if not arguments.check:
        # One thread, for the same bytes every time, also when not started by train.sh.
        with threadpool_limits(limits=1):
            versions = churn_versions() + digits_versions()
    # ONNX Runtime comes in only now: it judges the trained models and takes no part in making them.
    from training.check import check_all, check_version

    if arguments.check:
        check_all(arguments.models)
        return
    for v in versions:
        print(f"{v.name} {v.version}: {publish(v, arguments.models, arguments.replace, check_version)}")


if __name__ == "__main__":
    main()
