"""Model cards. Every figure is passed in by the training code; none is typed here."""

from training.customers import LOG_ODDS, MISSING

CHURN_USE = """\
Ranks telecom customers by how likely they are to leave within 30 days, so that a retention offer reaches
those most at risk. It exists to exercise the gateway with a realistic mixed-type contract; it is not fit for
decisions about real people."""

CHURN_DATA = """\
**The customers are synthetic.** They come from `training/customers.py`; no row describes a real person.
Whether a customer leaves is drawn with the probability given by

```text
{formula}
```

where `[...]` is 1 when the condition holds and 0 otherwise. After the outcome is drawn, values go missing at
random ({missing}); `total_charges` is also missing in the first month (`tenure_months` 0)."""

CHURN_LIMITS = """\
- Real churn does not follow a formula; figures on real customers would be worse.
- Training rows stay within the ranges of the generator (for instance monthly charges up to about 140 USD).
  The contract allows wider ranges; answers there are extrapolation.
- Missing numbers are replaced by the training median; whether a value was missing is not itself an input."""


def table(rows: list[tuple[str, str]], head: tuple[str, ...]) -> str:
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join(["---"] + ["---:"] * (len(head) - 1)) + " |"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def churn(version: str, kind: str, data: dict, figures: dict, best: dict, notes: str = "",
          extra: list[tuple[str, str]] = ()) -> str:
    """figures/best: measure name -> value on held-out rows, for this version and for the true probability."""
    missing = ", ".join(f"`{name}` {share:.0%}" for name, share in MISSING.items())
    rows = [(name, f"{value:.4f}", f"{best[name]:.4f}") for name, value in figures.items()]
    parts = [
        f"# churn {version}", kind, notes,
        "## Intended use", CHURN_USE,
        "## Training data", CHURN_DATA.format(formula=LOG_ODDS, missing=missing),
        table([("training", f"{data['train_rows']}", f"{data['train_rate']:.4f}", f"`{data['train_sha256']}`"),
               ("held-out", f"{data['held_rows']}", f"{data['held_rate']:.4f}", f"`{data['held_sha256']}`")],
              ("part", "rows", "share that left", "sha256 of the canonical CSV")),
        f"## Held-out figures ({data['held_rows']} rows)",
        "The last column is what the true probability itself would reach: no model can be expected to beat it.",
        table(rows, ("measure", f"churn {version}", "true probability")),
        table(list(extra), ("compared", "value")) if extra else "",
        "## Limitations", CHURN_LIMITS,
        "## How to reproduce", reproduce(),
    ]
    return "\n\n".join(p for p in parts if p) + "\n"


def digits(version: str, data: dict, figures: dict[str, str], worst: list[str], recalls: str) -> str:
    parts = [
        f"# digits {version}",
        "Multinomial logistic regression on 64 pixels scaled to 0..1.",
        "## Intended use",
        "Recognises single handwritten digits in 8x8 images. It exists to exercise the gateway with an array "
        "input and many classes; it is not fit for reading real documents.",
        "## Training data",
        "The 1797 images that ship with scikit-learn (`load_digits`): the test part of \"Optical Recognition of "
        "Handwritten Digits\" by E. Alpaydin and C. Kaynak, UCI Machine Learning Repository. The split is "
        "stratified by digit. Writers are not told apart, so one writer's digits may be in both parts.",
        table([("training", f"{data['train_rows']}", f"`{data['train_sha256']}`"),
               ("held-out", f"{data['held_rows']}", f"`{data['held_sha256']}`")],
              ("part", "rows", "sha256 of the canonical CSV")),
        f"## Held-out figures ({data['held_rows']} rows)",
        table(list(figures.items()), ("measure", f"digits {version}")),
        "Most frequent confusions: " + "; ".join(worst) + ".",
        "Share of each digit recognised: " + recalls + ".",
        "## Limitations",
        "- Expects centred, size-normalised digits prepared like the training images.\n"
        "- An image that is no digit still gets one of ten labels, often with high probability.",
        "## How to reproduce", reproduce(),
    ]
    return "\n\n".join(parts) + "\n"


def reproduce() -> str:
    return ("`npm run train` trains every version from fixed seeds with pinned libraries on one thread and "
            "writes the same bytes again; it refuses to change a published version.")
