"""The printed dossier: every section is there, nothing is fetched, hostile names stay text, equal facts give equal bytes."""

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
import time

import pikepdf
import pytest

from reports.documents.build import fairness
from reports.dossier.attachments import FORMULA, embedded_files, table
from reports.dossier.document import OwnFiles, RefusedAddress, html, printed
from reports.dossier.facts import Facts, UnknownDossier
from reports.dossier.html import tag
from reports.dossier.parts import all_parts
from tests.charts import documents as made
from tests.charts.documents import change, robust, segment, segments
from tests.dossier.cases import (
    HOSTILE,
    attachments_of,
    canonical,
    check,
    digest_of,
    evidence,
    facts,
    pages_of,
    pdf_of,
    silent,
    text_of,
)
from tests.measures.test_employment import HIRING, applicants
from tests.measures.test_fairness import BINARY, LIMITS, people

NUMBERS = [*map(str, range(12)), "11L", *map(str, range(12, 27))]


@pytest.fixture(scope="module")
def approved() -> bytes:
    return pdf_of(facts())


@pytest.fixture(scope="module")
def printing() -> tuple[bytes, list[tuple[float, str]]]:
    """What is printed in review, and what was reported meanwhile."""
    told: list[tuple[float, str]] = []
    return printed(facts(final=False), lambda share, note: told.append((share, note))).read(), told


@pytest.fixture(scope="module")
def in_review(printing) -> bytes:
    return printing[0]


def test_every_section_is_there_with_its_number_and_title(approved):
    parts = all_parts(())
    assert [part.number for part in parts] == NUMBERS
    text = text_of(approved)
    for part in parts:
        assert f"{part.number} {part.title} {part.source}. Answers: {part.answers}." in text


def test_a_section_stays_when_there_is_nothing_in_it():
    empty = facts(final=False)
    empty |= {"evidence": [], "checks": [], "findings": [], "files": [], "interpretations": []}
    empty["audit"] = {"all": 0, "events": []}
    empty["policy"]["tier_confirmed"] = None
    empty["record"] |= dict.fromkeys(("purpose", "team", "origin"), "") | {"owner": None, "developers": [], "uses": []}
    text = text_of(pdf_of(empty))
    for part in all_parts(()):
        assert f"{part.number} {part.title} {part.source}" in text
    for said in ("Fairness: no such evidence is on record.", "Purpose MISSING.", "Confirmation MISSING."):
        assert said in text


def test_the_cover_answers_the_questions_of_a_board(approved):
    cover = " ".join(pages_of(approved)[0].split())
    for said in (
        "Consumer credit, version 4",
        "FINAL",
        "Approved with conditions",
        "Mirela Popa",
        "7 Jan 2026, 14:02",
        "C-1: Loans up to 10,000 only. Due 31 Mar 2026.",
        "Selection ratio, age young",
        "0.781",
        "0.640–0.960",
        "≥ 0.80",
        "F-1, answered",
        "Not certain",
        "Groups by anything but sex and age_group.",
        "to the end of 20 Jan 2027 UTC",
        digest_of("model"),
        "To verify:",
    ):
        assert said in cover


def test_a_draft_says_so_on_every_page(in_review, approved):
    assert all("DRAFT" in page for page in pages_of(in_review))
    assert not any("DRAFT" in page for page in pages_of(approved))


@pytest.mark.parametrize(
    ("state", "said"),
    [("suspended", "Approved, now suspended"), ("revoked", "Approval revoked"), ("expired", "Approval expired")],
)
def test_what_became_of_an_approval_is_the_first_thing_said(state, said):
    document = facts()
    document["decision"]["approval"]["state"] = state
    assert said in html(Facts(document), ())


def test_checks_that_failed_come_first_and_are_never_left_out_of_the_summary():
    document = facts()
    document["checks"] += [check(f"many[{n}]", f"Check number {n}", "pass") for n in range(200)]
    read = Facts(document)
    assert [one.verdict.word for one in read.checks[:3]] == ["Outside", "Review", "Not applicable"]
    assert "164 more rows are in the attached checks.csv" in html(read, ())


def test_equal_facts_give_equal_bytes_in_another_process(approved):
    program = "import hashlib; from tests.dossier.cases import facts, pdf_of; print(hashlib.sha256(pdf_of(facts())).hexdigest())"
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Pacific/Auckland"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout.split()[-1] == hashlib.sha256(approved).hexdigest()


