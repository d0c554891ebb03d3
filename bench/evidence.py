"""How long a whole submission takes: python bench/evidence.py [--rows 1000 10000 100000] [--full]

From the 201 that answers the POST of a candidate until the last piece of evidence is there, on an instance as script/demo
runs it (SQLite, broker, Celery workers, sandbox), beside bench/plain_evidence.py, which computes such figures from the same
files by shap, Fairlearn and scikit-learn alone. Both by the clock and by the processor's seconds of all their processes,
because other programs may run on the machine.

The plain script takes hours for 100,000 rows. Beyond --plain rows, and without --full, it is run twice with few resamples and
few explained rows, and the line through both is drawn to all of them: that is printed as an extrapolation. --known FILE keeps
what it took, so that after a change of the product only the product is measured again.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xgboost

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from governance.project import launcher
from governance.project.parent_death import descendants
from script.demonstration.__main__ import Folder, forget_settings, product
from script.demonstration.client import Api, Unexpected, expect
from script.demonstration.story import approve
from script.demonstration.world import Demonstration

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("performance", "fairness", "explainability", "data", "admission", "comparison")
FEATURES = [f"feature_{number:02}" for number in range(1, 21)]
SENSITIVE = {"region": 8, "age_band": 4}
TREES, DEPTH = 250, 6
TRAINING_ROWS, BACKGROUND_ROWS, CHAMPION_ROWS = 20_000, 100, 1_000
RESAMPLES, FEW_RESAMPLES, FEW_EXPLAINED = 200, (1, 4), (500, 1_500)
ASK_SECONDS, ASK_SHARE, GIVE_UP_SECONDS = 0.25, 0.02, 7200
SLUG, SCOPE = "card-limits", "submit"
INVENTORY = {
    "slug": SLUG, "name": "Card limits", "purpose": "Estimates the probability of default for a benchmark.",
    "team": "Retail credit", "owner": "tomas.lindqvist", "developers": ["ines.moreau"], "origin": "built in-house",
    "uses": ["benchmark"], "risk_tier": "low",
}  # fmt: skip
IMPORTS = "import reports.sandbox.work, reports.sandbox.warm; reports.sandbox.warm.warm()"


# --- what is submitted ---------------------------------------------------------------------------------------------


def made(rows: int, seed: int) -> pd.DataFrame:
    """Rows of one population: 20 numbers, two sensitive columns that one number leans on, and an outcome."""
    generator = np.random.default_rng(seed)
    numbers = generator.normal(size=(rows, len(FEATURES)))
    groups = {name: generator.integers(0, levels, rows) for name, levels in SENSITIVE.items()}
    numbers[:, 0] += 0.1 * groups["age_band"]
    numbers[:, 1] = 0.8 * numbers[:, 1] + 0.6 * numbers[:, 2]
    logit = numbers @ np.linspace(0.6, 0.0, len(FEATURES)) + numbers[:, 3] * numbers[:, 4] + np.sin(2 * numbers[:, 5]) - 3
    defaulted = generator.random(rows) < 1 / (1 + np.exp(-logit))
    table = pd.DataFrame(numbers.round(4), columns=FEATURES)
    for name, codes in groups.items():
        table[name] = [f"{name} {code}" for code in codes]
    return table.assign(defaulted=defaulted.astype(int))


def fitted(training: pd.DataFrame, trees: int, depth: int) -> xgboost.Booster:
    settings = {"objective": "binary:logistic", "max_depth": depth, "eta": 0.1, "tree_method": "hist", "seed": 0, "nthread": 1}
    return xgboost.train(settings, xgboost.DMatrix(training[FEATURES], label=training["defaulted"]), trees)


def write_candidate(folder: Path, model: xgboost.Booster, summary: str) -> Path:
    manifest = {
        "schema": "candidate/1", "task": "binary-classification", "target": "defaulted", "positive_class": 1,
        "favourable_outcome": 0, "decision_threshold": 0.5, "features": FEATURES,
        "sensitive_features": list(SENSITIVE), "intersections": [list(SENSITIVE)], "summary": summary,
        "source": {"author": "ines.moreau"},
    }  # fmt: skip
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    model.save_model(folder / "model.json")
    return folder


def write_tables(folder: Path, rows: int, training: pd.DataFrame) -> Path:
    """Evaluation rows of their own; as many of the training rows, where there are, as reference; a background."""
    folder.mkdir()
    made(rows, seed=rows).to_csv(folder / "evaluation.csv", index=False)
    training.head(rows).to_csv(folder / "training.csv", index=False)
    training.sample(BACKGROUND_ROWS, random_state=1).to_csv(folder / "background.csv", index=False)
    return folder


# --- the product ---------------------------------------------------------------------------------------------------


@dataclass
class Run:
    """One submission: seconds from its 201, processor seconds of the product's processes, and each kind's provenance."""

    rows: int
    seconds: float = 0.0
    processor: float = 0.0
    intake: float = 0.0
    provenance: dict[str, dict[str, Any]] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def peak(self) -> int:
        return max(one["peak_memory_bytes"] for one in self.provenance.values())


@contextmanager
def running(folder: Path) -> Iterator[tuple[int, Demonstration]]:
    """The product as script/demo runs it, with people and one model; the id of its launcher."""
    forget_settings()
    place = Folder(folder)
    place.begin()
    with product(place, launcher.free_port("127.0.0.1", 0)) as (process, demo):
        demo.say = lambda text: None
        demo.install_people()
        demo.issue_tokens()
        expect(201, demo.api.post("/api/v1/models/", INVENTORY, token=SCOPE), "entering the model")
        demo.person("victor.hale").confirm_tier(SLUG, INVENTORY["risk_tier"], "It is a benchmark.")
        yield process.pid, demo


def submitted(api: Api, root: int, candidate: Path, data: Path, rows: int) -> tuple[Run, dict[str, Any]]:
    """Submit and wait for all evidence. Raises Unexpected where some fails."""
    before = processor_seconds(root)
    answer = api.submit(SLUG, candidate, data)
    began, run = time.monotonic(), Run(rows)
    while time.monotonic() - began < GIVE_UP_SECONDS:
        body = api.candidate(answer["id"])
        now = time.monotonic() - began
        if body["stage"] != "intake" and not run.intake:
            run.intake = now
        if body["stage"] == "intake-failed" or any(one["state"] == "failed" for one in body["evidence"]):
            raise Unexpected(f"{rows} rows: {body['errors'] or body['evidence']}")
        if all(one["state"] == "succeeded" for one in body["evidence"]):
            run.seconds, run.processor = now, processor_seconds(root) - before
            documents = {kind: _document(api, answer["id"], kind) for kind in KINDS}
            run.provenance = {kind: one["provenance"] for kind, one in documents.items()}
            run.figures = comparable({kind: one["content"] for kind, one in documents.items()})
            return run, answer
        time.sleep(max(ASK_SECONDS, now * ASK_SHARE))
    raise Unexpected(f"{rows} rows: no evidence after {GIVE_UP_SECONDS} seconds")


def _document(api: Api, candidate: str, kind: str) -> Any:
    return expect(200, api.get(f"/api/v1/candidates/{candidate}/evidence/{kind}/"), f"reading {kind}").json


def comparable(documents: dict[str, Any]) -> dict[str, float]:
    """The figures that plain_evidence.comparable names."""
    figures = {f"performance {name}": _value(documents["performance"][name]) for name in ("roc_auc", "average_precision")}
    for grouping in documents["fairness"]["groupings"]:
        for one in grouping["groups"]:
            levels = " ".join(str(one["group"][name]) for name in grouping["features"])
            rates = {name: _value(one[name]) for name in one if name.endswith("_rate")}
            figures |= {f"fairness {levels} {name}": value for name, value in rates.items() if value is not None}
    for one in documents["explainability"]["explanations"]:
        if one["output"] == "log-odds":
            figures |= {f"{one['perturbation']} {each['name']}": each["mean_abs_shap"] for each in one["features"]}
    return figures | {f"psi {one['name']}": one["psi"] for one in documents["data"]["columns"]}


def _value(figure: Any) -> Any:
    return figure["value"] if isinstance(figure, dict) else figure


def processor_seconds(root: int) -> float:
    """User and system time of a process and all below it, those that have ended and were waited for included."""
    ticks = 0
    for process in (root, *descendants(root)):
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        ticks += sum(int(one) for one in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def zygotes(root: int) -> list[int]:
    """The processes that hold the imported libraries; a job is forked from one and pays for no import."""
    found = []
    for process in descendants(root):
        try:
            words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"reports.sandbox.zygote" in words:
            found.append(process)
    return found


# --- the peer ------------------------------------------------------------------------------------------------------


@dataclass
class Plain:
    """The plain script's seconds of clock and processor by part. `drawn`: none was run; they are an extrapolation."""

    seconds: dict[str, list[float]]
    peak: int | None = None
    figures: dict[str, float] = field(default_factory=dict)
    drawn: bool = False

    @property
    def clock(self) -> float:
        return sum(one[0] for one in self.seconds.values())

    @property
    def processor(self) -> float:
        return sum(one[1] for one in self.seconds.values())


