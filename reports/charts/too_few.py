"""Why a comparison of two groups bears `insufficient-data`, in words; `verdict` of reports/measures/fairness.py has the rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from reports.charts import words

Group = Mapping[str, Any]
Limits = Mapping[str, Any]


class TooFew(Enum):
    """In the order in which the rule asks; the last holds where none of the others does."""

    NO_REFERENCE = "no group is large enough to compare with"
    GROUP = "fewer than the {size} that the policy asks for"
    REFERENCE = "its reference group has fewer than the {size} that the policy asks for"
    NO_RATIO = "nobody of its reference group was selected, so that there is no ratio"
    EXPECTED = "fewer than {expected} of the {side} would be expected in one of the two groups; too few to call it a pass"


_COUNTED = {
    TooFew.NO_REFERENCE: "{groups} cannot be judged: no group is large enough to compare with; never a pass.",
    TooFew.GROUP: "{groups} {are} too small to judge: never a pass.",
    TooFew.REFERENCE: "{groups} {are} compared with one that is too small to judge by: never a pass.",
    TooFew.NO_RATIO: "{groups} {are} compared with one of which nobody was selected: never a pass.",
    TooFew.EXPECTED: "For {groups} too few of the selected, or of the refused, would be expected to call it a pass.",
}


def reference_of(group: Group, groups: Iterable[Group]) -> Group | None:
    """The row of the group that this one is held against; None where there is none."""
    named = group.get("reference")
    return next((other for other in groups if other["group"] == named), None) if named else None


def too_few(group: Group, reference: Group | None) -> TooFew:
    """The reason of a group that bears `insufficient-data`."""
    if reference is None:
        return TooFew.NO_REFERENCE
    if group["small_sample"]:
        return TooFew.GROUP
    if reference["small_sample"]:
        return TooFew.REFERENCE
    return TooFew.EXPECTED if reference["selected"] else TooFew.NO_RATIO


def too_few_words(group: Group, reference: Group | None, limits: Limits) -> str:
    """That reason as a part of a sentence, with the policy's limit."""
    return too_few(group, reference).value.format(
        size=limits["minimum_group_size"], expected=_least_expected(limits), side=_rarer(group, reference)
    )


def too_few_counted(reasons: Iterable[TooFew]) -> list[str]:
    """How many groups each reason holds for, a sentence each."""
    found = Counter(reasons)
    return [
        said.format(groups=words.plural(found[reason], "group", "groups"), are="is" if found[reason] == 1 else "are")
        for reason, said in _COUNTED.items()
        if found[reason]
    ]


def expected_limit(limits: Limits) -> str:
    """What a policy asks of the expected people for a pass; empty where it asks for nothing."""
    least = _least_expected(limits)
    return f"at least {least} selected and {least} refused people expected in either group" if least else ""


def _least_expected(limits: Limits) -> int:
    return int(limits.get("minimum_expected_count", 0))


def _rarer(group: Group, reference: Group | None) -> str:
    """Which of the two decisions fewer people of both groups have."""
    both = (group, reference or {"n": 0, "selected": 0})
    selected = sum(one["selected"] for one in both)
    return "selected" if 2 * selected < sum(one["n"] for one in both) else "refused"
