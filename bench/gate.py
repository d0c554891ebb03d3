"""How many questions a second the gate answers: python bench/gate.py [--engine sqlite|postgresql] [--seconds 10]

In one run and by one client: the gate, each question recorded durably before it is answered; a plain Django view of the
same web processes that reads one row; and the alias look-up of MLflow's registry, which gets an environment of its own
under var/bench (or give --mlflow PYTHON, an interpreter that has it). Beside it another process records evidence all the
time, as a busy worker does.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.instance import ROOT, instance, run_python
from governance.project.launcher import free_port

CLIENTS = 4
PROCESSES = 2
PREPARE = """
import django, json; django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from tests import factories
from governance.actions.tokens import create_token
people = factories.founded()
candidate = factories.approved(people, factories.a_model(people, "cards"))
secret = create_token(by=people["scientist"], name="bench", scopes=[{"scope": "gate", "models": None}])[1]
print(json.dumps({"digest": candidate.gate_digest, "token": secret}))
"""
WORK = """
import django; django.setup()
from tests import factories
people = factories.founded()
model = factories.a_model(people, "busy")
while True:
    factories.computed(factories.a_candidate(people, model))
"""
REGISTER = """
import sys, mlflow
client = mlflow.MlflowClient(sys.argv[1])
client.create_registered_model("cards")
client.create_model_version("cards", source="s3://nowhere/cards", await_creation_for=0)
client.set_registered_model_alias("cards", "production", "1")
"""


def main() -> None:
    options = _options()
    port = free_port("127.0.0.1", 0)
    settings = {
        "DJANGO_SETTINGS_MODULE": "bench.plain_settings", "COUNTERSIGN_WEB_PROCESSES": str(PROCESSES),
        "COUNTERSIGN_BIND": f"127.0.0.1:{port}",
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, instance(options.engine, Path(folder), **settings) as variables:
        known = json.loads(run_python(PREPARE, variables).splitlines()[-1])
        gate = f"/api/v1/gate/cards/{known['digest']}/?environment=production"
        headers = {"Authorization": f"Bearer {known['token']}"}
        with _running(_web(variables), f"http://127.0.0.1:{port}") as product:
            results = {
                "plain Django view, one row": measured(product, "/plain/cards/", {}, options.seconds),
                "gate, recorded": measured(product, gate, headers, options.seconds),
            }
            with _running([sys.executable, "-c", WORK], None, variables):
                time.sleep(8)
                results["gate, recorded, beside a busy worker"] = measured(product, gate, headers, options.seconds)
        results["MLflow, alias of a registered model"] = _mlflow(options, Path(folder))
    _print(options.engine, results)


def measured(url: str, path: str, headers: dict[str, str], seconds: float) -> list[float]:
    """Seconds that each answer took, by some clients at once on connections that stay open; all answers are 200."""
    taken: list[float] = []
    until = time.monotonic() + seconds

    def client() -> None:
        where = urlsplit(url)
        connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=30)
        while (began := time.monotonic()) < until:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise SystemExit(f"{path} answered {answer.status}: {body[:300]!r}")
            taken.append(time.monotonic() - began)

    for _ in range(30):
        _one(url, path, headers)
    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return taken


def _one(url: str, path: str, headers: dict[str, str]) -> int:
    where = urlsplit(url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=30)
    connection.request("GET", path, headers=headers)
    return connection.getresponse().status


def _print(engine: str, results: dict[str, list[float]]) -> None:
    plain = len(results["plain Django view, one row"])
    print(f"| {engine} | questions a second | p50 ms | p99 ms | of the plain view |\n|---|---|---|---|---|")
    for name, taken in results.items():
        ordered = sorted(taken)
        rate = len(ordered) / sum(ordered) * CLIENTS
        p50, p99 = (1000 * ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.99))
        print(f"| {name} | {rate:.0f} | {p50:.1f} | {p99:.1f} | {len(ordered) / plain:.2f} |")


# --- what runs -----------------------------------------------------------------------------------------------------


def _web(variables: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    command = [sys.executable, "-m", "gunicorn", "-c", "python:governance.project.web_server", "governance.project.wsgi"]
    return command, variables


@contextlib.contextmanager
def _running(
    command: list[str] | tuple[list[str], dict[str, str]], url: str | None, variables: dict[str, str] | None = None
) -> Iterator[str]:
    """The program, once it answers; ended with the block."""
    if isinstance(command, tuple):
        command, variables = command
    process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600 if url else 0):
            with contextlib.suppress(OSError, http.client.HTTPException):
                _one(str(url), "/", {})
                break
            if process.poll() is not None:
                raise SystemExit(f"{command[:4]} ended with {process.returncode}")
            time.sleep(0.2)
        yield str(url)
    finally:
        process.terminate()
        process.wait()


def _mlflow(options: argparse.Namespace, folder: Path) -> list[float]:
    python = options.mlflow or _mlflow_environment()
    port = free_port("127.0.0.1", 0)
    url, store = f"http://127.0.0.1:{port}", f"sqlite:///{folder}/mlflow.db"
    command = [
        python, "-m", "mlflow", "server", "--backend-store-uri", store, "--port", str(port), "--workers", str(PROCESSES),
        "--default-artifact-root", str(folder / "artifacts"),
    ]  # fmt: skip
    with _running(command, url, {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}):
        subprocess.run([python, "-c", REGISTER, url], check=True, capture_output=True)
        return measured(url, "/api/2.0/mlflow/registered-models/alias?name=cards&alias=production", {}, options.seconds)


def _mlflow_environment() -> str:
    place = ROOT / "var" / "bench" / "mlflow"
    if not (place / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        subprocess.run([place / "bin" / "python", "-m", "pip", "install", "--quiet", "mlflow"], check=True)
    return str(place / "bin" / "python")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--mlflow", help="a Python that has MLflow")
    return parser.parse_args()


if __name__ == "__main__":
    main()
