"""What tests share: databases that can be committed to, a broker, a zygote, a browser; and nothing skipped in silence.

A test that cannot run because part of the machine is absent skips with `missing(...)`. The run then fails, unless
`--allow-missing` names the part. Run through `script/test`, which provides both engines.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import uuid
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.examples import SLOW

MISSING = "MISSING: "
DATABASE_FIXTURES = {"db", "committed_db", "empty_db", "transactional_db", "django_db_setup", "served"}
SHARES = ("sqlite", "postgresql")
WITHOUT_DATABASE = [Path(__file__).parent / name for name in ("charts", "formats", "measures")]
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def missing(part: str, reason: str) -> NoReturn:
    """Skip: this part of the machine is absent. Makes the whole run fail unless it is allowed to be."""
    pytest.skip(f"{MISSING}{part}: {reason}")


# --- options, selection, accounting --------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("countersign")
    group.addoption("--slow", action="store_true", help="also run tests marked slow")
    group.addoption("--database-only", action="store_true", help="only tests that use the database")
    group.addoption("--share", choices=SHARES, help="of the tests that use the database only those that fall to this engine")
    group.addoption("--allow-missing", action="append", default=[], metavar="PART", help="a part that may be absent")
    group.addoption("--totals", type=Path, help="write the counts of outcomes to this file")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Accounting(config), "countersign-accounting")
    if config.getoption("slow"):
        os.environ[SLOW] = "1"
    folder = Path(tempfile.mkdtemp(prefix="countersign-test-"))
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    _use_data_folder(folder)


def _use_data_folder(folder: Path) -> None:
    """Point this process, and the processes that tests start, at a data folder of their own."""
    from django.conf import settings

    from governance.audit import private_keys
    from governance.project import broker
    from reports.sandbox import machine_code

    for name in ("blobs", "keys"):
        (folder / name).mkdir(mode=0o700)
    settings.DATA_DIR = folder
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # a dozen people sign in all the time
    settings.COUNTERSIGN_BLOBS = folder / "blobs"
    settings.COUNTERSIGN_CHECKPOINT_KEY = str(folder / "keys" / "checkpoint.pem")
    settings.REDIS_URL = broker.redis_url(folder)
    settings.COUNTERSIGN_SIGNING_KEY = str(folder / "keys" / "signing.pem")
    for path in (settings.COUNTERSIGN_CHECKPOINT_KEY, settings.COUNTERSIGN_SIGNING_KEY):
        private_keys.create(Path(path))
    os.environ.update(
        COUNTERSIGN_DATA=str(folder),
        COUNTERSIGN_CHECKPOINT_KEY=settings.COUNTERSIGN_CHECKPOINT_KEY,
        COUNTERSIGN_SIGNING_KEY=settings.COUNTERSIGN_SIGNING_KEY,
        COUNTERSIGN_SECRET_KEY=settings.SECRET_KEY,
        REDIS_URL=settings.REDIS_URL,
        ORT_DISABLE_TELEMETRY="1",
    )
    os.environ[machine_code.VARIABLE] = machine_code.folder()
    import governance.project.celery  # noqa: F401 - acts knock at this folder's broker, not at Celery's default one


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Importing the tests of figures, and with them every numerical library, only to drop them all takes its time."""
    return True if config.getoption("database_only") and collection_path in WITHOUT_DATABASE else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Drop what was not asked for; keep tests that share something costly together in one process."""
    for item in items:
        for costly in {"zygote", "browser_type_launch_args", "furnished"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group(costly))
    dropped = [item for item in items if not _wanted(config, item)]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in set(dropped)]


def pytest_collection_finish() -> None:
    """What was imported stays until the end: not looking through it again and again saves an eighth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)


def _wanted(config: pytest.Config, item: pytest.Item) -> bool:
    slow, fixtures = config.getoption("slow"), set(getattr(item, "fixturenames", ()))
    if item.get_closest_marker("slow") and not slow:
        return False
    uses_database = bool(DATABASE_FIXTURES & fixtures) or bool(item.get_closest_marker("django_db"))
    if uses_database and any(item.path.is_relative_to(folder) for folder in WITHOUT_DATABASE):
        raise pytest.UsageError(f"{item.nodeid} uses the database: its folder is passed over on the second engine")
    if not slow and (item.get_closest_marker("one_engine") or "browser_type_launch_args" in fixtures):
        return not config.getoption("database_only")  # what a page shows is made of facts that others load on each engine
    if uses_database and config.getoption("share") and not item.get_closest_marker("both_engines"):
        return config.getoption("share") == SHARES[zlib.crc32(item.nodeid.encode()) % 2]
    return uses_database or not config.getoption("database_only")


