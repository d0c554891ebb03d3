"""The shared submissions as tables and scores, computed by the libraries themselves."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reports.measures.table import Column, Table

TRUSTED = ["numpy.dtype", "sklearn.tree._tree.Tree", "sklearn._loss.link.LogLink", "sklearn._loss.link.Interval"]


@dataclass(frozen=True)
class Case:
    """One shared submission: its manifest, what others computed for it, its rows and its model's scores."""

    manifest: dict[str, Any]
    expected: dict[str, Any]
    table: Table
    reference: Table | None
    scores: np.ndarray


def read(path: Path) -> pd.DataFrame:
    """A CSV or Parquet file; in a CSV only an empty field is missing."""
    if path.suffix == ".csv":
        return pd.read_csv(path, keep_default_na=False, na_values=[""])
    return pd.read_parquet(path)


def as_column(values: pd.Series) -> Column:
    if pd.api.types.is_bool_dtype(values):
        values = values.astype(str)
    if pd.api.types.is_numeric_dtype(values):
        return Column(values.to_numpy(dtype=np.float64, na_value=np.nan))
    codes, levels = pd.factorize(values)
    return Column(codes.astype(np.int32), tuple(str(level) for level in levels))


def as_table(frame: pd.DataFrame) -> Table:
    return Table({str(name): as_column(frame[name]) for name in frame.columns}, len(frame))


def load(folder: Path) -> Case:
    manifest = json.loads((folder / "manifest.json").read_text())
    wanted = folder / "expected.json"
    expected = json.loads(wanted.read_text()) if wanted.exists() else {"files": _pair_files(folder)}
    rows = read(folder / expected["files"]["evaluation"])
    training = folder.parent / "training.parquet"
    reference = as_table(read(training)) if training.exists() else None
    return Case(
        manifest, expected, as_table(rows), reference, scores_of(folder / expected["files"]["model"], manifest, rows)
    )


def _pair_files(folder: Path) -> dict[str, str]:
    return {"model": "model.txt", "evaluation": f"../{next(folder.parent.glob('evaluation.*')).name}"}


def scores_of(model: Path, manifest: dict[str, Any], rows: pd.DataFrame) -> np.ndarray:
    """What the model's own library gives: probability of the positive class, all probabilities, or the number."""
    features = rows[manifest["features"]]
    loader = {".skops": _skops, ".onnx": _onnx, ".txt": _lightgbm, ".json": _xgboost, ".ubj": _xgboost}
    given = np.asarray(loader[model.suffix](model, manifest, features), dtype=np.float64)
    if manifest["task"] == "binary-classification" and given.ndim == 2:
        classes = [str(one) for one in manifest.get("classes", [0, 1])]
        return given[:, classes.index(str(manifest["positive_class"]))]
    return given


def _skops(model: Path, manifest: dict[str, Any], features: pd.DataFrame) -> Any:
    import skops.io

    loaded = skops.io.load(model, trusted=skops.io.get_untrusted_types(file=model))
    if manifest["task"] == "regression":
        return loaded.predict(features)
    assert "classes" not in manifest or list(map(str, loaded.classes_)) == list(map(str, manifest["classes"]))
    probabilities = loaded.predict_proba(features)
    order = {str(label): i for i, label in enumerate(loaded.classes_)}
    if manifest["task"] == "binary-classification":
        return probabilities[:, order[str(manifest["positive_class"])]]
    return probabilities


def _onnx(model: Path, manifest: dict[str, Any], features: pd.DataFrame) -> Any:
    import onnxruntime

    session = onnxruntime.InferenceSession(model.read_bytes())
    inputs = session.get_inputs()
    if len(inputs) == 1:
        feed = {inputs[0].name: features.to_numpy(dtype=np.float32)}
    else:
        feed = {}
        types = {one.name: one.type for one in inputs}
        for name in features.columns:
            clean = re.sub(r"[^0-9A-Za-z_]", "_", name)
            kind = object if "string" in types[clean] else np.int64 if "int64" in types[clean] else np.float32
            values = features[name].astype(str) if kind is object else features[name]
            feed[clean] = values.to_numpy(dtype=kind).reshape(-1, 1)
    output = session.run(None, feed)[-1]
    if isinstance(output, list):
        classes = manifest.get("classes") or sorted(output[0])
        return np.array([[row[label] for label in classes] for row in output])
    return np.asarray(output).reshape(len(features), -1).squeeze(axis=1) if manifest["task"] == "regression" else output


def _categorical(manifest: dict[str, Any], features: pd.DataFrame) -> pd.DataFrame:
    out = features.copy()
    for name, levels in (manifest.get("categories") or {}).items():
        out[name] = pd.Categorical(out[name].astype(object), categories=levels)
    return out


def _lightgbm(model: Path, manifest: dict[str, Any], features: pd.DataFrame) -> Any:
    import lightgbm

    return lightgbm.Booster(model_file=str(model)).predict(_categorical(manifest, features), num_threads=1)


def _xgboost(model: Path, manifest: dict[str, Any], features: pd.DataFrame) -> Any:
    import xgboost

    booster = xgboost.Booster(model_file=str(model))
    return booster.predict(xgboost.DMatrix(_categorical(manifest, features), enable_categorical=True, nthread=1))
