"""Documents as the evidence stores them, small and made up, to be spoilt one figure at a time."""

from __future__ import annotations

import copy
from typing import Any

HOSTILE = "</text><script>alert(1)</script>&\"'\x00\ud800"


def estimate(value: float | None, spread: float = 0.1) -> dict[str, float | None]:
    if value is None:
        return {"value": None, "low": None, "high": None}
    return {"value": value, "low": value - spread, "high": value + spread}


def group(name: str | None, *, n: int = 100, ratio: float | None = None, verdict: str | None = None) -> dict[str, Any]:
    rate = 0.8 * (ratio if ratio is not None else 1)
    return {
        "group": {"sex": name},
        "n": n,
        "selected": round(n * rate),
        "selection_rate": estimate(rate),
        "true_positive_rate": estimate(0.9),
        "false_positive_rate": estimate(0.3),
        "reference": {"sex": "male"},
        "rate_ratio": estimate(ratio),
        "p_value": 0.01 if ratio else None,
        "p_value_exact": 0.02 if ratio else None,
        "small_sample": n < 30,
        "verdict": verdict,
    }


def fairness(*groups: dict[str, Any]) -> dict[str, Any]:
    return {
        "groupings": [{"features": ["sex"], "missing": 0, "groups": [*groups, group("male", n=300)]}],
        "limitations": [],
    }


def regression_fairness() -> dict[str, Any]:
    rows = [("male", 1.0, 1.1), ("female", 0.7, 2.4), (None, None, None)]
    groups = [
        {
            "group": {"sex": name},
            "n": 50,
            "weight": 41.5,
            "mean_prediction": 0.01,
            "mean_outcome": 0.02,
            "prediction_ratio": ratio,
            "actual_to_expected": actual,
            "standardized_mean_difference": -0.1,
            "rmse": 0.2,
            "reference": {"sex": "male"},
            "small_sample": False,
        }
        for name, ratio, actual in rows
    ]
    return {"groupings": [{"features": ["sex"], "missing": 1, "groups": groups}], "limitations": []}


def performance() -> dict[str, Any]:
    bins = [
        {"low": i / 10, "high": (i + 1) / 10, "n": 40, "mean_score": i / 10 + 0.05, "observed_rate": i / 10 + 0.07}
        for i in range(10)
    ]
    return {
        "n": 400,
        "roc_auc": estimate(0.784, 0.04),
        "brier": estimate(0.173, 0.02),
        "calibration": bins,
        "confusion_matrix": {"tn": 240, "fp": 29, "fn": 71, "tp": 60},
        "limitations": [],
    }


def segment(
    level: str | None, value: float | None, verdict: str = "unclear", *, small: bool = False, low: float | None = None,
    high: float | None = None, missing: bool = False,
) -> dict[str, Any]:  # fmt: skip
    apart = {"difference": estimate(-0.1, 0.05), "p_value": 0.01, "p_value_holm": 0.02, "verdict": verdict}
    return {
        "level": level, "low": low, "high": high, "missing": missing, "n": 40, "share": 0.4, "small": small,
        "figures": {"shown": estimate(value)}, "differences": [{"figure": "shown", **apart}],
    }  # fmt: skip


def segments(kind: str, *levels: dict[str, Any], shown: str = "roc_auc", worst: int | None = None) -> dict[str, Any]:
    """Along one column; the lowest of those that are not small is the worst where none is named."""
    own = [copy.deepcopy(one) for one in levels]
    for one in own:
        one["figures"] = {shown: one["figures"]["shown"]}
        one["differences"][0]["figure"] = shown
    judged = [(one["figures"][shown]["value"], at) for at, one in enumerate(own) if not one["small"]]
    return {"segments": [{
        "column": "region", "kind": kind, "shown": shown, "rare_levels": 0, "rare_rows": 0, "overall": {shown: estimate(0.7)},
        "levels": own, "worst": min(judged)[1] if judged and worst is None else worst,
    }]}  # fmt: skip


def change(
    kind: str, share: float | None = None, mean: float | None = 0.01, state: str = "scored", invalid: int = 0
) -> dict[str, Any]:
    decided = None if share is None else {"value": share, "low": share / 2, "high": 2 * share}
    return {
        "kind": kind, "state": state, "invalid": invalid, "mean_change": mean, "largest_change": mean and 2 * mean,
        "decisions_changed": decided,
    }  # fmt: skip


