"""What else changes with the champion: whose decision, which scores, and what the answers rest on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reports.charts import marks, svg, words
from reports.charts.explanations import OUTPUTS
from reports.charts.figure import Column, Figure, KeyEntry, Table, table_of
from reports.charts.forest import ticks
from reports.charts.scale import Scale, spanning
from reports.charts.svg import Markup, axis_line, box, chart, grid_line, horizontal, join, text
from reports.charts.verdicts import Verdict
from reports.charts.words import ENGLISH, estimate, figure, require_language, signed

Content = Mapping[str, Any]
Row = Mapping[str, Any]
Cells = tuple[str | Verdict, ...]

MOST = 16
_BY_CHANCE = 0.05
_SIDES = (("only_candidate", "now favoured"), ("only_champion", "no longer"))


# ---------- decisions ----------


def decisions_sentence(content: Content) -> str:
    """How many people get another decision, which way, how they turned out, and where most do; empty where nobody counted."""
    rows = content.get("decisions_changed")
    if not rows:
        return ""
    everybody, groups = rows[0], rows[1:]
    gained, lost, n = everybody["only_candidate"], everybody["only_champion"], everybody["n"]
    if not gained + lost:
        return f"None of {words.plural(n, 'person', 'people')} gets another decision than from the champion."
    verb = "gets" if gained + lost == 1 else "get"
    told = [
        f"{words.count(gained + lost)} of {words.plural(n, 'person', 'people')} ({words.share((gained + lost) / n)}) {verb} "
        f"another decision: {words.count(gained)} now favoured, {words.count(lost)} no longer; {_balance(everybody)}.",
        _turned_out(everybody),
        _most_changed(groups),
        _one_sided(groups),
    ]
    return " ".join(one for one in told if one)


def _balance(row: Row) -> str:
    chance = "can be chance" if row["p_value"] >= _BY_CHANCE else "is hardly chance"
    return f"the balance of the two {chance} (p {words.p_value(row['p_value'])})"


def _turned_out(row: Row) -> str:
    said = []
    for key, name in _SIDES:
        outcomes = row.get(f"{key}_outcomes")
        if not outcomes or not row[key]:
            continue
        unknown = f", unknown for {words.count(outcomes['unknown'])}" if outcomes["unknown"] else ""
        said.append(
            f"of the {words.count(row[key])} {name} the outcome was favourable for {words.count(outcomes['favourable'])} and "
            f"unfavourable for {words.count(outcomes['unfavourable'])}{unknown}"
        )
    return f"{words.sentence_case('; '.join(said))}." if said else ""


def _most_changed(groups: Sequence[Row]) -> str:
    most = max(groups, key=lambda row: estimate(row["changed"])[0] or 0, default=None)
    if most is None or not _moved(most):
        return ""
    return (
        f"Most change in the group {words.group_name(most['group'])}: {words.count(_moved(most))} of {words.count(most['n'])} "
        f"({words.share(_moved(most) / most['n'])}), {words.count(most['only_candidate'])} now favoured and "
        f"{words.count(most['only_champion'])} no longer."
    )


def _one_sided(groups: Sequence[Row]) -> str:
    """Groups in which more lose than gain, beyond chance; they are what a reviewer must not overlook."""
    losing = [row for row in groups if row["p_value_holm"] < _BY_CHANCE and row["only_champion"] > row["only_candidate"]]
    if not losing:
        return ""
    named = "; ".join(words.group_name(row["group"]) for row in losing[:3])
    more = f"; {len(losing) - 3} more" if len(losing) > 3 else ""
    return f"More lose than gain, hardly by chance, in {words.plural(len(losing), 'group', 'groups')}: {named}{more}."


def _moved(row: Row) -> int:
    return int(row["only_candidate"] + row["only_champion"])


def decisions_table(content: Content, *, language: str = ENGLISH) -> Table:
    """Everybody and every group that is large enough: who changes decision, and which way."""
    require_language(language)
    rows: list[Cells] = []
    for one in content.get("decisions_changed") or ():
        value, low, high = estimate(one["changed"])
        shown = f" ({told})" if (told := words.interval(low, high)) else ""
        counts = (one[key] for key in ("only_candidate", "only_champion", "both", "neither"))
        rows.append(
            (
                _who(one), words.count(one["n"]), f"{figure(value)}{shown}", *(words.count(count) for count in counts),
                f"{words.p_value(one['p_value'])} / {words.p_value(one['p_value_holm'])}",
            )
        )  # fmt: skip
    columns = (
        Column("Group", numeric=False), Column("n"), Column("Share that changes (95 %)"), Column("Now favoured"),
        Column("No longer"), Column("By both"), Column("Neither"), Column("p / Holm"),
    )  # fmt: skip
    caption = (
        "Who gets another decision than from the champion, whom both favour and whom neither; p: McNemar’s exact test of the "
        "balance of changes, then held against the other groups of the feature (Holm)"
    )
    return table_of(columns, rows, caption=caption, what="groups")


def outcomes_table(content: Content, *, language: str = ENGLISH) -> Table:
    """How those turned out whose decision changes; without rows where no outcome is known."""
    require_language(language)
    rows: list[Cells] = [
        (_who(one), words.sentence_case(name), words.count(one[key]), *(words.count(one[f"{key}_outcomes"][what])
         for what in ("favourable", "unfavourable", "unknown")))
        for one in content.get("decisions_changed") or ()
        for key, name in _SIDES
        if one.get(f"{key}_outcomes") and one[key]
    ]  # fmt: skip
    columns = (
        Column("Group", numeric=False), Column("Decision", numeric=False), Column("n"), Column("Outcome favourable"),
        Column("Unfavourable"), Column("Unknown"),
    )  # fmt: skip
    return table_of(columns, rows, caption="How those turned out whose decision changes", what="rows")


def _who(row: Row) -> str:
    return words.group_name(row["group"]) if row["group"] else "Everybody"


# ---------- scores ----------


def score_migration(content: Content, *, language: str = ENGLISH) -> Figure | None:
    """The champion's score bands against the candidate's, as shares of each of the champion's; None where not computed."""
    require_language(language)
    found = content.get("score_migration")
    if not found:
        return None
    sentence = _migration_sentence(found)
    return Figure(
        key="score-migration",
        title="Where scores go",
        subtitle=f"{found['score']}; rows: the champion’s band, columns: this version’s; per cent of the row",
        sentence=sentence,
        svg=_migration_chart(found, sentence),
        table=migration_table(content),
        alt=sentence,
        further=_migration_further(found),
        legend=(
            KeyEntry("same band (bold)", marks.swatch("a")),
            KeyEntry("another band; the darker, the larger the share", marks.swatch("b")),
            KeyEntry("empty: no rows"),
        ),
    )


