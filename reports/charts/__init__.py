"""Charts: a stored document and a language in, one `Figure` out: title, sentence, SVG, table, alternative text.

Standard library only. The page and the PDF call the same functions and differ in nothing but the style sheet.
"""

from reports.charts.admission import admission_table
from reports.charts.challenge import fairness_beside, performance_beside
from reports.charts.changes import (
    decisions_sentence,
    decisions_table,
    importance_changes,
    outcomes_table,
    score_migration,
)
from reports.charts.columns import (
    associations,
    associations_table,
    feature_gains_sentence,
    feature_gains_table,
    other_set_sentence,
    other_set_table,
)
from reports.charts.comparison import comparison, deltas
from reports.charts.data import (
    columns_table,
    data_sentences,
    joint_proxies_table,
    leakage_table,
    pairs_table,
    proxies_table,
    psi,
)
from reports.charts.effects import directions_sentence, directions_table, effect_sentences, effects
from reports.charts.explanations import encoded_table, explanations_table, importance, score_associations_table
from reports.charts.fairness import (
    error_rates,
    predictions_by_group,
    rate_ratios,
    rate_table,
    score_spread,
    selection_rates,
    with_interval,
)
from reports.charts.fairness_tables import (
    adjusted_gap_tables,
    alternatives_table,
    calibration_tables,
    class_tables,
    employment_sentences,
    employment_tables,
    loss_ratio_tables,
    threshold_tables,
)
from reports.charts.figure import Column, Figure, KeyEntry, Table
from reports.charts.gaps import gaps
from reports.charts.marks import icon
from reports.charts.performance import (
    calibration,
    confusion,
    gains,
    headline_table,
    lift,
    overfit_table,
    per_class_table,
    residuals,
)
from reports.charts.population import spread, stability_sentence, stability_table, together_sentence, together_table
from reports.charts.robustness import robustness_sentences, robustness_table
from reports.charts.rows import common_scale, difference_bar, interval_bar, limit_words
from reports.charts.segments import segments
from reports.charts.svg import Markup
from reports.charts.synthetic import synthetic_figures, synthetic_sentences, synthetic_table
from reports.charts.too_few import expected_limit
from reports.charts.verdicts import Verdict, of_check
from reports.charts.waterfall import waterfall
from reports.charts.weak_spots import weak_sentence, weak_spots_table

__all__ = [
    "Column",
    "Figure",
    "KeyEntry",
    "Markup",
    "Table",
    "Verdict",
    "adjusted_gap_tables",
    "admission_table",
    "alternatives_table",
    "associations",
    "associations_table",
    "calibration",
    "calibration_tables",
    "class_tables",
    "columns_table",
    "common_scale",
    "comparison",
    "confusion",
    "data_sentences",
    "decisions_sentence",
    "decisions_table",
    "deltas",
    "difference_bar",
    "directions_sentence",
    "directions_table",
    "effect_sentences",
    "effects",
    "employment_sentences",
    "employment_tables",
    "encoded_table",
    "error_rates",
    "expected_limit",
    "explanations_table",
    "fairness_beside",
    "feature_gains_sentence",
    "feature_gains_table",
    "gains",
    "gaps",
    "headline_table",
    "icon",
    "importance",
    "importance_changes",
    "interval_bar",
    "joint_proxies_table",
    "leakage_table",
    "lift",
    "limit_words",
    "loss_ratio_tables",
    "of_check",
    "other_set_sentence",
    "other_set_table",
    "outcomes_table",
    "overfit_table",
    "pairs_table",
    "per_class_table",
    "performance_beside",
    "predictions_by_group",
    "proxies_table",
    "psi",
    "rate_ratios",
    "rate_table",
    "residuals",
    "robustness_sentences",
    "robustness_table",
    "score_associations_table",
    "score_migration",
    "score_spread",
    "segments",
    "selection_rates",
    "spread",
    "stability_sentence",
    "stability_table",
    "synthetic_figures",
    "synthetic_sentences",
    "synthetic_table",
    "threshold_tables",
    "together_sentence",
    "together_table",
    "waterfall",
    "weak_sentence",
    "weak_spots_table",
    "with_interval",
]
