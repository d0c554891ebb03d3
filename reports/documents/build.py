"""Every kind of evidence document, from arrays: the one address that tasks and tests call."""

from reports.documents.admission import admission
from reports.documents.canonical import Document, rounded
from reports.documents.comparison import comparison
from reports.documents.crosschecks import CrossCheckFailed
from reports.documents.data import data
from reports.documents.explainability import explainability
from reports.documents.fairness import fairness
from reports.documents.performance import performance

__all__ = [
    "CrossCheckFailed",
    "Document",
    "admission",
    "comparison",
    "data",
    "explainability",
    "fairness",
    "performance",
    "rounded",
]