def plain(candidate: Path, champion: Path, data: Path, *options: object) -> Plain:
    command = [sys.executable, ROOT / "bench" / "plain_evidence.py", candidate, champion, data, *options]
    done = subprocess.run([str(one) for one in command], stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return Plain(found["seconds"], found["peak_memory_bytes"], found["figures"])


def drawn(candidate: Path, champion: Path, data: Path, rows: int) -> Plain:
    """On the line through two short runs on all rows: by resamples, and for explanations by explained rows."""
    little, more = (
        plain(candidate, champion, data, "--resamples", resamples, "--explained", explained).seconds
        for resamples, explained in zip(FEW_RESAMPLES, FEW_EXPLAINED, strict=True)
    )
    wanted = dict.fromkeys(("performance", "fairness", "comparison"), (FEW_RESAMPLES, RESAMPLES))
    wanted["explainability"] = FEW_EXPLAINED, rows
    seconds = dict(more)
    for part, ((low, high), all_of_them) in wanted.items():
        steps = (all_of_them - high) / (high - low)
        seconds[part] = [b + max(0.0, b - a) * steps for a, b in zip(little[part], more[part], strict=True)]
    return Plain(seconds, drawn=True)


# --- the tables ----------------------------------------------------------------------------------------------------


def print_tables(runs: list[Run], plains: dict[int, Plain]) -> None:
    print("\n| rows | ours, s | processor, s | peak, MB | plain, s | processor, s | peak, MB | times, clock | times, processor |")
    print("|" + "---|" * 9)
    for run in runs:
        print(f"| {run.rows:,} | {run.seconds:.1f} | {run.processor:.1f} | {run.peak / 1e6:.0f} | " + _beside(run, plains))
    print("\n| seconds (of them in the sandbox) | intake | " + " | ".join(KINDS) + " | all else |\n" + "|" + "---|" * 9)
    for run in runs:
        made = run.provenance.values()
        rest = run.seconds - run.intake - sum(max(one["duration_seconds"], one["sandbox_seconds"]) for one in made)
        cells = [f"{one['duration_seconds']:.2f} ({one['sandbox_seconds']:.2f})" for one in made]
        print(f"| ours, {run.rows:,} rows | {run.intake:.2f} | " + " | ".join(cells) + f" | {rest:.2f} |")
    for rows, one in sorted(plains.items()):
        cells = [f"{one.seconds[kind][0]:.1f}" for kind in KINDS]
        rest = one.seconds["imports"][0] + one.seconds["reading"][0]
        print(f"| plain, {rows:,} rows{_said(one)} | | " + " | ".join(cells) + f" | {rest:.1f} |")


def _beside(run: Run, plains: dict[int, Plain]) -> str:
    peer = plains.get(run.rows)
    if peer is None:
        return "not run | | | | |"
    peak = f"{peer.peak / 1e6:.0f}" if peer.peak else ""
    times = f"{peer.clock / run.seconds:.1f} | {peer.processor / run.processor:.1f} |"
    return f"{peer.clock:.0f}{_said(peer)} | {peer.processor:.0f} | {peak} | {times}"


def _said(one: Plain) -> str:
    return " (extrapolated)" if one.drawn else ""


def print_agreement(run: Run, peer: Plain) -> None:
    """How far apart the two are where a figure has one right value."""
    shared = [name for name in peer.figures if run.figures.get(name) is not None]
    print(f"{run.rows:,} rows: {len(shared)} of {len(peer.figures)} figures are in both; furthest apart, by kind:")
    for kind in dict.fromkeys(name.split()[0] for name in shared):
        apart = {name: abs(run.figures[name] - peer.figures[name]) for name in shared if name.startswith(kind)}
        worst = max(apart, key=apart.__getitem__)
        print(f"  {worst}: {apart[worst]:.1e}")


def measured(options: argparse.Namespace, folder: Path) -> tuple[list[Run], dict[int, Plain]]:
    training = made(TRAINING_ROWS, seed=0)
    champion = write_candidate(folder / "champion", fitted(training, TREES // 2, DEPTH - 2), "The version deployed.")
    candidate = write_candidate(folder / "candidate", fitted(training, TREES, DEPTH), "More and deeper trees.")
    tables = {rows: write_tables(folder / str(rows), rows, training) for rows in sorted({CHAMPION_ROWS, *options.rows})}
    with running(folder / "instance") as (root, demo):
        first, answer = submitted(demo.api, root, champion, tables[CHAMPION_ROWS], CHAMPION_ROWS)
        print(f"the instance's first submission, imports included: {first.seconds:.1f} s, intake {first.intake:.1f} s")
        approve(demo, SLUG, answer)
        demo.deploy(SLUG, answer["artifact"]["digest"])
        warm = zygotes(root)
        runs = []
        for rows in options.rows:
            runs.append(submitted(demo.api, root, candidate, tables[rows], rows)[0])
            print(f"{rows:,} rows: {runs[-1].seconds:.1f} s", flush=True)
        print(f"zygotes after the first submission {warm}, after the last {zygotes(root)}")
    return runs, {} if options.alone else plains_of(options, candidate, champion, tables)


def plains_of(options: argparse.Namespace, candidate: Path, champion: Path, tables: dict[int, Path]) -> dict[int, Plain]:
    """After the product has ended, so that neither takes the processor from the other."""
    known = kept(options.known)
    for rows in sorted(options.rows):
        whole = options.full or rows <= options.plain
        if rows not in known or (whole and known[rows].drawn):
            given = candidate, champion, tables[rows]
            known[rows] = plain(*given) if whole else drawn(*given, rows)
            keep(options.known, known)
    return {rows: known[rows] for rows in options.rows}


def kept(file: Path | None) -> dict[int, Plain]:
    """What earlier runs of the plain script took, by rows."""
    if file is None or not file.exists():
        return {}
    return {int(rows): Plain(**one) for rows, one in json.loads(file.read_text()).items()}


def keep(file: Path | None, known: dict[int, Plain]) -> None:
    if file is not None:
        file.write_text(json.dumps({rows: asdict(one) for rows, one in known.items()}))


def imports() -> str:
    """What a process without a zygote would pay before its first figure."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", IMPORTS], cwd=ROOT, check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return f"{time.monotonic() - began:.1f} s, processor {processor:.1f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--full", action="store_true", help="run the plain script on every size")
    parser.add_argument("--plain", type=int, default=10_000, help="largest size on which the plain script is run whole")
    parser.add_argument("--alone", action="store_true", help="without the plain script")
    parser.add_argument("--known", type=Path, help="file that keeps the plain script's seconds, and gives them again")
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; imports of a fresh process: {imports()}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        runs, plains = measured(options, Path(folder))
    print_tables(runs, plains)
    for run in runs:
        if run.rows in plains and not plains[run.rows].drawn:
            print_agreement(run, plains[run.rows])
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
