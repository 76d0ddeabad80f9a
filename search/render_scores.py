"""How scores are called and written in reports."""

from __future__ import annotations

from search.tables import short
from studies.records import Scores


def score_label(name: str, positive: str) -> str:
    """``F1 of spam``: a score's name, with the class that it is of."""
    positive = short(positive)
    return {
        "f1": f"F1 of {positive}",
        "f1_macro": "macro F1",
        "f1_weighted": "weighted F1",
        "precision": f"precision of {positive}",
        "recall": f"recall of {positive}",
        "average_precision": "average precision",
        "mcc": "Matthews corr.",
        "log_loss": "log loss, nats",
    }.get(name, name)


def brief(name: str) -> str:
    """A score's name for a narrow column."""
    return {
        "f1": "F1",
        "f1_macro": "macro F1",
        "f1_weighted": "weighted F1",
        "average_precision": "avg prec.",
    }.get(name, name)


def figure(scores: Scores | None, name: str) -> str:
    """A score to three decimals, or a dash where there is none."""
    return "-" if scores is None else f"{getattr(scores, name):.3f}"