def robust(*features: tuple[str, list[dict[str, Any]]], mean: float | None = 0.2, **nothing: Any) -> dict[str, Any]:
    found = [{"feature": name, "effects": effects} for name, effects in features]
    empty = {"state": "scored", "score": 0.31, "decision": "yes", **nothing}
    return {"robustness": {
        "rows": 500, "columns": len(found), "left_out": 0, "mean_score": mean, "features": found, "nothing": empty,
    }}  # fmt: skip


def regression() -> dict[str, Any]:
    tenths = [
        {"decile": i + 1, "n": 100, "mean_prediction": 0.1 * i, "mean_outcome": 0.1 * i + 0.05} for i in range(10)
    ]
    residuals = [
        {"decile": i + 1, "n": 100, "mean_prediction": 0.1 * i, "mean_residual": 0.05, "quantiles": [-i, -0.5, 0.0, 0.5, 2.0 * i]}
        for i in range(10)
    ]
    return {"n": 1000, "rmse": estimate(0.2), "lift": tenths, "residuals": residuals, "limitations": []}


def gains() -> dict[str, Any]:
    return {
        "gains": [
            {"decile": i, "n": 100, "mean_score": 1 - i / 11, "observed_rate": 0.2, "captured": min(1.0, i / 5), "lift": 1.5}
            for i in range(1, 11)
        ]
    }


def spread(*names: str | None) -> dict[str, Any]:
    told = [{"group": {"sex": name}, "n": 60, "quantiles": [0.1, 0.2, 0.3, 0.4, 0.5]} for name in names]
    return {"groupings": [{"features": ["sex"], "missing": 0, "groups": [], "score_quantiles": told}]}


def multiclass(classes: int = 4) -> dict[str, Any]:
    matrix = [[10 * (row == column) + column for column in range(classes)] for row in range(classes)]
    per_class = [{"class": f"c{i}", "n": 20, "precision": 0.5, "recall": None, "f1": 0.4} for i in range(classes)]
    return {"n": 100, "accuracy": estimate(0.45), "confusion_matrix": matrix, "per_class": per_class, "limitations": []}


def explainability(*names: str) -> dict[str, Any]:
    features = [
        {"name": name, "mean_abs_shap": 1 / (index + 1), "rank": index + 1, "rank_low": None, "rank_high": None}
        for index, name in enumerate(names or ("status", "age", "amount"))
    ]
    one = {
        "perturbation": "interventional",
        "output": "log-odds",
        "players": "encoded-columns",
        "method": "linear SHAP",
        "exact": True,
        "class": None,
        "base_value": -1.2,
        "background_rows": 100,
        "rows_explained": 400,
        "additivity_max_error": 2e-15,
        "standard_error_max": None,
        "features": features,
    }
    return {"explanations": [one], "group_gaps": None, "limitations": []}


def ranges(*means: float, missing: float | None = None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"n": 40, "mean": mean, "lower": mean - 0.2, "upper": mean + 0.2, "low": 10.0 * at, "high": 10.0 * at + 10}
        for at, mean in enumerate(means)
    ]
    return found + ([{"n": 9, "mean": missing, "lower": missing, "upper": missing}] if missing is not None else [])


def levels(*named: tuple[str, float], rare: int = 0) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"n": 40, "mean": mean, "lower": mean - 0.2, "upper": mean + 0.2, "level": name} for name, mean in named
    ]
    return found + ([{"n": 7, "mean": 0.0, "lower": -0.1, "upper": 0.1, "levels": rare}] if rare else [])


def effect(name: str, found: list[dict[str, Any]], share_rising: float | None = None) -> dict[str, Any]:
    return {"name": name, "share_rising": share_rising, "ranges": found}


