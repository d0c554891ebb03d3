"""What a product without care would do: give the file to the library that knows its format, and ask for scores.

Run in the sandbox, these show that the crafted files do harm, and what holds when our own checks miss one.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import lightgbm
import numpy as np
import onnxruntime
import pandas as pd
import pyarrow.parquet
import skops.io
import xgboost
from skops.io._audit import NODE_TYPE_MAPPING
from skops.io._general import PartialNode
from skops.io._protocol import PROTOCOL
from skops.io._sklearn import TreeNode

ROWS = np.full((2, 3), 0.5)
Report = Callable[[float, str], None]


def by_lightgbm(data: BinaryIO) -> Any:
    return lightgbm.Booster(model_str=data.read().decode()).predict(ROWS, num_threads=1)


def by_xgboost(data: BinaryIO) -> Any:
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(bytearray(data.read()))
    return booster.predict(xgboost.DMatrix(ROWS), validate_features=False)


def by_onnx(data: BinaryIO) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(data.read(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"rows": ROWS.astype(np.float32)})


def by_skops(data: BinaryIO) -> Any:
    """Feeding back what the file asks for, which its own documentation warns of."""
    for own in (PartialNode, TreeNode):
        NODE_TYPE_MAPPING[(own.__name__, PROTOCOL)] = own  # our own loader replaces these by ones that look
    content = data.read()
    return skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content)).predict(ROWS)


def by_pickle(data: BinaryIO) -> Any:
    return pickle.load(data)


def by_parquet(data: BinaryIO) -> Any:
    return pyarrow.parquet.read_table(data).to_pandas().to_numpy(dtype=float).sum()


def by_csv(data: BinaryIO) -> Any:
    return pd.read_csv(data).to_numpy(dtype=float).sum()


READERS: dict[str, Callable[[BinaryIO], Any]] = {
    "lightgbm": by_lightgbm,
    "xgboost": by_xgboost,
    "xgboost_ubj": by_xgboost,
    "onnx": by_onnx,
    "skops": by_skops,
    "pickle": by_pickle,
    "parquet": by_parquet,
    "csv": by_csv,
}


def read_carelessly(params: Mapping[str, Any], files: Mapping[str, BinaryIO], report: Report) -> dict[str, Any]:
    """Say that it begins, then trust the file."""
    report(0.0, "attempting")
    return {"scores": repr(READERS[params["reader"]](files["model"]))[:200]}


WORK = {"read_carelessly": read_carelessly}
