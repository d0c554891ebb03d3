"""Small honest models of every format, and the data they were trained on."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import skops.io
import xgboost
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from reports.measures.table import Column, Table

FEATURES = ("income", "age", "purpose")
LEVELS = ("car", "school", "work")


@cache
def data(rows: int = 400) -> pd.DataFrame:
    """Two numbers, one category, an outcome that depends on all three, and a sensitive column."""
    random = np.random.default_rng(8)
    frame = pd.DataFrame({
        "income": random.gamma(3.0, 700.0, rows).round(1),
        "age": random.integers(18, 80, rows).astype(float),
        "purpose": random.choice(LEVELS, rows),
        "sex": random.choice(["female", "male"], rows),
    })
    risk = 1.5 - frame.income / 1500 + (frame.purpose == "car") * 0.8 - (frame.age - 45) / 60
    frame["default"] = (random.random(rows) < 1 / (1 + np.exp(-risk))).astype(int)
    frame["id"] = [f"row-{i}" for i in range(rows)]
    return frame


def manifest(**changes: Any) -> dict[str, Any]:
    """The manifest of a binary model on `data`; a change to None takes the key out."""
    plain = {
        "schema": "candidate/1",
        "task": "binary-classification",
        "target": "default",
        "positive_class": 1,
        "classes": [0, 1],
        "favourable_outcome": 0,
        "features": list(FEATURES),
        "categorical_features": ["purpose"],
        "categories": {"purpose": list(LEVELS)},
        "sensitive_features": ["sex"],
        "reference_groups": {"sex": "male"},
        "row_id": "id",
        "summary": "test",
        **changes,
    }
    return {key: value for key, value in plain.items() if value is not None}


def table(frame: pd.DataFrame | None = None) -> Table:
    """The features of a frame as columns."""
    frame = data() if frame is None else frame
    codes = pd.Categorical(frame["purpose"], categories=list(LEVELS)).codes.astype(np.int32)
    numbers = {name: Column(frame[name].to_numpy(dtype=np.float64)) for name in ("income", "age")}
    return Table({**numbers, "purpose": Column(codes, LEVELS)}, len(frame))


def csv(frame: pd.DataFrame | None = None) -> io.BytesIO:
    return io.BytesIO((data() if frame is None else frame).to_csv(index=False).encode())


def coded(frame: pd.DataFrame | None = None) -> pd.DataFrame:
    frame = (data() if frame is None else frame)[list(FEATURES)].copy()
    frame["purpose"] = pd.Categorical(frame["purpose"], categories=list(LEVELS))
    return frame


@cache
def lightgbm_text(**options: Any) -> bytes:
    given = {"n_estimators": 12, "num_leaves": 8, "min_child_samples": 5, "verbose": -1, "n_jobs": 1, **options}
    model = lightgbm.LGBMClassifier(**given).fit(coded(), data()["default"])
    return model.booster_.model_to_string().encode()


@cache
def xgboost_model(form: str = "json", **options: Any) -> bytes:
    given = {"n_estimators": 12, "max_depth": 4, "enable_categorical": True, "n_jobs": 1, **options}
    model = xgboost.XGBClassifier(**given).fit(coded(), data()["default"])
    return bytes(model.get_booster().save_raw(form))


def pipeline(final: Any) -> Pipeline:
    numbers = Pipeline([("impute", SimpleImputer(strategy="median")), ("scale", StandardScaler())])
    encode = ColumnTransformer([
        ("numbers", numbers, ["income", "age"]),
        ("words", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["purpose"]),
    ])
    return Pipeline([("encode", encode), ("final", final)]).fit(data()[list(FEATURES)], data()["default"])


@cache
def fitted(kind: str) -> Pipeline:
    finals = {
        "logistic": LogisticRegression(),
        "forest": RandomForestClassifier(10, max_depth=5, random_state=3, n_jobs=2),
    }
    return pipeline(finals[kind])


@cache
def skops_file(kind: str = "logistic") -> bytes:
    return skops.io.dumps(fitted(kind))


@cache
def onnx_file(kind: str = "logistic") -> bytes:
    inputs = [("income", FloatTensorType([None, 1])), ("age", FloatTensorType([None, 1])),
              ("purpose", StringTensorType([None, 1]))]
    return to_onnx(fitted(kind), initial_types=inputs, options={"zipmap": False}).SerializeToString()


FORMATS = {
    "lightgbm-text": lightgbm_text,
    "xgboost-json": lambda: xgboost_model("json"),
    "xgboost-ubj": lambda: xgboost_model("ubj"),
    "skops": lambda: skops_file("forest"),
    "onnx": lambda: onnx_file("forest"),
}
