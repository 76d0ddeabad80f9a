"""The answer of ``search parity``: whether both frameworks train the same network, number by number."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console, RenderableType

from search.driving.preflight import prepare_data
from search.output.tables import Column, fitted_table, inset
from search.output.terminal import Text
from studies.data.split import Rows, Split
from studies.errors import StudyFailedError
from studies.study_file import StudyFile, read_study_file
from workers.machine.java import find_java
from workers.parity.comparisons import Comparison, Section
from workers.training.trainer import TrainingFailed

BUILT_IN = "sms-spam"
"""The example whose data is compared on where no study is named."""

MOST_ROWS = 5_000
"""Training rows, and validation rows, that are compared; of more, so many at equal distances."""


@dataclass(frozen=True)
class Parity:
    """What was compared, on what.

    Attributes:
        data: in words: name, rows, layers, seed.
        sections: the comparisons.
    """

    data: str
    sections: tuple[Section, ...]

    @property
    def failed(self) -> tuple[Comparison, ...]:
        """Those that differ by more than their bound."""
        return tuple(
            comparison
            for section in self.sections
            for comparison in section.comparisons
            if not comparison.same
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "data": self.data,
            "same": not self.failed,
            "sections": [section.to_dict() for section in self.sections],
        }


def parity(path: str | Path | None, announce: Callable[[str], None]) -> Parity:
    """Compare both frameworks on a study's data, or on the built-in data where ``path`` is ``None``.

    The study's hidden layers and seed are used, and nothing else of it; its storage is not opened. What is
    written for Spark is removed at the end.

    Args:
        path: the study file.
        announce: called with what is being done next.

    Raises:
        UserError: where the study file, its data or this machine can't be used.
        StudyFailedError: where a framework can't train on these rows.
    """
    with tempfile.TemporaryDirectory(prefix="search-parity-") as directory, _study(path) as file:
        find_java()
        announce("preparing the data")
        split = thinned(prepare_data(file).split)
        # Late: TensorFlow and PySpark cost many seconds, which a wrong study file need not wait for.
        from workers.parity.runs import Subject, compare

        subject = Subject(split, tuple(file.study.model.hidden), file.study.seed, Path(directory))
        try:
            sections = compare(subject, announce)
        except TrainingFailed as failed:
            raise StudyFailedError(
                f"the frameworks can't be compared: {failed.failure.cause}: {failed.failure.message}"
            ) from failed
    layers = ", ".join(str(size) for size in subject.layers)
    counts = f"{len(split.train):,} training and {len(split.validation):,} validation rows"
    return Parity(f"{file.study.name}: {counts}, layers [{layers}], seed {file.study.seed}", sections)


def thinned(split: Split) -> Split:
    """The split with at most :data:`MOST_ROWS` training and validation rows."""
    return replace(split, train=_thinned(split.train), validation=_thinned(split.validation))


def render_parity(parity: Parity, console: Console) -> None:
    """Print the comparisons for a person."""
    console.print(Text(parity.data, style="bold"))
    for section in parity.sections:
        console.print()
        console.print(Text(section.title, style="bold"))
        console.print(inset(_table(section.comparisons, console.width)))
        for comparison in section.comparisons:
            if comparison.note:
                console.print(inset(Text(comparison.note, style="dim")))
    console.print()
    console.print(Text(_verdict(parity), style="bold"))


@contextmanager
def _study(path: str | Path | None) -> Iterator[StudyFile]:
    """The study file, or the built-in one in a directory that is removed afterwards."""
    if path is not None:
        yield read_study_file(path)
        return
    example = files("studies") / "examples" / f"{BUILT_IN}.toml"
    with tempfile.TemporaryDirectory(prefix="search-parity-") as directory:
        copy = Path(directory) / example.name
        copy.write_text(example.read_text(encoding="utf-8"), encoding="utf-8")
        yield read_study_file(copy)


def _thinned(rows: Rows) -> Rows:
    if len(rows) <= MOST_ROWS:
        return rows
    at = np.linspace(0, len(rows) - 1, MOST_ROWS).round().astype(int)
    return Rows(rows.features[at], rows.labels[at])


def _table(comparisons: Sequence[Comparison], width: int) -> RenderableType:
    columns = [
        Column("compared", [_what(comparison) for comparison in comparisons], right=False),
        Column("difference", [f"{comparison.difference:.1e}" for comparison in comparisons]),
        Column(
            "bound",
            ["" if comparison.bound is None else f"{comparison.bound:.0e}" for comparison in comparisons],
        ),
        Column("verdict", [comparison.verdict for comparison in comparisons], right=False),
    ]
    return fitted_table(columns, width)


def _what(comparison: Comparison) -> str:
    return f"{comparison.what}, relative" if comparison.relative else comparison.what


def _verdict(parity: Parity) -> str:
    bounded = [
        comparison
        for section in parity.sections
        for comparison in section.comparisons
        if comparison.bound is not None
    ]
    if parity.failed:
        return f"{len(parity.failed)} of {len(bounded)} comparisons miss their bounds"
    return f"{len(bounded)} comparisons, all within their bounds"
