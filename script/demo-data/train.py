"""Trains the demonstration's models on the German credit data and writes what a data scientist would submit.

    python script/demo-data/train.py FOLDER

FOLDER then holds `training.csv` (600 rows), `evaluation.csv` (400), `background.csv` (100 of the 600), and a folder for
each candidate with `manifest.json` and the model file. The same libraries give the same models; only a skops file's
bytes differ from run to run, because it carries the time and memory addresses.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skops.io
import xgboost
from numpy.typing import NDArray
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

HERE = Path(__file__).resolve().parent
SPLIT_SEED = 7
TRAINING_ROWS, BACKGROUND_ROWS = 600, 100
MISLABELLED_SHARE = 0.5
TARGET, POSITIVE, FAVOURABLE = "outcome", "defaulted", "repaid"
TRIAGE_FEATURES = [
    "checking_account", "duration_months", "credit_history", "amount", "savings", "other_debtors", "property",
    "other_instalments",
]  # fmt: skip
LENDING_FEATURES = [
    "checking_account", "duration_months", "credit_history", "purpose", "amount", "savings", "employed_since",
    "instalment_rate", "other_debtors", "property", "other_instalments", "housing", "existing_credits", "job",
]  # fmt: skip
REASONS = {
    "checking_account": "Balance of the checking account too low",
    "duration_months": "Length of the loan requested",
    "credit_history": "Record of credit obligations",
    "purpose": "Purpose of the loan",
    "amount": "Amount requested",
    "savings": "Insufficient savings",
    "employed_since": "Length of employment",
    "instalment_rate": "Instalments too high in relation to income",
    "other_debtors": "No co-applicant or guarantor",
    "property": "Value or type of collateral not sufficient",
    "other_instalments": "Other instalment plans",
    "housing": "Temporary or irregular residence",
    "existing_credits": "Number of existing credits",
    "job": "Temporary or irregular employment",
}
"""What a refusal may give as its reason, by feature, in the manner of Regulation B's sample notices."""


def read_rows() -> pd.DataFrame:
    return pd.read_csv(HERE / "german-credit.csv", keep_default_na=False)


def split(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training and evaluation rows, drawn without replacement, each in the order of the file."""
    order = np.random.default_rng(SPLIT_SEED).permutation(len(rows))
    return rows.iloc[np.sort(order[:TRAINING_ROWS])], rows.iloc[np.sort(order[TRAINING_ROWS:])]


def levels(rows: pd.DataFrame, features: list[str]) -> dict[str, list[str]]:
    """The text columns among the features, each with its levels in sorted order."""
    return {name: sorted(rows[name].unique()) for name in features if not pd.api.types.is_numeric_dtype(rows[name])}


def is_default(rows: pd.DataFrame) -> NDArray[np.int64]:
    return (rows[TARGET] == POSITIVE).to_numpy().astype(np.int64)


def fit_logistic(training: pd.DataFrame, features: list[str], categories: dict[str, list[str]]) -> Pipeline:
    """A plain scorecard: one-hot columns and standardised numbers into a logistic regression."""
    encoder = OneHotEncoder(categories=list(categories.values()), handle_unknown="ignore", sparse_output=False)
    numbers = [name for name in features if name not in categories]
    columns = make_column_transformer((encoder, list(categories)), (StandardScaler(), numbers))
    pipeline = make_pipeline(columns, LogisticRegression(C=0.3, max_iter=2000))
    return pipeline.fit(training[features], training[TARGET])


def with_wrong_labels(training: pd.DataFrame) -> pd.DataFrame:
    """The same rows as a faulty extract delivered them: part of the women who repaid stand as defaulted."""
    women = np.flatnonzero((training["sex"] == "female") & (training[TARGET] == FAVOURABLE))
    chosen = np.random.default_rng(SPLIT_SEED + 1).permutation(women)[: int(len(women) * MISLABELLED_SHARE)]
    faulty = training.copy()
    faulty.iloc[chosen, faulty.columns.get_loc(TARGET)] = POSITIVE
    return faulty


def fit_boosting(training: pd.DataFrame, features: list[str], categories: dict[str, list[str]]) -> xgboost.Booster:
    """Boosted trees with native categorical splits."""
    table = training[features].assign(
        **{name: pd.Categorical(training[name], some) for name, some in categories.items()}
    )
    matrix = xgboost.DMatrix(table, label=is_default(training), enable_categorical=True)
    settings = {
        "objective": "binary:logistic", "max_depth": 3, "eta": 0.1, "tree_method": "hist", "seed": 0, "nthread": 1,
    }  # fmt: skip
    return xgboost.train(settings, matrix, num_boost_round=80)


def manifest(features: list[str], categories: dict[str, list[str]], *, summary: str, author: str) -> dict[str, Any]:
    return {
        "schema": "candidate/1",
        "task": "binary-classification",
        "target": TARGET,
        "positive_class": POSITIVE,
        "favourable_outcome": FAVOURABLE,
        "classes": sorted([FAVOURABLE, POSITIVE]),
        "decision_threshold": 0.5,
        "features": features,
        "categorical_features": list(categories),
        "categories": categories,
        "sensitive_features": ["sex", "age_group"],
        "reference_groups": {"sex": "male", "age_group": "25 and over"},
        "intersections": [["sex", "age_group"]],
        "row_id": "applicant_id",
        "reason_codes": _reason_codes(features),
        "summary": summary,
        "source": {"author": author, "training_data": "training.csv: 600 of the 1,000 German credit rows"},
    }


def _reason_codes(features: list[str]) -> dict[str, dict[str, str]]:
    codes = {name: f"R{number:02}" for number, name in enumerate(REASONS, start=1)}
    return {name: {"code": codes[name], "reason": REASONS[name]} for name in features if name in REASONS}


def write_candidate(folder: Path, about: dict[str, Any], model: Pipeline | xgboost.Booster) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps(about, indent=1) + "\n")
    if isinstance(model, xgboost.Booster):
        model.save_model(folder / "model.json")
    else:
        (folder / "model.skops").write_bytes(skops.io.dumps(model))


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows = read_rows()
    training, evaluation = split(rows)
    training.to_csv(folder / "training.csv", index=False)
    evaluation.to_csv(folder / "evaluation.csv", index=False)
    training.sample(BACKGROUND_ROWS, random_state=SPLIT_SEED).sort_index().to_csv(
        folder / "background.csv", index=False
    )
    for name, features, summary in (
        ("triage-logistic", TRIAGE_FEATURES, "First version: a scorecard of eight facts from the application form."),
        ("lending-logistic", LENDING_FEATURES, "Scorecard on fourteen facts of application and account history."),
    ):
        categories = levels(rows, features)
        about = manifest(features, categories, summary=summary, author="ines.moreau")
        write_candidate(folder / name, about, fit_logistic(training, features, categories))
    features = [*LENDING_FEATURES, "sex"]
    categories = levels(rows, features)
    about = manifest(
        features, categories, author="tomas.lindqvist",
        summary="Boosted trees instead of the scorecard; retrained on this quarter's extract, one more column.",
    )  # fmt: skip
    write_candidate(folder / "lending-boosting", about, fit_boosting(with_wrong_labels(training), features, categories))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
