"""A worker that is killed in the middle of a job: `python -m tests.sandbox.owner MOMENT` prints its processes' ids."""

from __future__ import annotations

import os
import sys
import threading
import time

from reports.sandbox import SandboxSettings, Zygote


def main(moment: str) -> None:
    zygote = Zygote(settings=SandboxSettings(work_module="tests.sandbox.attacks", warm_explanations=False))
    if moment == "thread":
        starter = threading.Thread(target=zygote.start)
        starter.start()
        starter.join()
    zygote.start()
    if moment != "warming":
        zygote.wait_warm()
    if moment == "job":
        threading.Thread(target=zygote.run, args=("rest",), kwargs={"params": {"seconds": 60}, "files": {}}).start()
        time.sleep(0.5)
    print(os.getpid(), zygote.pid, flush=True)
    time.sleep(60)


if __name__ == "__main__":
    main(sys.argv[1])
