"""Opens a model file by its declared format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.formats.boosting import LightGBMPredictor, XGBoostPredictor
from reports.formats.errors import UnsafeFile
from reports.formats.onnx_model import OnnxPredictor
from reports.formats.predictor import Predictor
from reports.formats.sklearn_model import SklearnPredictor


def open_model(data: bytes, model_format: str, manifest: Mapping[str, Any]) -> Predictor:
    """A predictor for `onnx`, `skops`, `xgboost-json`, `xgboost-ubj` or `lightgbm-text`.

    Raises
    ------
    UnsafeFile : the structure is not what the format promises. Rejected : it is, and does not fit the manifest.
    """
    if model_format == "onnx":
        return OnnxPredictor(data, manifest)
    if model_format == "skops":
        return SklearnPredictor(data, manifest)
    if model_format in ("xgboost-json", "xgboost-ubj"):
        return XGBoostPredictor(data, manifest, binary=model_format == "xgboost-ubj")
    if model_format == "lightgbm-text":
        return LightGBMPredictor(data, manifest)
    raise UnsafeFile("unsafe-format", f"Files of the format {model_format} are not opened.")
