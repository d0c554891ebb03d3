"""A worker on a host that refuses something: `python -m tests.sandbox.deprived SETTINGS CALL…`, answer as JSON.

The calls are refused by a filter of the worker's own, so it is the kernel that says no, to the worker and its jobs.
"""

from __future__ import annotations

import errno
import json
import sys

from reports.sandbox import SandboxError, SandboxSettings, Zygote
from tests.sandbox.container import DEPRIVATIONS, refuse_calls


def main(settings: str, *names: str) -> None:
    refuse_calls({name: DEPRIVATIONS[name] for name in names}, errno.EPERM)
    chosen = SandboxSettings(work_module="tests.sandbox.attacks", warm_explanations=False, **json.loads(settings))
    with Zygote(settings=chosen) as zygote:
        try:
            outcome = zygote.run("echo", params={"a": 1}, files={})
            print(json.dumps({"value": outcome.value, "layers": outcome.layers}))
        except SandboxError as error:
            print(json.dumps({"code": error.code, "detail": error.detail}))


if __name__ == "__main__":
    main(*sys.argv[1:])
