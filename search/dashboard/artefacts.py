"""What the dashboard shows of trials and of the study as files: drawn when somebody looks, from what storage
and disk hold.

Nothing of it is stored: a search pays for none of it, and a study that was searched before has it too.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray
from optuna.artifacts.exceptions import ArtifactNotFound

from search.dashboard.plots import confusion_matrix, learning_curve, precision_recall, waterfall
from search.dashboard.storage import artefact_attribute
from search.exporting.model_folder import threshold_of
from search.words import positive_name, score_label
from studies.data.facts import DataFacts
from studies.data.numbers import is_number
from studies.records.explanations import KeptExplanation
from studies.records.trials import TrialRecord

SVG = "image/svg+xml"


@dataclass(frozen=True)
class ValidationRows:
    """The validation rows, as far as predictions are set beside them.

    Attributes:
        labels: (rows,) index of the class of each.
        numbers: (rows,) where each stands in its source, counted from 1.
        texts: one a row; empty where the rows are numbers.
    """

    labels: NDArray[np.int64]
    numbers: NDArray[np.int64]
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Known:
    """What there is to draw a trial from.

    Attributes:
        record: from storage.
        facts: of the study's rows.
        metric: that trials are scored by.
        probabilities: (rows, classes) on the validation rows; ``None`` where they weren't kept.
        rows: the validation rows; ``None`` where they aren't on this machine.
    """

    record: TrialRecord
    facts: DataFacts
    metric: str
    probabilities: NDArray[np.float64] | None = None
    rows: ValidationRows | None = None


@dataclass(frozen=True)
class Artefact:
    """A kind of file: its name and type, what makes it, and whether that takes the probabilities."""

    name: str
    kind: str
    make: Callable[[Known], str | None]
    from_probabilities: bool = False


def _learning_curve(known: Known) -> str | None:
    report = known.record.report
    if report is None or not report.curve:
        return None
    name = score_label(known.metric, known.facts)
    return learning_curve(report.curve, f"Trial {known.record.number}: learning curve", name)


def _confusion_matrix(known: Known) -> str | None:
    scores = known.record.scores_on("validation")
    if scores is None:
        return None
    title = f"Trial {known.record.number}: predictions for the validation rows"
    return confusion_matrix(scores.confusion, known.facts.classes, title)


def _precision_recall(known: Known) -> str | None:
    if known.probabilities is None or known.rows is None:
        return None
    positive = known.facts.positive_index
    title = f"Trial {known.record.number}: precision and recall of {positive_name(known.facts, 40)}"
    is_positive, probability = known.rows.labels == positive, known.probabilities[:, positive]
    return precision_recall(is_positive, probability, title, threshold_of(known.facts.classes))


def _predictions(known: Known) -> str | None:
    """One row a validation row, wrong predictions first, and of these the surest first."""
    if known.probabilities is None or known.rows is None:
        return None
    classes, rows = known.facts.classes, known.rows
    predicted = known.probabilities.argmax(axis=1)
    surest = known.probabilities.max(axis=1)
    order = np.lexsort((-surest, predicted == rows.labels))
    content = io.StringIO()
    writer = csv.writer(content)
    texts = ["text"] if rows.texts else []
    shares = [f"probability_{name}" for name in classes]
    writer.writerow(["right", "label", "predicted", *shares, "row", *texts])
    for row in order:
        text = [as_cell(rows.texts[row])] if rows.texts else []
        writer.writerow(
            [
                "yes" if predicted[row] == rows.labels[row] else "no",
                as_cell(classes[rows.labels[row]]),
                as_cell(classes[predicted[row]]),
                *(f"{share:.6f}" for share in known.probabilities[row]),
                rows.numbers[row],
                *text,
            ]
        )
    return content.getvalue()


def as_cell(text: str) -> str:
    """A text that spreadsheets, which the file is opened with, don't take for a formula (CWE-1236)."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) and not is_number(text) else text


ARTEFACTS: Mapping[str, Artefact] = {
    "1": Artefact("learning-curve.svg", SVG, _learning_curve),
    "2": Artefact("confusion-matrix.svg", SVG, _confusion_matrix),
    "3": Artefact("precision-recall.svg", SVG, _precision_recall, from_probabilities=True),
    "4": Artefact("validation-predictions.csv", "text/csv", _predictions, from_probabilities=True),
}
"""By what its address ends with, which is a hexadecimal digit."""


def artefacts_of(record: TrialRecord, *, has_probabilities: bool) -> dict[str, str]:
    """The artefacts that there are of a trial, as Optuna's system attributes name them."""
    has_curve = record.report is not None and bool(record.report.curve)
    has_scores = record.scores_on("validation") is not None
    available = {"1": has_curve, "2": has_scores, "3": has_probabilities, "4": has_probabilities}
    return dict(
        artefact_attribute(f"{record.number}-{digit}", artefact.name, artefact.kind)
        for digit, artefact in ARTEFACTS.items()
        if available[digit]
    )


def artefacts_of_study(explanations: Iterable[KeptExplanation]) -> dict[str, str]:
    """The study's own, a waterfall for each explanation, as Optuna's system attributes name them."""
    return dict(
        artefact_attribute(_identity(explanation), f"from {explanation.start} to {explanation.end}.svg", SVG)
        for explanation in explanations
    )


def _identity(explanation: KeptExplanation) -> str:
    """What the address of an explanation ends with; trials' begin with a number below 16 digits."""
    return hashlib.sha256(explanation.key.encode()).hexdigest()


@dataclass(frozen=True)
class DrawnArtefacts:
    """Optuna's artefact store, for reading alone: each is made when it is asked for.

    Attributes:
        known: what there is of a trial, by its number, with its probabilities where they are wanted.
        explanations: those that the study keeps now.
    """

    known: Callable[[int, bool], Known]
    explanations: Callable[[], Iterable[KeptExplanation]] = tuple

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """The content.

        Raises:
            ArtifactNotFound: where there is no such trial, or no such artefact of it.
        """
        number, _, digit = artifact_id.partition("-")
        artefact = ARTEFACTS.get(digit)
        content = None
        if artefact is not None and number.isdigit():
            content = artefact.make(self.known(int(number), artefact.from_probabilities))
        if not digit:
            matching = (
                explanation for explanation in self.explanations() if _identity(explanation) == artifact_id
            )
            content = next((waterfall(explanation) for explanation in matching), None)
        if content is None:
            raise ArtifactNotFound(artifact_id)
        return io.BytesIO(content.encode())

    def write(self, artifact_id: str, content_body: BinaryIO) -> NoReturn:  # noqa: ARG002
        """Refused."""
        raise PermissionError("artefacts are made from the study when they are opened; none can be stored")

    def remove(self, artifact_id: str) -> NoReturn:  # noqa: ARG002
        """Refused."""
        raise PermissionError("artefacts are made from the study when they are opened; none can be stored")