def _migration_sentence(found: Row) -> str:
    value, low, high = estimate(found["moved"])
    n, left = found["n"], found["higher"] + found["lower"]
    if not left:
        return f"All {words.plural(n, 'score stays', 'scores stay')} in the champion’s band."
    verb = "moves" if left == 1 else "move"
    return (
        f"{words.count(left)} of {words.plural(n, 'score', 'scores')} ({words.share(value)}; 95 % interval {words.share(low)} "
        f"to {words.share(high)}) {verb} by a band or more: "
        f"{words.count(found['higher'])} higher, {words.count(found['lower'])} lower."
    )


def _migration_further(found: Row) -> tuple[str, ...]:
    mean, low, high = estimate(found["mean_change"])
    interval = f" ({ends})" if (ends := words.interval(low, high)) else ""
    changes = {one["share"]: one["change"] for one in found["quantiles"]}
    told = [
        f"Population stability index of this version’s scores against the champion’s: {figure(found['psi'])}; by custom below "
        "0.1 is little and above 0.25 much.",
        f"Mean change of a score: {signed(mean)}{interval}; nine in ten change by {signed(changes[0.05])} to "
        f"{signed(changes[0.95])}, half of them by {signed(changes[0.25])} to {signed(changes[0.75])}.",
    ]
    if found["rank_correlation"] is not None:
        told.append(f"Rank correlation of both scores (Spearman): {figure(found['rank_correlation'])}; 1 is the same order.")
    return tuple(told)


def band_name(band: Row) -> str:
    """`0.1–0.2`; `below 120`, `from 480` at the open ends."""
    low, high = band["low"], band["high"]
    if low is None and high is None:
        return "all"
    if low is None:
        return f"below {_edge(high)}"
    return f"from {_edge(low)}" if high is None else f"{_edge(low)}{' to ' if low < 0 else '–'}{_edge(high)}"


def _edge(value: float) -> str:
    """Tenths as they are, other edges as figures."""
    return f"{value:.1f}" if 0 <= value <= 1 and round(value, 1) == value else figure(value)