def test_the_file_opens_is_tagged_and_declares_its_form(approved):
    with pikepdf.open(io.BytesIO(approved)) as pdf:
        assert pdf.check_pdf_syntax() == []
        assert pdf.Root.MarkInfo.Marked is pikepdf.Boolean(True) or bool(pdf.Root.MarkInfo.Marked)
        assert str(pdf.Root.Lang) == "en"
        with pdf.open_metadata() as metadata:
            assert (metadata["pdfaid:part"], metadata["pdfaid:conformance"]) == ("3", "A")
        relationships = {str(one.AFRelationship) for one in pdf.Root.AF}
        assert relationships == {"/Data", "/Source"}
        fonts = [
            one for one in pdf.objects if isinstance(one, pikepdf.Dictionary) and one.get("/Type") == "/FontDescriptor"
        ]
        assert fonts
        assert all(any(key in one for key in ("/FontFile", "/FontFile2", "/FontFile3")) for one in fonts)


def test_evidence_and_receipts_are_embedded_as_they_were_digested(approved):
    files, document = attachments_of(approved), facts()
    for one in document["evidence"]:
        assert digest_of(files[f"evidence-{one['kind']}.json"].decode()) == one["digest"]
        assert digest_of(files[f"provenance-{one['kind']}.json"].decode()) == one["provenance_digest"]
    assert digest_of(files["signature-1.json"].decode()) == document["decision"]["signatures"][0]["digest"]
    assert digest_of(files["manifest.json"].decode()) == document["identity"]["manifest_digest"]
    assert json.loads(files["facts.json"]) == document
    squeezed = text_of(approved).replace(" ", "")
    for name, data in files.items():
        assert name in squeezed
        if name != "facts.json":
            assert hashlib.sha256(data).hexdigest() in squeezed


def test_hostile_names_stay_text():
    document = facts()
    for at, name in enumerate(HOSTILE):
        document["decision"]["signatures"].append(
            {**document["decision"]["signatures"][0], "printed_name": name, "reason": name}
        )
        document["findings"].append({**document["findings"][0], "label": f"F-{at + 2}", "title": name, "detail": name})
        document["checks"].append(check(f"data.psi[{at}]", name, "fail"))
    document["record"] |= {"name": HOSTILE[0], "purpose": HOSTILE[3], "owner": HOSTILE[2], "developers": list(HOSTILE)}
    written = html(Facts(document), ())
    assert "<script" not in written
    assert "<img" not in written
    assert "<style" not in written
    assert "\u202e" not in written
    assert (
        tag("p", HOSTILE[0])
        == "<p>&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=&quot;file:///etc/passwd&quot;&gt;</p>"
    )
    data = pdf_of(document)
    with pikepdf.open(io.BytesIO(data)) as pdf:
        assert pdf.check_pdf_syntax() == []
        actions = [one for one in pdf.objects if isinstance(one, pikepdf.Dictionary) and "/URI" in one]
        assert actions == []


def test_text_that_looks_like_a_formula_is_made_text():
    rows = [{"name": name, "value": {"value": -0.5, "low": -1, "high": None}, "group": {"a": "=1"}} for name in HOSTILE]
    rows += [{"name": f"{start}cmd|' /C calc'!A0"} for start in FORMULA] + [{"name": "  =1+1"}]
    read = list(csv.reader(io.StringIO(table(rows).decode())))
    assert read[0] == ["name", "value", "value_low", "value_high", "group"]
    assert read[1][1:4] == ["-0.5", "-1", ""]
    for row in read[1:]:
        assert not row[0].lstrip(" ").startswith(FORMULA)


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd", "https://example.invalid/x.css", "http://127.0.0.1/", "data:text/css,*{}", "//evil/x",
        "ftp://127.0.0.1/a.css",
    ],
)  # fmt: skip
def test_nothing_is_fetched_but_the_products_own_style_and_fonts(address):
    fetcher = OwnFiles()
    with pytest.raises(RefusedAddress, match="no part of a dossier"):
        fetcher.fetch(address)
    with pytest.raises(RefusedAddress):
        fetcher.require_none_refused()


def test_a_path_that_climbs_out_of_the_static_folder_is_refused():
    from reports.dossier.document import STATIC

    with pytest.raises(RefusedAddress):
        OwnFiles().fetch(f"{STATIC.as_uri()}/css/../../pyproject.toml")
    assert OwnFiles().fetch(f"{STATIC.as_uri()}/css/dossier.css").read()


def test_elements_escape_by_themselves():
    assert tag("p", "<b>", None, tag("i", "&"), title='"') == '<p title="&quot;">&lt;b&gt;<i>&amp;</i></p>'


def test_facts_of_another_schema_are_refused():
    with pytest.raises(UnknownDossier, match="dossier/1"):
        Facts({**facts(), "schema": "dossier/2"})


