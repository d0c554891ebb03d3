"""Verify an exported audit log: python governance/client/verify_audit.py LOG KEY [PUBLISHED ...]

LOG is what `manage.py export_audit` wrote. KEY is the log's verifier key (name+id+key, or a file that holds it), known from
elsewhere than the export. PUBLISHED are checkpoints published earlier, or folders of them: only these can show that the tail
was cut off, that an older backup was put back, or that the log was written and signed anew by whoever holds the key.
A file among them that is no checkpoint of this log is named and passed over; at least one must be, of each folder too.
Ends with 0: it verifies. 1: it does not; the first bad event is named. 2: the question itself could not be read.

Nothing but Python's standard library is used. That has no Ed25519, so its verification (RFC 8032, 5.1.7) is written out
below; a few milliseconds for each checkpoint. The project's tests hold it against the `cryptography` package, and this
file against the product's own verifier, on the same thousands of tamperings.
"""

import base64
import hashlib
import json
import re
import sys
from contextlib import suppress
from pathlib import Path

# Ed25519: points as (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z.
P, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def add(a, b):
    p, q, r, s = (a[1] - a[0]) * (b[1] - b[0]), (a[1] + a[0]) * (b[1] + b[0]), 2 * a[3] * b[3] * D, 2 * a[2] * b[2]
    e, f, g, h = (q - p) % P, (s - r) % P, (s + r) % P, (q + p) % P
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(factor, point):
    total = (0, 1, 1, 0)
    for bit in f"{factor:b}":
        total = add(total, total)
        total = add(total, point) if bit == "1" else total
    return total


def point(data):
    """The point that 32 bytes stand for. Raises ValueError where they stand for none."""
    y, sign = int.from_bytes(data, "little") & (2**255 - 1), data[31] >> 7
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if (x * x - square) % P == 0 else x * pow(2, (P - 1) // 4, P) % P
    require(y < P and (x * x - square) % P == 0 and not (x == 0 and sign), "no point of the curve")
    x = x if x & 1 == sign else P - x
    return x, y, 1, x * y % P


def require_signature(key, signature, text):
    s, a, base = int.from_bytes(signature[32:], "little"), point(key), point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + text).digest(), "little") % ORDER
    x, y, z, _ = add(times(s % ORDER, base), times(k, (-a[0], a[1], 1, -a[3])))  # [S]B - [k]A must be R
    x, y = x * pow(z, -1, P) % P, y * pow(z, -1, P) % P
    expected = (y | (x & 1) << 255).to_bytes(32, "little")
    require(len(signature) == 64 and s < ORDER and signature[:32] == expected, "the signature does not hold")


# Checkpoints: C2SP signed notes.


def require(condition, problem):
    if not condition:
        raise ValueError(problem)


def unpacked(text):
    data = base64.b64decode(text, validate=True)
    require(base64.b64encode(data).decode() == text, "base64 that is not canonical")
    return data


def parsed_key(text):
    name, key_id, key = text.strip().split("+", 2)
    public, computed = unpacked(key), hashlib.sha256(f"{name}\n".encode() + unpacked(key)).digest()[:4]
    require(len(public) == 33 and public[0] == 1 and computed.hex() == key_id, "no verifier key of an Ed25519 key")
    return name, computed, public[1:]


def opened(note, key):
    """(size, root) of a note that the key signed; signatures by others are passed over. Raises ValueError."""
    text, _, signatures = note.partition("\n\n")
    require(signatures.endswith("\n"), "no signed note")
    for line in signatures[:-1].split("\n"):
        dash, name, blob = line.split(" ", 2)
        require(dash == "—", "no signature line")
        if (name, unpacked(blob)[:4]) == key[:2]:
            require_signature(key[2], unpacked(blob)[4:], f"{text}\n".encode())
            break
    else:
        raise ValueError("it is not signed with this key")
    origin, size, root = text.split("\n")[:3]
    good = origin == key[0] and re.fullmatch("0|[1-9][0-9]{0,18}", size) and len(unpacked(root)) == 32
    require(good, "no checkpoint of this log")
    return int(size), unpacked(root)


# The log: RFC 6962.


class Bad(Exception):
    """The first bad event, and what is wrong."""


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


