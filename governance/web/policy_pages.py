"""The policies, as people read them."""

from __future__ import annotations

import json
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from governance.accounts.roles import TITLES, Role
from governance.policy.language import StageRule, tier_rules
from governance.policy.models import PolicyVersion
from governance.registry.models import TIERS
from governance.web.base import PersonView
from governance.web.pages import Crumb, Fact, PoliciesPage, PolicyPage, PolicyRow, PolicyStage, PolicyTier
from reports.charts import expected_limit
from reports.charts.figure import Column, Table


class Policies(PersonView):
    def get(self, request: HttpRequest) -> HttpResponse:
        rows = PolicyVersion.objects.order_by("name", "-version")
        return self.page("web/policies.html", PoliciesPage(tuple(_row(one) for one in rows)))


def _row(one: PolicyVersion) -> PolicyRow:
    stages = {tier: len(tier_rules(one.rules, tier).stages) for tier in TIERS}
    return PolicyRow(
        name=one.rules["title"],
        href=reverse("policy", args=[one.name, one.version]),
        version=one.version,
        tiers=", ".join(TIERS),
        stages=", ".join(f"{tier}: {count}" for tier, count in stages.items()),
        candidates=one.pins.values("candidate").distinct().count(),
        origin=one.origin,
        digest=one.digest,
    )


class OnePolicy(PersonView):
    def get(self, request: HttpRequest, name: str, version: int) -> HttpResponse:
        one = PolicyVersion.objects.filter(name=name, version=version).first()
        if one is None:
            raise Http404("There is no such policy version.")
        page = PolicyPage(
            name=one.rules["title"],
            version=one.version,
            crumbs=(Crumb("Policies", reverse("policies")), Crumb(f"{one.rules['title']} {one.version}")),
            lead=one.rules["summary"],
            facts=(
                Fact("Applies to", one.rules["applies_to"]),
                Fact("Origin", one.origin),
                Fact("Smallest group judged", str(one.rules["limits"]["minimum_group_size"])),
                Fact("Selection ratio", f"at least {one.rules['limits']['rate_ratio_minimum']}"),
                Fact("A pass of it needs", expected_limit(one.rules["limits"]) or "no number of expected people"),
            ),
            tiers=tuple(_tier(one, tier) for tier in TIERS),
            document=json.dumps(one.rules, indent=1, ensure_ascii=False),
            digest=one.digest,
        )
        return self.page("web/policy.html", page)


def _tier(one: PolicyVersion, tier: str) -> PolicyTier:
    rules = tier_rules(one.rules, tier)
    return PolicyTier(
        name=tier.capitalize(),
        stages=tuple(PolicyStage(stage.title, _seats(stage)) for stage in rules.stages),
        checks=Table(
            columns=(*(Column(name, numeric=False) for name in ("Check", "Limit", "Severity", "Blocks")),),
            rows=tuple(
                (rule["title"], _limit(rule, one.rules), rule["severity"], "yes" if rule["blocks"] else "no")
                for rule in rules.checks
            ),
            caption=f"Checks of tier {tier}",
        ),
        sentences=(
            f"An approval covers {' and '.join(rules.environments)} for {rules.valid_days} days.",
            f"A version is superseded once more than {rules.keep_approved} newer ones were deployed after it.",
            "Nobody signs before a validator has challenged it with data of his own."
            if rules.challenge_required
            else "A validator may challenge it with data of his own.",
        ),
    )


def _seats(stage: StageRule) -> tuple[str, ...]:
    return tuple(f"{seat.count} × {TITLES[Role(seat.role)]}" for seat in stage.seats)


def _limit(rule: dict[str, Any], policy: dict[str, Any]) -> str:
    if rule["measure"] == "verdicts":
        return f"≥ {policy['limits']['rate_ratio_minimum']}"
    if rule["measure"] == "not-worse":
        return "not worse, by the paired interval"
    if rule["measure"] == "rate-ratio-fall":
        return f"falls by at most {rule['maximum']}"
    bounds = [f"≥ {rule['minimum']}" if "minimum" in rule else "", f"≤ {rule['maximum']}" if "maximum" in rule else ""]
    return " and ".join(bound for bound in bounds if bound) or "must hold"