def _migration_chart(found: Row, sentence: str) -> Markup:
    """A grid of cells, darker the larger the share of their row; each cell says that share, the diagonal in bold."""
    names, counts = [band_name(band) for band in found["bands"]], found["counts"]
    size, left, right, top = 30, 19.0, 90.0, 48.0
    begins = [_edge(band["low"]) if band["low"] is not None else "lowest" for band in found["bands"]]
    long = max(map(len, begins)) > 4
    step = (right - left) / len(counts)
    parts = [
        text(left, 12, "this version’s band begins at", css="dim"),
        text(100, 42, "rows", css="dim", anchor="end"),
        *[text(left + step * at, 28 if long and at % 2 else 42, shown) for at, shown in enumerate(begins)],
    ]
    for line, row in enumerate(counts):
        y, total = top + size * line, sum(row)
        parts.append(text(left - 1.5, y + 19, svg.lines(names[line], 18, most=1)[0], css="lab", anchor="end"))
        parts.append(text(100, y + 19, words.count(total), css="lab", anchor="end"))
        for index, value in enumerate(row):
            parts.append(_cell(left + step * index, y, step, size, value / total if total else 0.0, same=index == line))
    height = top + size * len(counts) + 4
    about = f"{sentence} All counts are in the table."
    return chart("score-migration", height, *parts, title="The champion’s score bands against this version’s", description=about)


def _cell(x: float, y: float, step: float, size: float, share: float, *, same: bool) -> Markup:
    css, fill = ("bar-a", svg.FIRST) if same else ("bar-b", svg.SECOND)
    drawn = box(x, y + 1, step * 0.97, size - 2, css=css, fill=fill, opacity=0.06 + 0.3 * share)
    if not share:
        return drawn
    shown = text(x + step * 0.485, y + 19, _hundredths(share), css="val" if same else "lab", anchor="middle")
    return join([drawn, shown])


def _hundredths(share: float) -> str:
    return "<1" if share < 0.005 else f"{100 * share:.0f}"


def migration_table(content: Content) -> Table:
    """The counts behind the drawing."""
    found = content["score_migration"]
    names = [band_name(band) for band in found["bands"]]
    rows: list[Cells] = []
    for line, (name, row) in enumerate(zip(names, found["counts"], strict=True)):
        total = sum(row)
        away = words.share((total - row[line]) / total) if total else words.NOTHING
        rows.append((name, *(words.count(value) for value in row), words.count(total), away))
    columns = (
        Column("Champion’s band", numeric=False), *(Column(name) for name in names), Column("All"), Column("Move"),
    )  # fmt: skip
    caption = "Rows by the champion’s score band (down) and this version’s (across)"
    return table_of(columns, rows, caption=caption, what="bands")


# ---------- importance ----------


def importance_changes(content: Content, *, language: str = ENGLISH) -> Figure | None:
    """What both versions rest on, as shares of all contributions on the same rows; None where not computed."""
    require_language(language)
    found = content.get("importance_changes")
    if not found:
        return None
    columns, sentence = found["columns"], _importance_sentence(found)
    known = [one for one in columns if one["candidate_share"] is not None or one["champion_share"] is not None]
    left = len(known) - MOST
    more = (f"Drawn are the first {MOST} of {len(known)} columns.",) if left > 0 else ()
    return Figure(
        key="importance-changes",
        title="What the answers rest on",
        subtitle="share of all mean absolute contributions (SHAP), both versions on the same rows",
        sentence=sentence,
        svg=_importance_chart(known[:MOST], sentence) if known else Markup(""),
        table=importance_changes_table(content),
        alt=sentence,
        further=(*_importance_further(found), *more),
        legend=(KeyEntry("this version", marks.swatch("dot")), KeyEntry("champion", marks.swatch("square"))) if known else (),
    )


def _importance_sentence(found: Row) -> str:
    both = [one for one in found["columns"] if one["share_change"] is not None]
    new = [one for one in found["columns"] if one["champion_rank"] is None]
    gone = [one for one in found["columns"] if one["candidate_rank"] is None]
    told = []
    if new:
        told.append(f"New: {_with_shares(new, 'candidate')}.")
    if gone:
        told.append(f"No longer used: {_with_shares(gone, 'champion')}.")
    moved = max(both, key=lambda one: abs(one["share_change"]), default=None)
    if moved is not None and moved["share_change"]:
        told.append(
            f"The weight of {moved['name']} changes most: now number {moved['candidate_rank']} with "
            f"{words.share(moved['candidate_share'])} of all contributions, was number {moved['champion_rank']} with "
            f"{words.share(moved['champion_share'])}."
        )
    if told or both:
        return " ".join(told) or "Every column weighs as much as in the champion."
    return "Neither version’s answers rest on any column: they are the same for every row explained."