@pytest.mark.parametrize("task", ["regression", "multiclass-classification"])
def test_other_tasks_print_their_own_figures(task):
    document = facts()
    manifest = {"schema": "candidate/1", "task": task, "sensitive_features": ["sex"], "summary": "", "target": "y"}
    manifest |= (
        {"favourable_outcome": "low"} if task == "regression" else {"favourable_outcome": ["a"], "classes": ["a", "b"]}
    )
    document["manifest"] = canonical(manifest)
    contents = REGRESSION if task == "regression" else MULTICLASS
    for one in document["evidence"]:
        if one["kind"] in contents:
            one["content"] = canonical(contents[one["kind"]])
    written = html(Facts(document), ())
    assert ("Lift" if task == "regression" else "Macro F1") in written
    assert ("Ratio of predictions" if task == "regression" else "Selection ratio") in written


def test_a_ratio_that_few_expected_people_keep_from_passing_is_printed_with_the_policys_limit():
    document = facts()
    document["policy"]["limits"]["minimum_expected_count"] = 5
    table, scores = people(("a", 97, 3), ("b", 396, 4))
    manifest = {**BINARY, "reference_groups": {"group": "b"}}
    limited = fairness(manifest, table, scores, limits=document["policy"]["limits"], seed=1)
    for one in document["evidence"]:
        if one["kind"] == "fairness":
            one["content"] = canonical(limited.content)
    written = html(Facts(document), ())
    for said in (
        "A pass needs at least 5 selected and 5 refused people expected in either group, if both had the same rate.",
        "For 1 group too few of the selected, or of the refused, would be expected to call it a pass.",
        "fewer than 5 of the selected, or of the refused, would be expected in group a or in the reference group",
        "too few people on one side, or too few selected or refused, to judge; never a pass",
    ):
        assert said in written
    assert "A pass needs" not in html(Facts(facts()), ())


def test_an_employment_law_has_its_annex_and_alternatives_are_printed():
    document = facts()
    table, scores = applicants(("m", "a", 90, 180), ("f", "a", 72, 180))
    alternatives = [{"alternative": "Without postcode", "result": "Ratio 0.91", "why_not_chosen": "Ranks worse."}]
    document["manifest"] = canonical({**HIRING, "schema": "candidate/1", "summary": "s", "alternatives": alternatives})
    for one in document["evidence"]:
        if one["kind"] == "fairness":
            one["content"] = canonical(fairness(HIRING, table, scores, limits=LIMITS, seed=1).content)
    text = " ".join(text_of(data := pdf_of(document)).split())
    for said in ("New York City Local Law 144 of 2021", "strictly above", "Without postcode", "Ranks worse."):
        assert said in text
    written = attachments_of(data)
    assert b"selection_impact_ratio" in written["fairness-employment.csv"]
    assert "fairness-score-quantiles.csv" in written


def test_what_changes_with_the_champion_is_printed_and_attached():
    counts = [[40 * (row == column) + (column == row + 1) for column in range(10)] for row in range(10)]
    content = made.comparison(made.delta("roc_auc", -0.3, worse=True)) | {
        "decisions_changed": [made.decided(400, 21, 17), made.decided(100, 3, 2, {"sex": HOSTILE[0]})],
        "score_migration": made.migrated(counts),
        "importance_changes": made.weighed(("age", 1, 0.7, 2, 0.4), (HOSTILE[4], 2, 0.3, None, None)),
    }
    document = with_comparison(content)
    text, files = text_of(data := pdf_of(document)), attachments_of(data)
    for said in (
        "38 of 400 people (9.5 %) get another decision: 21 now favoured, 17 no longer", "How those turned out",
        "9 of 409 scores (2.2 %; 95 % interval 1.2 % to 3.2 %) move by a band or more", "Rows by the champion’s score band",
        "The weight of age changes most: now number 1 with 70 %", "Champion’s rank",
    ):  # fmt: skip
        assert said in text
    decisions, scores, weights = (
        list(csv.DictReader(io.StringIO(files[f"comparison-{name}.csv"].decode())))
        for name in ("decisions-changed", "score-migration", "importance-changes")
    )
    assert [(one["n"], one["only_champion"], one["only_champion_favourable"], one["changed"]) for one in decisions] == [
        ("400", "17", "12", "0.095"), ("100", "2", "2", "0.05"),
    ]  # fmt: skip
    assert len(scores) == 100
    assert {(one["champion_from"], one["candidate_to"]): one["rows"] for one in scores}["0.1", "0.3"] == "1"
    assert [weights[0][name] for name in ("name", "candidate_rank", "champion_rank")] == ["age", "1", "2"]
    assert "<script" not in html(Facts(document), ())


def test_a_comparison_of_an_earlier_release_prints_without_the_newer_parts():
    written = html(Facts(with_comparison(made.comparison(made.delta("ks", 0.1)))), ())
    assert "Difference to the champion" in written
    assert "another decision" not in written
    assert "Where scores go" not in written
    assert "comparison-score-migration.csv" not in attachments_of(pdf_of(facts()))


