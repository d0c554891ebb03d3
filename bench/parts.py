"""Time and memory of explanations in parts: python bench/parts.py [--rows 1000000] [--trees 60]. Needs 1 GB of disk."""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import lightgbm
import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reports.parts import Parts, bounds
from reports.pipeline import compute_evidence, compute_part, plan_parts
from reports.sandbox.parent import Zygote

COLUMNS = 20
NAMES = [f"x{at}" for at in range(COLUMNS)]
MANIFEST = {
    "task": "binary-classification", "target": "default", "positive_class": 1, "classes": [0, 1], "favourable_outcome": 0,
    "features": NAMES, "categorical_features": [], "sensitive_features": ["sex"], "row_id": "id",
}  # fmt: skip


def make(folder: Path, rows: int, trees: int) -> dict[str, Path]:
    """Rows and a model, made in a process of their own so that this one's memory tells of explaining alone."""
    paths = {"evaluation": folder / "evaluation.parquet", "model": folder / "model.txt"}
    child = os.fork()
    if child == 0:
        random = np.random.default_rng(1)
        values = random.normal(size=(rows, COLUMNS)).round(4)
        outcome = (values[:, 0] + values[:, 1] * values[:, 2] + random.normal(size=rows) > 0).astype(int)
        frame = pd.DataFrame(values, columns=NAMES)
        sex = np.where(random.random(rows) < 0.5, "female", "male")
        frame.assign(default=outcome, sex=sex, id=np.arange(rows)).to_parquet(paths["evaluation"])
        model = lightgbm.LGBMClassifier(n_estimators=trees, num_leaves=8, verbose=-1, n_jobs=1)
        few = slice(0, 20_000)
        paths["model"].write_text(model.fit(frame[NAMES][few], outcome[few]).booster_.model_to_string())
        os._exit(0)
    os.waitpid(child, 0)
    return paths


def nothing(share: float, note: str) -> None:
    """Progress that nobody hears."""


def kept(file: BinaryIO) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()


def told(what: str, began: float, sandbox_bytes: int | None = None) -> None:
    worker = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    inside = "" if sandbox_bytes is None else f", sandbox at most {sandbox_bytes / 1e6:,.0f} MB"
    print(f"{what:30} {time.monotonic() - began:7.1f} s, worker at most {worker:,.0f} MB{inside}", flush=True)


def run(folder: Path, rows: int, trees: int) -> None:
    work: Any = SimpleNamespace(
        kind="explainability", run=1, candidate="bench", manifest=MANIFEST, model_format="lightgbm-text", artifact_digest="",
        seed=7, files=make(folder, rows, trees), digests={}, limits={}, champion=None, product_version="0", large=True,
    )  # fmt: skip
    with Zygote() as zygote:
        zygote.wait_warm()
        told("before", began := time.monotonic())
        plan = plan_parts(work, zygote, nothing)
        if plan is None:
            sys.exit("The estimated time for so many rows and trees is too long: not all rows would be explained.")
        told("planned", began)
        paths, began = [], time.monotonic()
        for part in bounds(plan):
            paths.append(folder / f"part-{part[0]}")
            with paths[-1].open("xb+") as file:
                compute_part(work, zygote, plan, part, nothing, file)
        parts = Parts.at(plan, paths)
        peak = max(one.told["outcome"]["peak_memory_bytes"] for one in parts.parts)
        told(f"{len(paths)} parts, {sum(path.stat().st_size for path in paths) / 1e6:,.0f} MB", began, peak)
        began = time.monotonic()
        done = compute_evidence(work, zygote, nothing, kept, parts)
        told("put together", began, done.provenance["peak_memory_bytes"])
        for one in done.content["explanations"]:
            print(one["perturbation"], f"{one['rows_explained']:,} rows")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--trees", type=int, default=60)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        run(Path(made), asked.rows, asked.trees)
