"""A dossier from frozen facts: HTML, then a tagged PDF/A-3a with its evidence embedded. The same facts, the same bytes.

Nothing is fetched: the style sheets and fonts are the product's own files, and every other address is refused.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from fontTools.ttLib import woff2
from weasyprint import HTML, Attachment
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import URLFetcher, URLFetcherResponse

from reports.dossier.attachments import Embedded, embedded_files
from reports.dossier.cover import cover
from reports.dossier.facts import Facts
from reports.dossier.html import Markup, join, tag
from reports.dossier.parts import Printed, all_parts, printed_part
from reports.dossier.parts_review import reading

STATIC = Path(__file__).resolve().parent.parent.parent / "static"
STYLE_SHEETS = ("tokens.css", "dossier.css")
Report = Callable[[float, str], None]

for _noisy in ("weasyprint", "fontTools"):
    logging.getLogger(_noisy).setLevel(logging.ERROR)


class RefusedAddress(ValueError):
    """A document asked for something that is not the product's own style sheet or font."""


def printed(document: dict[str, Any], report: Report) -> BinaryIO:
    """The PDF of these facts (`dossier/1`). Raises UnknownDossier."""
    facts = Facts(document)
    files = embedded_files(facts)
    report(0.1, "Writing the dossier")
    text = html(facts, files)
    report(0.3, "Laying out its pages")
    data = _pdf(text, facts, files)
    report(0.95, "Storing the dossier")
    return io.BytesIO(data)


def html(facts: Facts, files: Sequence[Embedded]) -> str:
    """The whole document as HTML, with nothing of it outside but style sheets and fonts."""
    parts = [printed_part(part, facts) for part in all_parts(files)]
    made = facts.made["at"]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("title", f"{facts.status}: {facts.title} ({facts.number})"),
        tag("meta", name="generator", content=f"Countersign {facts.made['product']}"),
        tag("meta", name="dcterms.created", content=made),
        tag("meta", name="dcterms.modified", content=made),
        *[tag("link", rel="stylesheet", href=f"css/{name}") for name in STYLE_SHEETS],
    )
    body = tag(
        "body", cover(facts), _running(facts), _contents(parts, facts), *[one.html for one in parts],
        class_="final" if facts.final else "draft",
    )  # fmt: skip
    return f"<!doctype html>{tag('html', head, body, lang='en')}"


def _running(facts: Facts) -> Markup:
    """What stands in the margin of every page but the cover."""
    status = "FINAL" if facts.final else "DRAFT: not approved"
    return join(
        [
            tag("div", facts.title, class_="running running--title"),
            tag("div", status, class_="running running--status"),
            tag("div", f"Dossier {facts.number} · facts {facts.made['facts'][:23]}…", class_="running running--foot"),
        ]
    )


def _contents(parts: Sequence[Printed], facts: Facts) -> Markup:
    rows = [
        tag(
            "li",
            tag("span", one.part.number, class_="number"),
            tag("a", one.part.title, href=f"#{one.part.anchor}"),
            tag("span", f" {one.missing}", class_="toc__missing") if one.missing else None,
        )
        for one in parts
    ]
    return tag("section", tag("h2", "Contents"), tag("ol", *rows), *reading(facts), class_="toc")


def _pdf(text: str, facts: Facts, files: Sequence[Embedded]) -> bytes:
    """WeasyPrint's rendering, with every time in it that of the facts. Raises RefusedAddress."""
    made = datetime.fromisoformat(facts.made["at"])
    own_files = OwnFiles()
    attachments = [
        Attachment(
            string=one.data,
            name=one.name,
            description=one.description,
            relationship=one.relationship,
            created=made,
            modified=made,
            url_fetcher=own_files,
        )
        for one in sorted(files, key=lambda one: one.name)  # a name tree must be sorted
    ]
    with _clock_stopped(made):
        data = HTML(string=text, base_url=STATIC.as_uri() + "/", url_fetcher=own_files).write_pdf(
            font_config=FontConfiguration(),
            attachments=attachments,
            pdf_variant="pdf/a-3a",
            pdf_tags=True,
            pdf_identifier=hashlib.sha256(text.encode()).hexdigest()[:32].encode(),
        )
    own_files.require_none_refused()
    return data


class OwnFiles(URLFetcher):
    """The product's own style sheets and fonts; every other address is refused, and the printing with it."""

    def __init__(self) -> None:
        super().__init__(allowed_protocols=("file",), allow_redirects=False)
        self._refused: list[str] = []

    def fetch(self, url: str, headers: dict[str, str] | None = None) -> URLFetcherResponse:
        path = Path(unquote(urlsplit(url).path)).resolve()
        if (
            not url.startswith("file:///")
            or path.parent not in (STATIC / "css", STATIC / "fonts")
            or not path.is_file()
        ):
            self._refused.append(url)
            raise RefusedAddress(f"{url!r} is no part of a dossier")
        if path.suffix == ".css":
            return URLFetcherResponse(url, path.read_bytes(), {"Content-Type": "text/css"})
        return URLFetcherResponse(url, _unpacked(path), {"Content-Type": "font/ttf"})

    def require_none_refused(self) -> None:
        if self._refused:
            raise RefusedAddress(f"the document asked for {', '.join(self._refused[:3])}")


@cache
def _unpacked(font: Path) -> bytes:
    """A WOFF2 font as the bytes that WeasyPrint would unpack for each document anew, a tenth of all its time."""
    out = io.BytesIO()
    with font.open("rb") as packed:
        woff2.decompress(packed, out)
    return out.getvalue()


@contextmanager
def _clock_stopped(at: datetime) -> Iterator[None]:
    """Font subsets carry a time: that of the facts, so that the same facts give the same bytes."""
    before = os.environ.get("SOURCE_DATE_EPOCH")
    os.environ["SOURCE_DATE_EPOCH"] = str(int(at.timestamp()))
    try:
        yield
    finally:
        if before is None:
            del os.environ["SOURCE_DATE_EPOCH"]
        else:
            os.environ["SOURCE_DATE_EPOCH"] = before
