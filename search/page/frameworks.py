"""Framework against framework, and what the best of each gets wrong."""

from __future__ import annotations

from collections.abc import Iterator

from search.page.confusion import confusion
from search.page.drawn import shake
from search.page.frame import HALF, Dot, Frame, on_every_screen, text
from search.page.html import Content, Html, joined, tag
from search.page.scales import Bands, Linear, score_scale
from search.page.section import Cells, Section, beside, figure, legend, paragraph, table
from search.page.words import FRAMEWORKS, framework_name, metric_label
from search.readings import readings
from search.results import SCORE_NAMES, StudyReport, scores_of
from search.row_noise import row_interval
from search.score_labels import score_label
from search.tables import short
from studies.records import Scores
from studies.trial_record import TrialRecord

LEVELS = (0.2, 0.4, 0.6, 0.8, 0.9)
"""F1 whose curves stand behind precision and recall."""


def frameworks(report: StudyReport) -> Section | None:
    """Scores of the best of each framework, and all trials of each; none where there is one framework."""
    best = report.best_by_framework
    if len(best) < 2:
        return None
    return Section(
        "frameworks",
        "Frameworks",
        _verdict(report, *list(best.values())[:2]),
        joined(
            figure(
                "",
                on_every_screen(lambda width: _strips(report, width)),
                "Every trial's score on the validation rows. Where a strip is long, the framework's other "
                "choices matter; its right end is what it can do.",
            ),
            _scores_table(report, list(best.values())),
        ),
    )


def mistakes(report: StudyReport) -> Section | None:
    """Confusion matrices of the best of each framework, and the balance of precision and recall."""
    found = [
        (record, test) for record in report.best_by_framework.values() if (test := scores_of(record, "test"))
    ]
    if not found:
        return None
    matrices = [
        confusion(
            report.facts.classes,
            test.confusion,
            f"{framework_name(record.configuration)}, trial {record.number}",
        )
        for record, test in found
    ]
    said = readings(report)
    return Section(
        "mistakes",
        "Mistakes",
        _mistakes_title(report, *found[0]),
        joined(
            (paragraph(words) for words in said),
            beside(joined(*matrices) or None, _balance(report)),
        ),
    )


def _verdict(report: StudyReport, first: TrialRecord, second: TrialRecord) -> str:
    """Which framework's best is better on the test rows, and whether these rows are enough to say so."""
    ahead, behind = sorted((first, second), key=lambda record: -_by_test(report, record))
    names = [framework_name(record.configuration) for record in (ahead, behind)]
    scores = [_by_test(report, record) for record in (ahead, behind)]
    said = f"{names[0]} {scores[0]:.3f}, {names[1]} {scores[1]:.3f} on the test rows"
    positive = report.facts.classes.index(report.facts.positive)
    test = scores_of(ahead, "test")
    interval = row_interval(test, report.metric, positive) if test is not None else None
    close = interval is not None and interval[0] <= scores[1]
    return f"{said}: too close to tell apart" if close else said


def _by_test(report: StudyReport, record: TrialRecord) -> float:
    test = scores_of(record, "test")
    return float(getattr(test, report.metric)) if test is not None else report.score(record)


def _mistakes_title(report: StudyReport, record: TrialRecord, test: Scores) -> str:
    index = report.facts.classes.index(report.facts.positive)
    missed = sum(test.confusion[index]) - test.confusion[index][index]
    false = sum(row[index] for row in test.confusion) - test.confusion[index][index]
    positive = short(report.facts.positive, 24)
    return f"Trial {record.number} misses {missed:,} {positive} and calls {false:,} others {positive}"


def _strips(report: StudyReport, width: int) -> Html:
    names = tuple(report.best_by_framework)
    rows = Bands(tuple(reversed(names)))
    scale = score_scale([score for _, score in report.scored])
    left = 92
    frame = Frame(scale, Bands(()), width, 50 + 64 * len(names), left=left, bottom=40)
    frame = Frame(scale, rows, width, frame.height, left=left, bottom=40)
    marks = []
    for name in names:
        dots = [
            Dot(score, name, record.number, 0.0, shake(record.number) * 0.62 / len(names))
            for record, score in report.scored
            if record.configuration is not None and record.configuration.framework == name
        ]
        marks.append(frame.dots(dots, name))
    labels = (text(left - 12, frame.down(name) + 4, FRAMEWORKS.get(name, name), "name end") for name in names)
    upright = (
        tag("line", x1=x, x2=x, y1=frame.top, y2=frame.height - frame.bottom, class_="grid")
        for tick in scale.ticks(8)
        for x in [left + tick.part * frame.inner_width]
    )
    below = (
        text(left + tick.part * frame.inner_width, frame.height - 23, tick.label, "tick mid")
        for tick in scale.ticks(8)
    )
    title = text(left + frame.inner_width / 2, frame.height - 4, metric_label(report), "label mid")
    return frame.svg(upright, labels, below, title, *marks, says="Scores of all trials by framework.")


def _scores_table(report: StudyReport, records: list[TrialRecord]) -> Html:
    """Every score on the test rows, and of the baselines."""
    columns = [
        Cells(
            "on the test rows",
            [score_label(name, report.facts.positive) for name in SCORE_NAMES],
            right=False,
        )
    ]
    for record in records:
        test = scores_of(record, "test")
        columns.append(
            Cells(f"{framework_name(record.configuration)}, trial {record.number}", _figures(test))
        )
    for baseline in report.baselines:
        columns.append(Cells(f"always “{short(baseline.says)}”", _figures(baseline.test)))
    return table(columns)


def _figures(scores: Scores | None) -> list[Content]:
    return [f"{getattr(scores, name):.3f}" if scores is not None else "–" for name in SCORE_NAMES]


def _balance(report: StudyReport) -> Html:
    """Precision and recall of every trial on the validation rows, over curves of equal F1."""
    found = [(record, scores) for record in report.complete if (scores := scores_of(record, "validation"))]
    frame = Frame(Linear(0.0, 1.0), Linear(0.0, 1.0), HALF, 300)
    kinds = sorted(
        {record.configuration.framework for record, _ in found if record.configuration is not None}
    )
    dots = (
        frame.dots(
            (
                Dot(scores.recall, scores.precision, record.number)
                for record, scores in found
                if record.configuration is not None and record.configuration.framework == kind
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
    reading = f"On the validation rows. Along a thin curve F1 of {short(report.facts.positive)} is the same."
    return figure("Precision and recall of every trial", joined(key, drawing), reading, kind="plainly")


def _equal_f1(frame: Frame) -> Iterator[Html | None]:
    """Precision is F1 × recall / (2 × recall - F1)."""
    for level in LEVELS:
        recalls = [level / (2 - level) + step * (1 - level / (2 - level)) / 40 for step in range(41)]
        points = [(recall, level * recall / (2 * recall - level)) for recall in recalls]
        yield frame.curve(points, "equal")
        yield text(frame.across(1) - 4, frame.down(points[-1][1]) - 4, f"F1 {level:g}", "tick end")
