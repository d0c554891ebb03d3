"""The whole log held against signed checkpoints. No Django here: an export verifies anywhere, offline.

What can be named: an event whose body was altered, that is missing, doubled or out of place is named itself. Where
body and leaf were altered together, the first signed root or stored subtree that no longer fits says between which
events it happened; the report then names the first of them.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest
from operator import gt
from typing import Any, NamedTuple

from governance.audit.merkle import CompactRange, leaf_hash
from governance.audit.signed_note import Checkpoint, NoteError, VerifierKey, open_note

SCHEMA = "event/1"
_decode = json.JSONDecoder().raw_decode


COLUMNS = ("at", "action", "person", "model", "candidate", "subject type", "subject id")


class Record(NamedTuple):
    """An event as it is stored. `columns` are the search columns beside the body, in the order and form of `repeated`."""

    seq: int
    body: str
    leaf: bytes
    columns: tuple[str | None, ...] | None = None


@dataclass(frozen=True)
class Problem:
    """What is wrong, and from which event on nothing is vouched for. `code` is stable."""

    event: int
    code: str
    detail: str


@dataclass(frozen=True)
class Report:
    """`size` events verified, with their root. Sound where there is no problem."""

    size: int
    root: bytes
    problem: Problem | None = None

    @property
    def sound(self) -> bool:
        return self.problem is None


class BadLog(Exception):
    """Ends a verification at the first problem."""

    def __init__(self, event: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.problem = Problem(event, code, detail)


class Verifier:
    """Takes events and signed roots in the order of the log, and stops at the first that does not fit.

    Its methods raise BadLog. `tree` holds what was taken so far; events below `vouched` lie under a signed root that
    fits, those below `published` under one that was published; `suspect` is the first stored subtree (first event, end)
    that does not fit.
    """

    def __init__(self) -> None:
        self.tree = CompactRange()
        self.vouched = self.published = 0
        self.suspect: tuple[int, int] | None = None
        self._last_at = ""

    def add(self, record: Record) -> list[tuple[int, int, bytes]]:
        """The next event. Returns the perfect subtrees that it completed."""
        expected = self.tree.size
        if record.seq != expected:
            raise BadLog(expected, "out-of-place", f"event {expected} is missing: the next one is {record.seq}")
        if _hashed(record.body) != record.leaf:
            raise BadLog(expected, "altered", f"event {expected} was altered: its text does not have its leaf hash")
        self._check_body(expected, record)
        return self.tree.append(record.leaf)

    def add_block(self, block: Sequence[Record]) -> list[tuple[int, int, bytes]] | None:
        """The next 2^k events at once, in half the time. Returns the perfect subtrees above them that they completed.

        None, with nothing taken, where they are not letter by letter what `append` writes or do not start at a multiple
        of their number: `add` then says of each what it is.
        """
        first = self.tree.size
        times, leaves = [self._last_at], []
        for place, (seq, body, leaf, columns) in enumerate(block, first):
            if seq != place or not columns or not written_so(body, seq, columns) or _hashed(body) != leaf:
                return None
            times.append(str(columns[0]))
            leaves.append(leaf)
        if any(map(gt, times, times[1:])):
            return None
        try:
            completed = self.tree.append_block(leaves)
        except ValueError:
            return None
        self._last_at = times[-1]
        return completed

    def check_subtree(self, first: int, end: int, computed: bytes, stored: bytes | None) -> None:
        """Hold a stored subtree against its events. Only the next signed root tells which of the two was altered."""
        if computed != stored and self.suspect is None:
            self.suspect = (first, end)

    def check_root(self, root: bytes, source: str, *, published: bool = False) -> None:
        """Hold the tree so far against a signed root of the same size.

        Where a published one does not fit, only published ones vouch for what lies before: whoever holds the key has
        signed all others anew.
        """
        vouched = self.published if published else self.vouched
        first, end = self.suspect or (vouched, self.tree.size)
        if self.tree.root() != root:
            first = max(first, vouched)
            where = f"event {first}" if end - first == 1 else f"one of the events {first} to {end - 1}"
            raise BadLog(first, "altered", f"{where} was altered: their root is not that of {source}")
        if self.suspect is not None:
            raise BadLog(first, "subtree-altered", f"the stored hash over events {first} to {end - 1} was altered")
        self.vouched = self.tree.size
        if published:
            self.published = self.tree.size

    def finish(self, size: int, source: str) -> None:
        """No more events. Raises BadLog where `source` signed for more of them."""
        if self.tree.size < size:
            raise BadLog(
                self.tree.size, "cut-off", f"the log ends before event {self.tree.size}: {source} counts {size} events"
            )

    def _check_body(self, seq: int, record: Record) -> None:
        """What the body says of itself must be its place; time never goes back; the columns repeat the body."""
        if record.columns and written_so(record.body, seq, record.columns):
            self._check_time(seq, str(record.columns[0]))
            return
        body = _parsed_body(record.body)
        if body is None or body.get("schema") != SCHEMA:
            raise BadLog(seq, "altered", f"event {seq} is no {SCHEMA} document")
        if body.get("seq") != seq:
            raise BadLog(seq, "out-of-place", f"in place {seq} stands event {body.get('seq')}")
        self._check_time(seq, str(body.get("at")))
        if record.columns is not None and record.columns != (said := repeated(body)):
            pairs = zip_longest(COLUMNS, said, record.columns)
            wrong = ", ".join(name for name, value, column in pairs if column != value)
            raise BadLog(seq, "altered", f"event {seq}: its search columns do not say what it says: {wrong}")

    def _check_time(self, seq: int, at: str) -> None:
        if at < self._last_at:
            raise BadLog(seq, "time-goes-back", f"event {seq} of {at} stands after one of {self._last_at}")
        self._last_at = at


def verify_export(
    lines: Iterable[str | bytes], *, public_key: VerifierKey | str, known: Iterable[Checkpoint | str] = ()
) -> Report:
    """Verify an export: JSON lines `{"seq", "body", "leaf"}` with `{"checkpoint": note}` between and at the end.

    Parameters
    ----------
    lines : the export's lines in order.
    public_key : the log's verifier key, known from elsewhere than the export.
    known : checkpoints published earlier, or their notes; the log must still contain them.

    Returns
    -------
    Report, whose problem names the first bad event.

    Raises
    ------
    NoteError : `public_key` or one of `known` is itself no key or no note of that key.
    """
    key = VerifierKey.parse(public_key) if isinstance(public_key, str) else public_key
    published = [open_note(one, key) if isinstance(one, str) else one for one in known]
    verifier = Verifier()
    try:
        _verify_lines(verifier, lines, key, sorted(published, key=lambda one: one.size))
    except BadLog as bad:
        return Report(verifier.tree.size, verifier.tree.root(), bad.problem)
    return Report(verifier.tree.size, verifier.tree.root())


def export_lines(records: Iterable[Record], checkpoints: Iterable[tuple[int, str]]) -> Iterator[str]:
    """The export of a log: its events, each kept checkpoint (size, note) after the last event that it covers.

    The checkpoints come in ascending order; the last one covers the last event.
    """
    notes = iter(checkpoints)
    size, note = next(notes, (0, ""))
    for record in records:
        yield _line({"seq": record.seq, "body": record.body, "leaf": record.leaf.hex()})
        while size == record.seq + 1:
            yield _line({"checkpoint": note})
            size, note = next(notes, (0, ""))


def _verify_lines(
    verifier: Verifier, lines: Iterable[str | bytes], key: VerifierKey, known: list[Checkpoint]
) -> None:
    """The export's own checkpoints are asked before published ones of the same size: they say more exactly where."""
    final: Checkpoint | None = None
    waiting = deque(known)
    for line in lines:
        entry = _entry(line, verifier.tree.size)
        if isinstance(entry, str):
            final = _next_checkpoint(verifier, entry, key)
            continue
        _check_published(verifier, waiting)
        verifier.add(entry)
    _check_published(verifier, waiting)
    if waiting:
        verifier.finish(waiting[0].size, _named(waiting[0]))
    if final is None or final.size != verifier.tree.size:
        raise BadLog(verifier.vouched, "cut-off", "the export does not end with a checkpoint over all its events")


