"""What scores are called, in tables and on axes."""

from __future__ import annotations

from search.tables import short


def score_label(name: str, positive: str) -> str:
    """``F1 of spam`` for ``f1``; ``positive`` is the class that it is of."""
    of = short(positive)
    return {
        "f1": f"F1 of {of}",
        "f1_macro": "macro F1",
        "f1_weighted": "weighted F1",
        "precision": f"precision of {of}",
        "recall": f"recall of {of}",
        "average_precision": "average precision",
        "mcc": "Matthews corr.",
        "log_loss": "log loss, nats",
    }.get(name, name)


def brief_label(name: str) -> str:
    """``F1`` for ``f1``, where the class is known."""
    return {
        "f1": "F1",
        "f1_macro": "macro F1",
        "f1_weighted": "weighted F1",
        "average_precision": "avg prec.",
    }.get(name, name)
