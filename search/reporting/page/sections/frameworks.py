"""Framework against framework, and what the best of each gets wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from search.reporting.charts.confusion import confusion
from search.reporting.charts.drawn import is_of, shake
from search.reporting.charts.frame import HALF, Dot, Frame, on_every_screen, text, uprights
from search.reporting.charts.scales import Bands, Linear, score_scale
from search.reporting.html import Content, Html, joined
from search.reporting.markup import Cells, Section, beside, figure, legend, paragraph, table
from search.reporting.readings import readings
from search.reporting.report import StudyReport
from search.reporting.words import FRAMEWORKS, framework_name, metric_label
from search.reporting.worth import Worth, contenders
from search.words import VERDICTS, class_name, decimals, positive_name, score_label
from studies.records.reports import SCORE_NAMES

LEVELS = (0.2, 0.4, 0.6, 0.8, 0.9)
"""F1 whose curves stand behind precision and recall."""


def frameworks(report: StudyReport) -> Section | None:
    """Scores of the best of each framework, and all trials of each; none where there is one framework."""
    best = contenders(report)
    if len(report.best_by_framework) < 2:
        return None
    return Section(
        "frameworks",
        "Frameworks",
        _verdict(best),
        joined(
            figure(
                "",
                on_every_screen(lambda width: _strips(report, width)),
                "Every trial's score on the validation rows. Where a strip is long, the framework's other "
                "choices matter; its right end is what it can do.",
            ),
            _scores_table(report, best),
        ),
    )


def mistakes(report: StudyReport) -> Section | None:
    """Confusion matrices of the best of each framework, and the balance of precision and recall."""
    best = contenders(report)
    # All of the same rows.
    found = [worth for worth in best if worth.tested] or best
    if not found:
        return None
    matrices = [confusion(report.facts.classes, worth.confusion, _matrix_title(worth)) for worth in found]
    return Section(
        "mistakes",
        "Mistakes",
        _mistakes_title(report, found[0]),
        joined(
            (paragraph(words) for words in readings(report)),
            beside(joined(*matrices) or None, _balance(report)),
        ),
    )


def _verdict(best: Sequence[Worth]) -> str:
    """Which framework's best is better on the test rows, and whether these are enough to say so."""
    if len(best) < 2:
        return "Framework against framework"
    ahead, behind = sorted(best[:2], key=lambda worth: -worth.score)
    rows = "test rows" if ahead.tested and behind.tested else "validation rows"
    said = " and ".join(f"{framework_name(each.configuration)} {each.score:.3f}" for each in (ahead, behind))
    compared = {one.verdict for worth in best[:2] if (one := worth.finalist) is not None} - {"best"}
    verdict = f": {VERDICTS[compared.pop()]}" if compared & {"tied", "equivalent"} else ""
    return f"{said} on the {rows}{verdict}"


def _matrix_title(worth: Worth) -> str:
    together = f", {worth.trainings} trainings together" if worth.trainings > 1 else ""
    rows = "" if worth.tested else ", validation rows"
    return f"{framework_name(worth.configuration)}, trial {worth.trial}{together}{rows}"


def _mistakes_title(report: StudyReport, worth: Worth) -> str:
    facts = report.facts
    index = facts.positive_index
    missed = sum(worth.confusion[index]) - worth.confusion[index][index]
    false = sum(row[index] for row in worth.confusion) - worth.confusion[index][index]
    positive = positive_name(facts, 24)
    counts = [f"{count / worth.trainings:,.3g}" for count in (missed, false)]
    mean = " on average" if worth.trainings > 1 else ""
    return (
        f"The best misses {counts[0]} of {facts.positives(worth.row_set):,} {positive}{mean}, "
        f"and calls {counts[1]} others {positive}{'' if worth.tested else ', on the validation rows'}"
    )


def _strips(report: StudyReport, width: int) -> Html:
    names = tuple(report.best_by_framework)
    rows = Bands(tuple(reversed(names)))
    scale = score_scale([score for _, score in report.scored])
    left = 92
    frame = Frame(scale, rows, width, 50 + 64 * len(names), left=left, bottom=40)
    floor = frame.height - frame.bottom
    marks = []
    for name in names:
        dots = [
            Dot(score, name, record.number, 0.0, shake(record.number) * 0.62 / len(names))
            for record, score in report.scored
            if is_of(record, name)
        ]
        marks.append(frame.dots(dots, name))
    labels = (text(left - 12, frame.down(name) + 4, FRAMEWORKS.get(name, name), "name end") for name in names)
    grid = uprights(scale.ticks(8), (left, frame.inner_width), (frame.top, floor))
    title = text(left + frame.inner_width / 2, frame.height - 4, metric_label(report), "label mid")
    return frame.svg(grid, labels, title, *marks, says="Scores of all trials by framework.")


def _scores_table(report: StudyReport, best: Sequence[Worth]) -> Html:
    """Every score on the test rows, and of the baselines; on the validation rows until those are opened."""
    labels = [score_label(name, report.facts) for name in SCORE_NAMES]
    row_set = "test" if any(worth.tested for worth in best) else "validation"
    columns = [Cells(f"on the {row_set} rows", labels, right=False)]
    columns += [
        Cells(_column_title(worth), _figures(worth.scores)) for worth in best if worth.row_set == row_set
    ]
    if report.finalists is not None:
        columns.append(Cells("logistic regression", _figures(asdict(report.finalists.logistic))))
    for baseline in report.baselines:
        columns.append(
            Cells(
                f"always “{class_name(baseline.says, report.facts)}”",
                _figures(asdict(baseline.scores(row_set))),
            )
        )
    return table(columns)


def _column_title(worth: Worth) -> str:
    mean = f", mean of {worth.trainings}" if worth.trainings > 1 else ""
    return f"{framework_name(worth.configuration)}, trial {worth.trial}{mean}"


def _figures(scores: Mapping[str, Any]) -> list[Content]:
    return [decimals(scores.get(name, math.nan)) for name in SCORE_NAMES]


def _balance(report: StudyReport) -> Html:
    """Precision and recall of every trial on the validation rows, over curves of equal F1."""
    found = [(record, scores) for record in report.complete if (scores := record.scores_on("validation"))]
    frame = Frame(Linear(0.0, 1.0), Linear(0.0, 1.0), HALF, 300)
    kinds = sorted(
        {record.configuration.framework for record, _ in found if record.configuration is not None}
    )
    dots = (
        frame.dots(
            (
                Dot(scores.recall, scores.precision, record.number)
                for record, scores in found
                if is_of(record, kind)
            ),
            kind,
        )
        for kind in kinds
    )
    drawing = frame.svg(
        frame.axes("recall: part of them that is found", "precision: part of what is called so that is"),
        _equal_f1(frame),
        *dots,
        says="Precision and recall of every trial.",
    )
    key = legend(*((kind, FRAMEWORKS.get(kind, kind)) for kind in kinds))
    reading = f"On the validation rows. Along a thin curve F1 of {positive_name(report.facts)} is the same."
    return figure("Precision and recall of every trial", joined(key, drawing), reading, kind="plainly")


def _equal_f1(frame: Frame) -> Iterator[Html | None]:
    """Precision is F1 × recall / (2 × recall - F1)."""
    for level in LEVELS:
        recalls = [level / (2 - level) + step * (1 - level / (2 - level)) / 40 for step in range(41)]
        points = [(recall, level * recall / (2 * recall - level)) for recall in recalls]
        yield frame.curve(points, "equal")
        yield text(frame.across(1) - 4, frame.down(points[-1][1]) - 4, f"F1 {level:g}", "tick end")
