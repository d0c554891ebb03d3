"""The quick reading of a body says yes only where parsing says the same (the parser is the oracle)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from governance.audit.canonical import canonical
from governance.audit.verify import SCHEMA, repeated, written_so

LOG = Path(__file__).parents[1] / "golden" / "log-1.jsonl"
BODIES = [json.loads(line)["body"] for line in LOG.read_text().splitlines() if "body" in json.loads(line)]
HOSTILE = ['"', "\\", "},", '},"at":"', '},"model":"', "\n", "é", "\u2028", "null", "a", "", "1"]
texts = some.lists(some.sampled_from(HOSTILE), max_size=3).map("".join)
NESTED = [{}, {"x": {}, "at": "z", "candidate": None, "data": {}}, {"x": {}, "model": "m", "request_id": None}]
ids = some.one_of(some.none(), some.uuids().map(str))


@some.composite
def bodies(draw: Any) -> dict[str, Any]:
    """Of events as nobody should write them; what is nested may look like what stands around it."""
    nested = draw(some.sampled_from(NESTED))
    system, model, request = (draw(some.one_of(some.none(), texts)) for _ in range(3))
    return {
        "schema": SCHEMA, "seq": draw(some.integers(0, 12)), "at": draw(texts), "action": draw(texts),
        "actor": {"person": draw(ids), "service_account": draw(ids), "system": system},
        "candidate": draw(ids), "model": model, "request_id": request,
        "data": {"said": draw(texts), "of": nested}, "subject": {"id": draw(texts), "type": draw(texts)},
    }  # fmt: skip


def test_every_event_of_a_real_log_is_read_quickly_and_no_altered_column_is() -> None:
    assert len(BODIES) > 40
    for body in BODIES:
        read = json.loads(body)
        columns = repeated(read)
        assert written_so(body, read["seq"], columns)
        assert not written_so(body, read["seq"] + 1, columns)
        assert not written_so(body + " ", read["seq"], columns)
        for place, value in enumerate(columns):
            for other in ("0" * 32 if value is None else None, f"{value}x", "other"):
                altered = (*columns[:place], other, *columns[place + 1 :])
                assert not written_so(body, read["seq"], altered), (body, altered)


@pytest.mark.parametrize("nearly", [True, False])
@given(data=some.data())
def test_a_quick_yes_is_the_parsers_yes(nearly: bool, data: Any) -> None:
    said, other = data.draw(bodies()), data.draw(bodies())
    body, columns = canonical(said).decode(), list(repeated(said))
    if nearly:
        place = data.draw(some.integers(0, len(columns) - 1))
        columns[place] = data.draw(some.sampled_from([repeated(other)[place], "z", "m", "", None]))
    else:
        columns = list(repeated(other))
    seq = data.draw(some.sampled_from([said["seq"], other["seq"]]))
    if written_so(body, seq, tuple(columns)):
        assert (seq, tuple(columns)) == (json.loads(body)["seq"], repeated(json.loads(body)))
