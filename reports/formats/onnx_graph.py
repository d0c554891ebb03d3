"""ONNX graphs that are a linear function or a sum of trees, read as such."""

from __future__ import annotations

from typing import Any

from reports.measures.explain.models import Additive


def additive_model(predictor: Any) -> Additive | None:
    return None
