"""A checkout below a folder that only root may enter: the worker drops its user, who then cannot walk to a library."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sandbox.conftest import ROOT
from tests.sandbox.crafted import honest_lightgbm, training_rows
from tests.sandbox.test_crafted import EVALUATION, MANIFEST

ASK = """
import json, sys
from pathlib import Path
from reports.sandbox import Zygote
folder, params = Path(sys.argv[1]), json.loads(sys.argv[2])
with Zygote() as zygote:
    for name, kind in (("lightgbm", "lightgbm-text"), ("skops", "skops")):
        files = {"model": folder / name, "evaluation": folder / "rows"}
        asked = {**params, "model_format": kind, "seed": 1}
        opened = zygote.run("intake", params=asked, files=files)
        explained = zygote.run("explain", params=asked, files=files)
        print(opened.value["rows"], len(explained.value["explanations"]) > 0, opened.layers["user"])
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's worker drops its user")
def test_jobs_run_in_a_checkout_that_only_root_may_enter(tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression
    from skops import io as skops_io

    rows, outcome = training_rows()
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    shutil.copytree(ROOT / "reports", home / "reports")
    (home / "environment").symlink_to(sys.prefix)
    (home / "lightgbm").write_text(honest_lightgbm())
    (home / "skops").write_bytes(skops_io.dumps(LogisticRegression().fit(rows, outcome.astype(int))))
    (home / "rows").write_bytes(EVALUATION)
    command = [str(home / "environment" / "bin" / "python"), "-c", ASK, str(home), json.dumps({"manifest": MANIFEST})]
    told = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
    assert told.stdout.splitlines() == ["60 True dropped from root"] * 2, told.stderr
