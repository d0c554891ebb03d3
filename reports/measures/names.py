"""What a figure of each name can be, and which way is better. The standard library alone, so that charts read it too."""

from __future__ import annotations

HIGHER_IS_BETTER = frozenset({"roc_auc", "gini", "ks", "average_precision", "accuracy", "macro_f1", "r2"})
LOWER_IS_BETTER = frozenset({"brier", "log_loss", "rmse", "mae", "mean_deviance"})

SHARES = frozenset({
    "roc_auc", "ks", "average_precision", "brier", "accuracy", "macro_f1", "observed_rate", "mean_score",
})  # fmt: skip
"""Between 0 and 1."""
NOT_NEGATIVE = frozenset({"log_loss", "rmse", "mae", "mean_deviance"})
"""At least 0, without an upper end."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""The shares at which every spread is told: of scores, residuals and changes of scores."""
