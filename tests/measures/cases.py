"""The shared submissions as tables and scores, through the same functions that the worker's sandbox runs."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reports.measures.table import Column, Table
from reports.sandbox import work

FORMATS = {
    ".skops": "skops",
    ".onnx": "onnx",
    ".txt": "lightgbm-text",
    ".json": "xgboost-json",
    ".ubj": "xgboost-ubj",
}


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
    if pd.api.types.is_numeric_dtype(values):
        return Column(values.to_numpy(dtype=np.float64, na_value=np.nan))
    codes, levels = pd.factorize(values)
    return Column(codes.astype(np.int32), tuple(str(level) for level in levels))


def as_table(frame: pd.DataFrame) -> Table:
    return Table({str(name): as_column(frame[name]) for name in frame.columns}, len(frame))


def load(folder: Path) -> Case:
    manifest = json.loads((folder / "manifest.json").read_text())
    wanted = folder / "expected.json"
    expected = json.loads(wanted.read_text()) if wanted.exists() else {"files": _files_of_the_pair(folder)}
    paths = {part: folder / expected["files"][part] for part in ("model", "evaluation")}
    training = folder.parent / "training.parquet"
    if training.exists():
        paths["reference"] = training
    params = {"manifest": manifest, "model_format": FORMATS[paths["model"].suffix], "seed": 1}
    with ExitStack() as opened:
        files = {part: opened.enter_context(path.open("rb")) for part, path in paths.items()}
        found = work.predict(params, files, lambda share, note: None)
    carried = {name: found[name] for name in ("features", "classes") if found[name]}
    return Case({**carried, **manifest}, expected, found["evaluation"], found["reference"], found["scores"])


def _files_of_the_pair(folder: Path) -> dict[str, str]:
    return {"model": "model.txt", "evaluation": f"../{next(folder.parent.glob('evaluation.*')).name}"}