class Log:
    """What was read so far. Events below `vouched` lie under a signed root that fits, below `outside` under a published one."""

    def __init__(self):
        self.size, self.vouched, self.outside, self.last_at, self.peaks = 0, 0, 0, "", []

    def add(self, seq, body, leaf):
        position, event = self.size, parsed(body)
        if seq != position:
            raise Bad(position, f"it is missing: the next one is {seq}")
        if sha256(b"\x00", body.encode(errors="replace")) != leaf or event.get("schema") != "event/1":
            raise Bad(position, "it was altered: its text is no event with this hash")
        if event.get("seq") != position:
            raise Bad(position, f"in its place stands event {event.get('seq')}")
        if str(event.get("at")) < self.last_at:
            raise Bad(position, "its time lies before that of the event before it")
        self.last_at, self.size = str(event.get("at")), position + 1
        while position & 1:  # two subtrees of one size become one
            leaf, position = sha256(b"\x01", self.peaks.pop(), leaf), position >> 1
        self.peaks.append(leaf)

    def hold(self, size, root, *, published=False):
        """Hold the events against a signed root. Where a published one does not fit, only published ones vouch for others."""
        if size > self.size:
            raise Bad(self.size, f"the log ends before it: a checkpoint counts {size} events")
        if size < self.size:
            raise Bad(size, "the checkpoint after it does not cover it")
        computed = self.peaks[-1] if self.peaks else sha256()
        for peak in self.peaks[-2::-1]:
            computed = sha256(b"\x01", peak, computed)
        if computed != root:
            first = self.outside if published else self.vouched
            raise Bad(first, f"it or one after it, before event {size}, was altered: their root is not the signed one")
        self.vouched, self.outside = size, size if published else self.outside

    def hold_published(self, waiting):
        while waiting and waiting[0][0] == self.size:
            self.hold(*waiting.pop(0), published=True)


def parsed(text):
    """The JSON object in a text; an empty one where there is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def entry(line, position):
    """The note of a checkpoint, or (seq, body, leaf) of an event."""
    match parsed(line):
        case {"checkpoint": str(note), **rest} if not rest:
            return note
        case {"seq": int(seq), "body": str(body), "leaf": str(leaf), **rest} if not rest and len(leaf) == 64:
            with suppress(ValueError):
                return seq, body, bytes.fromhex(leaf)
    raise Bad(position, "the line where it should stand is neither event nor checkpoint")


def verify(lines, key, published=()):
    """The number of events, once all is sound. `published` are (size, root). Raises Bad."""
    log, waiting, final = Log(), sorted(published, key=lambda one: one[0]), None
    for line in lines:
        match entry(line, log.size):
            case str(note):
                try:
                    final, root = opened(note, key)
                except ValueError as problem:
                    raise Bad(log.vouched, f"a checkpoint over it does not verify: {problem}") from problem
                log.hold(final, root)
            case event:
                log.hold_published(waiting)
                log.add(*event)
    log.hold_published(waiting)
    if waiting:
        log.hold(*waiting[0], published=True)
    if final != log.size:
        raise Bad(log.vouched, "the log does not end with a checkpoint over all its events")
    return log.size


def key_in(text):
    return parsed_key(Path(text).read_text() if Path(text).is_file() else text)


def checkpoints(places, key):
    """The published (size, root) at the places, and what is said of files that hold none. ValueError where a place has none."""
    known: list[tuple[int, bytes]] = []
    others = []
    for place in map(Path, places):
        before = len(known)
        for file in sorted(place.glob("*.checkpoint")) if place.is_dir() else [place]:
            try:
                known.append(opened(file.read_text(encoding="utf-8"), key))
            except (OSError, ValueError) as problem:
                others.append(f"{file}: {problem}")
        require(len(known) > before or place.is_file(), f"{place} holds no checkpoint of this log; {'; '.join(others)}")
    require(known or not places, f"no published checkpoint can be used; {'; '.join(others)}")
    return known, others


def verify_file(log, key, known):
    with open(log, "rb") as lines:
        return verify(lines, key, known)


def main(arguments):
    try:
        key = key_in(arguments[1])
        known, others = checkpoints(arguments[2:], key)
        for one in others:
            print(f"PASSED OVER {one}", file=sys.stderr)
        size = verify_file(arguments[0], key, known)
    except Bad as bad:
        print(f"NOT VERIFIED. First bad event: {bad.args[0]}: {bad.args[1]}.")
        return 1
    except (OSError, ValueError, IndexError) as problem:
        print(f"{problem}\n\n{__doc__}", file=sys.stderr)
        return 2
    print(f"VERIFIED: {size} events, against {len(known)} published checkpoints.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
