"""What scores are called, in tables and on axes."""

from __future__ import annotations

from typing import Protocol

from search.tables import short


class Classes(Protocol):
    """What knows the classes' names, and the positive one's: the facts of a study's rows, for one."""

    @property
    def classes(self) -> tuple[str, ...]:
        """All names."""

    @property
    def positive(self) -> str:
        """The positive class."""


def class_name(name: str, of: Classes, length: int = 12) -> str:
    """A class's name in a table or a sentence: cut, but so that no two classes have the same one."""
    return short(name, length, of.classes)


def positive_name(of: Classes, length: int = 12) -> str:
    """The positive class's."""
    return class_name(of.positive, of, length)


def score_label(name: str, classes: Classes) -> str:
    """``F1 of spam`` for ``f1``."""
    of = positive_name(classes)
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
