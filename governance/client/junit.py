"""The answer as a JUnit report, which GitLab and the actions of GitHub show beside a run."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

from governance.client.outcome import Case
from governance.client.words import plain


def write(path: Path, verb: str, cases: tuple[Case, ...], *, error: str | None) -> None:
    """One test for each question. `error` is why it could not be asked. What cannot be written is a warning."""
    try:
        path.write_bytes(ET.tostring(_suites(f"countersign {verb}", cases, error), encoding="utf-8", xml_declaration=True))
    except OSError as problem:
        print(f"WARNING  The report {path} cannot be written: {problem.strerror or problem}", file=sys.stderr)


def _suites(name: str, cases: tuple[Case, ...], error: str | None) -> ET.Element:
    failed = sum(1 for one in cases if one.reasons)
    counts = {"tests": len(cases) + (error is not None), "failures": failed, "errors": int(error is not None)}
    totals = {key: str(value) for key, value in counts.items()}
    suites = ET.Element("testsuites", {"name": name, **totals})
    suite = ET.SubElement(suites, "testsuite", {"name": name, **totals})
    for one in cases:
        case = ET.SubElement(suite, "testcase", {"classname": name, "name": plain(one.name)})
        if one.reasons:
            lines = [plain(reason) for reason in one.reasons]
            ET.SubElement(case, "failure", {"message": lines[0]}).text = "\n".join(lines)
    if error is not None:
        case = ET.SubElement(suite, "testcase", {"classname": name, "name": "could be asked"})
        ET.SubElement(case, "error", {"message": plain(error)}).text = plain(error)
    return suites