def _check_published(verifier: Verifier, waiting: deque[Checkpoint]) -> None:
    """Hold the events so far against the published checkpoints of their number."""
    while waiting and waiting[0].size == verifier.tree.size:
        one = waiting.popleft()
        verifier.check_root(one.root, _named(one), published=True)


def _named(one: Checkpoint) -> str:
    return f"the published checkpoint of {one.size} events"


def _next_checkpoint(verifier: Verifier, note: str, key: VerifierKey) -> Checkpoint:
    """Hold the events so far against a checkpoint of the export."""
    try:
        signed = open_note(note, key)
    except NoteError as error:
        raise BadLog(verifier.vouched, "checkpoint-invalid", f"a checkpoint does not verify: {error}") from error
    verifier.finish(signed.size, "a checkpoint")
    if signed.size < verifier.tree.size:
        raise BadLog(signed.size, "out-of-place", f"event {signed.size} is not covered by the checkpoint after it")
    verifier.check_root(signed.root, f"the checkpoint of {signed.size} events")
    return signed


def _entry(line: str | bytes, position: int) -> Record | str:
    """A line of an export: an event, or the note of a checkpoint. Raises BadLog."""
    match _parsed(line):
        case {"checkpoint": str(note), **rest} if not rest:
            return note
        case {"seq": int(seq), "body": str(body), "leaf": str(leaf), **rest} if not rest and len(leaf) == 64:
            try:
                return Record(seq, body, bytes.fromhex(leaf))
            except ValueError as error:
                raise BadLog(position, "unreadable", f"the leaf hash of event {position} is no hexadecimal") from error
    raise BadLog(
        position, "unreadable", f"the line where event {position} should stand is neither event nor checkpoint"
    )