def with_comparison(content):
    document = facts()
    for one in document["evidence"]:
        if one["kind"] == "comparison":
            one["content"] = canonical(content)
            one["digest"] = digest_of(one["content"])
    return document
def test_stability_and_changed_inputs_are_printed_and_attached():
    document = facts()
    added = {"performance": segments("levels", segment(HOSTILE[0], 0.6, "worse"), segment("=1+1", 0.8)),
             "admission": robust((HOSTILE[0], [change("missing", 0.25), change("lower", None, None, "refused")]))}  # fmt: skip
    for one in document["evidence"]:
        if one["kind"] in added:
            one["content"] = canonical(json.loads(one["content"]) | added[one["kind"]])
    written = html(Facts(document), ())
    assert "Stability along region" in written
    assert "A missing value in &lt;script&gt;" in written
    assert "<script" not in written
    attached = {one.name: one.data.decode() for one in embedded_files(Facts(document))}
    read = list(csv.DictReader(io.StringIO(attached["performance-segments.csv"])))
    assert [(one["level"], one["roc_auc"], one["roc_auc_verdict"]) for one in read] == [
        (HOSTILE[0], "0.6", "worse"), ("'=1+1", "0.8", "unclear"),
    ]  # fmt: skip
    assert [read[0][f"roc_auc_difference{end}"] for end in ("", "_low", "_high")] == ["-0.1", "-0.15000000000000002", "-0.05"]
    read = list(csv.DictReader(io.StringIO(attached["admission-robustness.csv"])))
    assert [(one["feature"], one["kind"], one["state"], one["decisions_changed"]) for one in read] == [
        (HOSTILE[0], "missing", "scored", "0.25"), (HOSTILE[0], "lower", "refused", ""),
    ]  # fmt: skip


def test_what_was_not_looked_along_or_changed_is_said():
    document = facts()
    written = html(Facts(document), ())
    assert "The submission declares no segments to look along." in written
    assert "No changed rows were scored" in written
    document["manifest"] = canonical(json.loads(document["manifest"]) | {"segments": ["region"]})
    assert "declares no segments" not in html(Facts(document), ())


@pytest.mark.slow
def test_a_thousand_groups_print_in_bounded_pages_and_time():
    document = facts()
    fairness = next(one for one in document["evidence"] if one["kind"] == "fairness")
    content = json.loads(fairness["content"])
    grouping = content["groupings"][0]
    row = next(one for one in grouping["groups"] if one["verdict"])
    grouping["groups"] += [{**row, "group": {"sex": f"group {n}"}} for n in range(1000)]
    fairness["content"] = canonical(content)
    document["checks"] += [
        check(f"fairness.rate_ratio[sex=group {n}]", f"Selection ratio, group {n}", "warn") for n in range(1000)
    ]
    began = time.process_time()
    data = pdf_of(document)
    assert time.process_time() - began < 60
    assert len(pages_of(data)) < 60
    assert len(attachments_of(data)["fairness-groups.csv"].splitlines()) > 1000


def test_it_reports_how_far_it_is(printing):
    told = printing[1]
    assert [share for share, _ in told] == sorted(share for share, _ in told)
    assert all(0 <= share <= 1 and note for share, note in told)
    silent(1.0, "")


def test_the_seed_documents_are_those_that_the_product_computes():
    assert evidence("fairness")["schema"] == "fairness/1"


ESTIMATE = {"value": 1.0, "low": 0.9, "high": 1.1}
REGRESSION = {
    "performance": {
        "n": 10, "rmse": ESTIMATE, "mae": ESTIMATE, "r2": ESTIMATE, "mean_deviance": None, "gini": 0.2,
        "actual_to_expected": 1.0, "limitations": [],
        "lift": [{"decile": n, "n": 1, "mean_prediction": n / 10, "mean_outcome": n / 9} for n in (1, 2)],
    },
    "fairness": {
        "limitations": [],
        "groupings": [{
            "features": ["sex"], "missing": 0,
            "groups": [{
                "group": {"sex": "f"}, "n": 5, "weight": 5.0, "mean_prediction": 1.0, "mean_outcome": 1.0,
                "mean_residual": 0.0, "actual_to_expected": 1.0, "prediction_ratio": 1.0,
                "standardized_mean_difference": 0.0, "rmse": 1.0, "mae": 1.0, "reference": {"sex": "f"}, "small_sample": True,
            }],
        }],
    },
}  # fmt: skip
MULTICLASS = {
    "performance": {
        "n": 4, "accuracy": ESTIMATE, "log_loss": None, "macro_f1": ESTIMATE, "confusion_matrix": [[1, 1], [0, 2]],
        "per_class": [{"class": "a", "n": 2, "precision": 1.0, "recall": 0.5, "f1": 0.6, "predicted": 1}], "limitations": [],
    }
}  # fmt: skip