def population(*names: str, effects: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    """An explainability document with what contributions look like over all rows."""
    content = explainability(*names)
    order = [feature["name"] for feature in content["explanations"][0]["features"]]
    counts, positions = [0, 5, 0, 90, 200, 4, 1], [None, 0.1, None, 0.3, 0.6, 0.8, 0.9]
    content["explanations"][0] |= {
        "spread": {
            "width": 0.1, "first": -3,
            "features": [{"name": name, "counts": counts, "positions": positions} for name in order[:20]],
        },
        "effects": effects if effects is not None else [effect(name, ranges(-0.3, 0.1, 0.4), 1.0) for name in order[:8]],
        "together": [
            {"features": order[:2], "strongest_association": 0.83, "mean_abs_shap": 0.3, "sum_of_mean_abs_shap": 0.5}
        ],
    }  # fmt: skip
    gaps = [{"name": name, "value": 0.4 / (at + 1), "association": 0.2} for at, name in enumerate(order)]
    content["group_gaps"] = [
        {"features": ["sex"], "group": {"sex": "f"}, "reference": {"sex": "m"}, "score_gap": 0.7, "contributions": gaps}
    ]
    content["stability"] = {
        "population": "reference", "background_rows": 100, "rows": 200, "rank_correlation": 0.98,
        "features": [{"name": name, "rank": at + 1, "rank_again": at + 1} for at, name in enumerate(order)],
    }  # fmt: skip
    one = {"class": None, "output": "log-odds", "base_value": -1.2, "model_output": -0.4}
    content["synthetic_cases"] = [
        {"case": case, "values": dict.fromkeys(order, 4.0), "explanations": [{**one, "contributions": dict.fromkeys(order, 0.1)}]}
        for case in ("middle", "lowered", "raised")
    ]
    return {**content, **more}


def delta(metric: str, value: float | None, spread: float = 0.1, *, worse: bool | None = False, **more: Any) -> dict:
    return {
        "metric": metric,
        "group": None,
        "champion": 0.8,
        "candidate": 0.8 + (value or 0),
        "difference": estimate(value, spread) if value is not None else None,
        "worse": worse,
        **more,
    }


def comparison(*deltas: dict[str, Any]) -> dict[str, Any]:
    return {"champion": {"artifact_digest": "sha256:" + "ab" * 32}, "deltas": list(deltas), "limitations": []}


def decided(n: int, gained: int, lost: int, group: dict[str, Any] | None = None, *, p: float = 0.5, known: bool = True) -> dict:
    def turned(count: int) -> dict[str, int] | None:
        return {"favourable": count - count // 3, "unfavourable": count // 3, "unknown": 0} if known else None

    return {
        "group": group,
        "n": n,
        "both": n - gained - lost,
        "only_candidate": gained,
        "only_champion": lost,
        "neither": 0,
        "changed": estimate((gained + lost) / n, 0.01),
        "p_value": p,
        "p_value_holm": p,
        "only_candidate_outcomes": turned(gained),
        "only_champion_outcomes": turned(lost),
    }


def migrated(counts: list[list[int]], edges: list[float] | None = None, *, open_ends: bool = False) -> dict[str, Any]:
    """Champion's bands by the candidate's."""
    size = len(counts)
    ends: list[float | None] = list(edges or [i / size for i in range(size + 1)])
    if open_ends:
        ends[0] = ends[-1] = None
    n = sum(map(sum, counts))
    higher = sum(counts[i][j] for i in range(size) for j in range(i + 1, size))
    lower = n - higher - sum(counts[i][i] for i in range(size))
    return {
        "score": "probability of the positive class",
        "n": n,
        "bands": [{"low": ends[i], "high": ends[i + 1]} for i in range(size)],
        "counts": counts,
        "moved": estimate((higher + lower) / n, 0.01),
        "higher": higher,
        "lower": lower,
        "psi": 0.05,
        "mean_change": estimate(0.01, 0.005),
        "quantiles": [{"share": share, "change": share / 10 - 0.05} for share in (0.05, 0.25, 0.5, 0.75, 0.95)],
        "rank_correlation": 0.9,
    }


def weighed(*columns: tuple[str, int | None, float | None, int | None, float | None]) -> dict[str, Any]:
    """Columns as (name, rank, share, champion's rank, champion's share)."""
    made = [
        {
            "name": name,
            "champion_mean_abs_shap": before,
            "champion_share": before,
            "champion_rank": was,
            "candidate_mean_abs_shap": now,
            "candidate_share": now,
            "candidate_rank": rank,
            "rank_change": None if rank is None or was is None else rank - was,
            "share_change": None if now is None or before is None else now - before,
        }
        for name, rank, now, was, before in columns
    ]
    return {
        "rows": 500,
        "background_rows": 100,
        "candidate_output": "log-odds",
        "champion_output": "probability",
        "rank_correlation": 0.5,
        "columns": made,
    }


def data(*columns: tuple[str, float | None]) -> dict[str, Any]:
    made = [
        {"name": name, "missing_rate": 0.031, "distinct": 4, "psi": psi, "vif": None}
        for name, psi in columns or (("age", 0.02), ("month", 0.3))
    ]
    return {"columns": made, "correlated_pairs": [], "proxies": [], "limitations": []}


def without(document: dict[str, Any], *keys: str) -> dict[str, Any]:
    spoilt = copy.deepcopy(document)
    for key in keys:
        spoilt[key] = None
    return spoilt
