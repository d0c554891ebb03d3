"""Charts: a stored document and a language in, one `Figure` out: title, sentence, SVG, table, alternative text.

Standard library only. The page and the PDF call the same functions and differ in nothing but the style sheet.
"""

from reports.charts.admission import admission_table
from reports.charts.challenge import fairness_beside, performance_beside
from reports.charts.columns import (
    alternative_sentence,
    alternative_table,
    associations,
    associations_table,
    gains_sentence,
    gains_table,
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
from reports.charts.explanations import explanations_table, gap_tables, importance
from reports.charts.fairness import (
    calibration_tables,
    error_rates,
    predictions_by_group,
    rate_ratios,
    rate_table,
    selection_rates,
    threshold_tables,
)
from reports.charts.figure import Column, Figure, KeyEntry, Table
from reports.charts.marks import icon
from reports.charts.performance import calibration, confusion, headline_table, lift, overfit_table, per_class_table
from reports.charts.rows import common_scale, difference_bar, interval_bar, limit_words
from reports.charts.svg import Markup
from reports.charts.verdicts import Verdict, of_check
from reports.charts.weak_spots import weak_sentence, weak_spots_table

__all__ = [
    "Column",
    "Figure",
    "KeyEntry",
    "Markup",
    "Table",
    "Verdict",
    "admission_table",
    "alternative_sentence",
    "alternative_table",
    "associations",
    "associations_table",
    "calibration",
    "calibration_tables",
    "columns_table",
    "common_scale",
    "comparison",
    "confusion",
    "data_sentences",
    "deltas",
    "difference_bar",
    "error_rates",
    "explanations_table",
    "fairness_beside",
    "gains_sentence",
    "gains_table",
    "gap_tables",
    "headline_table",
    "icon",
    "importance",
    "interval_bar",
    "joint_proxies_table",
    "leakage_table",
    "lift",
    "limit_words",
    "of_check",
    "overfit_table",
    "pairs_table",
    "per_class_table",
    "performance_beside",
    "predictions_by_group",
    "proxies_table",
    "psi",
    "rate_ratios",
    "rate_table",
    "selection_rates",
    "threshold_tables",
    "weak_sentence",
    "weak_spots_table",
]