class Accounting:
    """Counts outcomes, and fails a run in which something was missing without leave."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.counts: Counter[str] = Counter()
        self.absent: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            self.counts["failed" if report.failed else report.outcome] += 1
        reason = report.longrepr[2] if report.skipped and isinstance(report.longrepr, tuple) else ""
        _, found, what = reason.partition(MISSING)
        if found and what.split(":")[0] not in self.config.getoption("allow_missing"):
            self.absent.setdefault(what, report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.counts["failed"] += report.failed

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(self.config, "workerinput"):
            return
        if self.absent and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if path := self.config.getoption("totals"):
            path.write_text(json.dumps({**self.counts, "missing": sorted(self.absent)}))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for what, test in self.absent.items():
            terminalreporter.write_line(f"{MISSING}{what} ({test} and perhaps others did not run)", red=True)


# --- databases -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CommittedDatabase:
    """A database of one test alone, for this process and for others (`url` as DATABASE_URL)."""

    name: str
    url: str

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "DATABASE_URL": self.url}


@pytest.fixture(scope="session")
def django_db_modify_db_settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> None:
    """SQLite's test database is a file, as in production: one in memory knows neither WAL nor a second process."""
    from django.db import connection

    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")
    else:
        request.getfixturevalue("django_db_modify_db_settings_parallel_suffix")


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None,
    django_db_modify_db_settings: None,
    django_db_blocker: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """The test database with its people, always: pytest-django makes none for tests that ask for `committed_db` alone.

    Yields the name of its migrated, still empty twin that nobody connects to: PostgreSQL copies no database in use, and
    closing this thread's connections is not enough, since beside a browser's event loop Django keeps a second set.
    The processes of one run share the twin, and the last one to end drops it.
    """
    from django.db import connection, connections

    folder = tmp_path_factory.getbasetemp()
    shared = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    settings = connection.settings_dict
    with (shared / "twin-used").open("a") as used:
        fcntl.flock(used, fcntl.LOCK_SH)
        with django_db_blocker.unblock():
            twin = _migrated_by_the_first(shared)
            own = settings["NAME"] = _copy(twin, settings, tmp_path_factory.mktemp("own")).name
            _found()
        yield twin
        with django_db_blocker.unblock(), contextlib.suppress(BlockingIOError):
            connections.close_all()
            _drop(own, settings)
            fcntl.flock(used, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _drop(twin, settings)


def _migrated_by_the_first(folder: Path) -> str:
    """The name of a database that one process of the run migrates while the others wait."""
    from django.db import connection, connections

    known = folder / "twin"
    with (folder / "twin-made").open("a") as making:
        fcntl.flock(making, fcntl.LOCK_EX)
        if not known.exists():
            made = connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
            connections.close_all()
            known.write_text(made)
        return known.read_text()


def _found() -> None:
    """Installing takes longer than most tests."""
    from django.db import connections

    from tests.factories import installed

    installed()
    connections.close_all()


@dataclass(frozen=True)
class Scene:
    """What the tests of one module share: the people, and a folder of files that each of them finds copied."""

    people: dict[str, Any]
    blobs: Path


@pytest.fixture(scope="module")
def scene(django_db_setup: str, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A transaction around all tests of a module: what its fixtures build once each test finds, and changes for itself alone.

    It stands before a test's own, which is a savepoint in it, so that `durable` transactions of actions may begin there.
    No test of such a module may ask for `committed_db`, which closes the connection.
    """
    from django.conf import settings
    from django.db import transaction

    from tests.factories import founded

    blobs, before = tmp_path_factory.mktemp("scene") / "blobs", settings.COUNTERSIGN_BLOBS
    with django_db_blocker.unblock():
        around = transaction.atomic()
        around._from_testcase = True  # type: ignore[attr-defined]
        with around:
            settings.COUNTERSIGN_BLOBS = blobs
            yield Scene(founded(), blobs)
            settings.COUNTERSIGN_BLOBS = before
            transaction.set_rollback(True)


@pytest.fixture
def people(request: pytest.FixtureRequest, db: None, settings: Any, tmp_path: Path) -> dict[str, Any]:
    """An installed instance whose people have set their passwords, by the names that tests call them."""
    from tests.factories import founded

    settings.COUNTERSIGN_BLOBS = tmp_path / "blobs"
    if "scene" in request.fixturenames and (shared := request.getfixturevalue("scene").blobs).exists():
        shutil.copytree(shared, settings.COUNTERSIGN_BLOBS)
    return founded()


@pytest.fixture
def committed_db(django_db_setup: str, django_db_blocker: Any, tmp_path: Path) -> Iterator[CommittedDatabase]:
    """A copy of the migrated database that the test may commit to. (Facts cannot be flushed away afterwards.)"""
    from django.db import connection, connections

    settings = connection.settings_dict
    template = settings["NAME"]
    with django_db_blocker.unblock():
        connections.close_all()
        copy = _copy(django_db_setup, settings, tmp_path)
        settings["NAME"] = copy.name
        try:
            yield copy
        finally:
            connections.close_all()
            settings["NAME"] = template
            _drop(copy.name, settings)


@pytest.fixture
def empty_db(committed_db: CommittedDatabase) -> Iterator[None]:
    """A database without people or events, in a transaction; what the test writes goes with it."""
    from django.db import transaction

    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def _copy(template: str, settings: dict[str, Any], folder: Path) -> CommittedDatabase:
    if settings["ENGINE"].endswith("sqlite3"):
        path = folder / "committed.sqlite3"
        with sqlite3.connect(template) as source, sqlite3.connect(path) as target:
            source.backup(target)
        source.close()
        target.close()
        return CommittedDatabase(str(path), f"sqlite:///{path}")
    name = f"committed_{uuid.uuid4().hex[:12]}"
    _execute(settings, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    user = f"{settings['USER']}:{settings['PASSWORD']}@" if settings["USER"] else ""
    return CommittedDatabase(name, f"postgres://{user}{settings['HOST']}:{settings['PORT'] or 5432}/{name}")


def _drop(name: str, settings: dict[str, Any]) -> None:
    if settings["ENGINE"].endswith("sqlite3"):
        return  # it goes with the test's folder
    _execute(settings, f'DROP DATABASE "{name}" WITH (FORCE)')


def _execute(settings: dict[str, Any], statement: str) -> None:
    import psycopg

    where = {
        "host": settings["HOST"],
        "port": settings["PORT"],
        "user": settings["USER"],
        "password": settings["PASSWORD"],
    }
    with psycopg.connect(dbname="postgres", autocommit=True, **{k: v for k, v in where.items() if v}) as connection:
        connection.execute(statement)


# --- the broker, the sandbox, the browser --------------------------------------------------------------------------


@pytest.fixture(scope="session")
def broker() -> Iterator[str]:
    """A real broker on a private socket, the one that this process's tasks are sent to; yields its address."""
    from django.conf import settings

    from governance.project import broker as embedded
    from governance.project.parent_death import die_with_parent

    folder = Path(settings.DATA_DIR)
    embedded.prepare(folder)
    server = subprocess.Popen(embedded.command(folder), stdout=subprocess.DEVNULL, preexec_fn=die_with_parent)  # noqa: PLW1509
    try:
        embedded.wait_until_it_answers(embedded.socket_path(folder))
        yield settings.REDIS_URL
    finally:
        server.kill()
        server.wait()


@pytest.fixture(scope="session")
def _object_store() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield "http://{}:{}".format(*server.get_host_and_port())
    finally:
        server.stop()


@pytest.fixture
def object_store(_object_store: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An S3-compatible store over HTTP, in this process, which the standard variables point at; yields its address."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    key = {"AWS_ACCESS_KEY_ID": "anybody", "AWS_SECRET_ACCESS_KEY": "secret"}
    for name, value in {"AWS_ENDPOINT_URL": _object_store, "AWS_DEFAULT_REGION": "us-east-1", **key}.items():
        monkeypatch.setenv(name, value)
    return _object_store


@pytest.fixture(scope="session")
def zygote() -> Iterator[Any]:
    """The one zygote of the session, warm; it knows the attacks beside the real work."""
    from tests.sandbox.conftest import make_zygote

    with make_zygote() as one:
        one.wait_warm()
        yield one


@pytest.fixture
def served(committed_db: CommittedDatabase) -> Iterator[str]:
    """The pages and the API over HTTP, in this process, on a database of this test; yields the address."""
    from django.contrib.staticfiles.handlers import StaticFilesHandler
    from django.test.testcases import LiveServerThread

    server = LiveServerThread("127.0.0.1", StaticFilesHandler, connections_override={})
    server.daemon = True
    server.start()
    server.is_ready.wait()
    if server.error:
        raise server.error
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.terminate()


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """The system's Chromium for pytest-playwright's `page`."""
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        missing("browser", "no Chromium on the PATH; apt-get install chromium")
    # Playwright keeps an event loop on this thread, which Django takes for asynchronous code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    unprivileged = os.geteuid() != 0
    return {"executable_path": program, "args": [] if unprivileged else ["--no-sandbox"]}
