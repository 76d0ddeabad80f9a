"""Plain words, the same everywhere: counts, lists, durations, names of classes and scores, verdicts. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Protocol

from studies.printable import printable, spelled
from studies.records.trials import TrialRecord
from studies.space.configuration import Configuration

VERDICTS: Mapping[str, str] = {
    # How a finalist compares with the best on the test rows.
    "best": "the best",
    "equivalent": "equivalent",
    "tied": "no significant difference",
    "worse": "significantly worse",
    "better": "significantly better",
    # What may be said of a change in an explanation.
    "same": "the same networks",
    "none": "no change",  # in explanations that earlier versions kept
    "within noise": "no significant difference",
    "one seed": "one seed: not tested",
    "more": "",
    "less": "",
}
"""What may be said of a comparison, in a few words."""


def configuration_text(configuration: Configuration | None) -> str:
    """One line that tells configurations apart."""
    return "not sampled yet" if configuration is None else configuration.describe()


def outcome(record: TrialRecord) -> str:
    """A trial's validation score, how far it came where it was pruned, or that it failed."""
    if record.value is not None:
        return f"{record.value:.3f}"
    if record.state == "pruned" and record.rung_scores:
        epoch = max(record.rung_scores)
        return f"{record.rung_scores[epoch]:.3f} at {epoch}"
    return "failed"


def short(name: str, length: int = 12, among: Iterable[str] = ()) -> str:
    """A class name that keeps a table's width; no two ``among`` all classes get the same one."""
    return class_names(tuple(dict.fromkeys((*among, name))), length)[name]


@lru_cache(maxsize=64)
def class_names(classes: tuple[str, ...], length: int = 12) -> Mapping[str, str]:
    """A short name for each class, by its whole one: its beginning, its end or both, as tells them apart.

    Where nothing of ``length`` letters does, names are longer.
    """
    whole = {name: one_line(name) for name in classes}
    if len(set(whole.values())) < len(classes):  # they differ in blanks alone
        whole = {name: spelled(name) for name in classes}
    longest = max(len(name) for name in whole.values())
    for room in range(length, longest + 1):
        for cut in (_beginning, _end, _ends):
            names = {name: cut(text, room) for name, text in whole.items()}
            if len(set(names.values())) == len(classes):
                return names
    return whole


def _beginning(name: str, room: int) -> str:
    return name if len(name) <= room else f"{name[: room - 2]}.."


def _end(name: str, room: int) -> str:
    return name if len(name) <= room else f"..{name[len(name) - room + 2 :]}"


def _ends(name: str, room: int) -> str:
    head = (room - 2) // 2
    return name if len(name) <= room else f"{name[:head]}..{name[len(name) - room + 2 + head :]}"


def one_line(text: str) -> str:
    """The text without line breaks and repeated blanks, and with nothing in it that a terminal would obey."""
    return printable(" ".join(text.split()))


def count_of(count: int, noun: str) -> str:
    """``1 trial``, ``2 trials``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def listed(words: Iterable[str]) -> str:
    """``a, b and c``."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def decimals(value: float, digits: int = 3) -> str:
    """``0.934``; what rounds to zero has no sign; a dash for NaN, which is a score that nobody computed."""
    if math.isnan(value):
        return "–"
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def with_sign(value: float, digits: int = 3) -> str:
    """``+0.012``, ``-0.030``; what rounds to zero is ``+0.000`` from either side."""
    text = f"{value:+.{digits}f}"
    return text.replace("-", "+") if float(text) == 0 else text


def of_limit(count: int, limit: int | None) -> str:
    """``12 of 60 trials finished``; where there are more than the study file asks for now, both numbers."""
    if limit is None or count > limit:
        more = "" if limit is None else f" (trials = {limit:,})"
        return f"{count_of(count, 'trial')} finished{more}"
    return f"{count:,} of {count_of(limit, 'trial')} finished"


def from_to(values: Iterable[float], digits: int) -> str:
    """``0.912 to 0.948``: the least and the greatest, or one figure where they are written alike."""
    ordered = sorted(values)
    low, high = f"{ordered[0]:.{digits}f}", f"{ordered[-1]:.{digits}f}"
    return low if low == high else f"{low} to {high}"


def p_text(value: float | None) -> str:
    """``0.042``, ``<0.001``; a dash where nothing was compared."""
    if value is None:
        return "–"
    return "<0.001" if value < 0.001 else f"{value:.2g}"


def duration_text(seconds: float) -> str:
    """``12 s``, ``4 min 05 s``, ``1 h 12 min``."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def capital(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


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