def _hashed(body: str) -> bytes | None:
    """The leaf hash of a stored body; None where it is no text that could have been hashed."""
    try:
        return leaf_hash(body.encode())
    except (UnicodeEncodeError, AttributeError):
        return None


def _parsed(text: str | bytes) -> dict[str, Any] | None:
    """The JSON object in `text`, or None where there is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _parsed_body(body: str) -> dict[str, Any] | None:
    """As `_parsed`, in half the time where nothing stands around the object, as in every body that `append` wrote."""
    try:
        value, end = _decode(body)
    except (ValueError, RecursionError):
        return _parsed(body)
    return value if end == len(body) and isinstance(value, dict) else _parsed(body)


def repeated(body: dict[str, Any]) -> tuple[str | None, ...]:
    """What the search columns beside a body must say, in the order of COLUMNS; ids without hyphens, "" for no model.

    Empty where the body lacks what every event says, which no columns repeat.
    """
    try:
        person, candidate, subject = body["actor"]["person"], body["candidate"], body["subject"]
        return (
            body["at"], body["action"], person and person.replace("-", ""), body["model"] or "",
            candidate and candidate.replace("-", ""), subject["type"], subject["id"],
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError):
        return ()


def written_so(body: str, seq: int, columns: tuple[str | None, ...]) -> bool:
    """Whether a body is, letter by letter, what `append` writes of these columns: then nothing has to be parsed.

    False says nothing: a text that JSON escapes is one that only parsing understands. The two places that are looked for
    cannot be others, since what stands between a piece and its place are ids and texts, in which JSON escapes quotes.
    """
    at, action, person, model, candidate, kind, subject = columns
    head = _written_head(action, person)
    tail = f',"schema":"{SCHEMA}","seq":{seq},"subject":{{"id":"{subject}","type":"{kind}"}}}}'
    if None in (at, action, model, kind, subject) or not (body.startswith(head) and body.endswith(tail)):
        return False
    when = f'}},"at":"{at}","candidate":{_written_id(candidate)},"data":{{'
    which = f'}},"model":"{model}","request_id":' if model else '},"model":null,"request_id":'
    end = len(body) - len(tail)
    return body.startswith(when, body.find('},"at":', len(head))) and body.startswith(which, body.rfind('},"model":', 0, end))


@lru_cache(maxsize=4096)
def _written_head(action: str | None, person: str | None) -> str:
    return f'{{"action":"{action}","actor":{{"person":{_written_id(person)},"service_account":'


@lru_cache(maxsize=4096)
def _written_id(plain: str | None) -> str:
    return "null" if plain is None else f'"{plain[:8]}-{plain[8:12]}-{plain[12:16]}-{plain[16:20]}-{plain[20:]}"'


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":"))