def _with_shares(columns: Sequence[Row], whose: str, most: int = 3) -> str:
    shown = [f"{one['name']} (number {one[f'{whose}_rank']}, {words.share(one[f'{whose}_share'])})" for one in columns[:most]]
    return ", ".join(shown) + (f" and {len(columns) - most} more" if len(columns) > most else "")


def _importance_further(found: Row) -> tuple[str, ...]:
    told = [
        f"Explained are {words.count(found['rows'])} rows, exactly, against {words.count(found['background_rows'])} rows of the "
        "same data."
    ]
    if found["rank_correlation"] is not None:
        told.append(
            f"Rank correlation over the columns of both (Spearman): {figure(found['rank_correlation'])}; 1 is the same order."
        )
    return (*told, "A contribution says what the model used, not what causes an outcome.")


_TOP, _ROW = 20, 42


def _importance_chart(shown: Sequence[Row], sentence: str) -> Markup:
    scale = spanning([one[f"{whose}_share"] for one in shown for whose in ("candidate", "champion")], at_least=(0, 0))
    bottom = _TOP + _ROW * len(shown)
    inner = scale.within(0.9, 99.1)
    parts = [grid_line(inner.at(tick), _TOP, bottom) for tick in inner.ticks()]
    parts.append(text(100, 12, "rank", css="dim", anchor="end"))
    parts += [_importance_row(one, inner, _TOP + _ROW * index) for index, one in enumerate(shown)]
    parts += [axis_line(bottom), ticks(inner, bottom + 17)]
    title, about = "Share of all contributions, this version and the champion", f"{sentence} All figures are in the table."
    return chart("importance-changes", bottom + 28, *parts, title=title, description=about)


def _importance_row(one: Row, scale: Scale, top: float) -> Markup:
    now, before = one["candidate_share"], one["champion_share"]
    parts = [
        text(0, top + 16, svg.lines(str(one["name"]), 40, most=1)[0], css="lab", shift=6),
        text(99, top + 16, _ranks(one), css="val", anchor="end"),
    ]
    middle = top + 30
    if now is not None and before is not None:
        parts.append(horizontal(scale.at(min(now, before)), scale.at(max(now, before)), middle, css="whisk", stroke=svg.INK))
    if before is not None:
        parts.append(marks.square(scale.at(before), middle))
    if now is not None:
        parts.append(marks.point(scale.at(now), middle, None))
    return join(parts)


def _ranks(one: Row) -> str:
    now, before = one["candidate_rank"], one["champion_rank"]
    if now is None:
        return f"gone, was {before}"
    return f"{now}, new" if before is None else f"{now}, was {before}" if now != before else f"{now}"


def importance_changes_table(content: Content) -> Table:
    """Every column of either version, as this one ranks them."""
    found = content["importance_changes"]
    units = [OUTPUTS.get(found[f"{whose}_output"], found[f"{whose}_output"]) for whose in ("candidate", "champion")]
    rows: list[Cells] = [
        (
            str(one["name"]), _rank(one["candidate_rank"]), _rank(one["champion_rank"]), words.share(one["candidate_share"]),
            words.share(one["champion_share"]), _points(one["share_change"]),
            figure(one["candidate_mean_abs_shap"]), figure(one["champion_mean_abs_shap"]),
        )
        for one in found["columns"]
    ]  # fmt: skip
    columns = (
        Column("Column", numeric=False), Column("Rank"), Column("Champion’s rank"), Column("Share"), Column("Champion’s share"),
        Column("Change, points"), Column(f"Mean |SHAP|, {units[0]}"), Column(f"Champion’s, {units[1]}"),
    )  # fmt: skip
    return table_of(columns, rows, caption="Mean absolute contributions of both versions on the same rows", what="columns")


def _rank(value: int | None) -> str:
    return words.NOTHING if value is None else str(value)


def _points(change: float | None) -> str:
    """Percentage points."""
    if change is None:
        return words.NOTHING
    shown = f"{100 * change:+.1f}".replace("-", "−")
    return "0.0" if shown in ("+0.0", "−0.0") else shown
