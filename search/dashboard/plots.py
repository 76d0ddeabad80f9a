"""Pictures of trials and explanations, each an SVG file by itself: what a dashboard shows as artefacts.

Always on white: a picture doesn't know whether the page around it is dark.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from search.reporting.charts.frame import WIDE, Frame, line, text
from search.reporting.charts.scales import Linear, score_scale
from search.reporting.charts.waterfall import waterfall_marks
from search.reporting.html import Content, Html, joined, number, tag
from search.words import short
from studies.records.explanations import KeptExplanation
from studies.records.reports import CurvePoint
from workers.training.scores import passing

WIDTH, HEIGHT = 640, 440

_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #333 }
.title { font-size: 15px; font-weight: 600; fill: #111 }
.tick { font-size: 12px; fill: #666 } .label { fill: #444 } .small { font-size: 12px; fill: #666 }
.end { text-anchor: end } .mid { text-anchor: middle }
.grid { stroke: #e4e4e8 } .axis { stroke: #888 } .baseline { stroke: #888; stroke-dasharray: 5 4 }
.line { fill: none; stroke-width: 2; stroke-linejoin: round }
.loss { stroke: #8a6d3b } .score { stroke: #1f6fb5 } .dot { fill: #1f6fb5; stroke: #fff; stroke-width: 1.5 }
.whole { fill: #8a92a1 } .step.more { fill: #0d7a5f } .step.less { fill: #c2293c }
.step.noise { fill: none; stroke: #565d6b } .value { font-weight: 600 }
.hit { fill: #1f6fb5 } .miss { fill: #c2452d } .count { font-size: 20px; font-weight: 600 }
"""


def learning_curve(curve: Sequence[CurvePoint], title: str, score_name: str) -> str:
    """Training loss of each epoch above, the score on the validation rows below, over the same epochs."""
    last = max(point.epoch for point in curve)
    epochs = Linear(min(1, last), last)
    losses = [(point.epoch, point.train_loss) for point in curve if np.isfinite(point.train_loss)]
    scores = [(p.epoch, p.validation_score) for p in curve if p.validation_score is not None]
    shown = [score for _, score in scores if np.isfinite(score)]
    top = Frame(epochs, _from_zero([loss for _, loss in losses]), WIDTH, HEIGHT, right=24, top=74, bottom=226)
    low = Frame(epochs, score_scale(shown), WIDTH, HEIGHT, right=24, top=262)
    dots = [_dot(low, epoch, score) for epoch, score in scores if np.isfinite(score)]
    return _picture(
        title,
        top.axes(),
        _above(top, "training loss, nats a row"),
        top.curve(losses, "loss") if len(losses) > 1 else [_dot(top, *point) for point in losses],
        low.axes("epoch"),
        _above(low, f"{score_name}, validation rows"),
        low.curve([(epoch, score) for epoch, score in scores if np.isfinite(score)], "score"),
        dots,
    )


def confusion_matrix(confusion: Sequence[Sequence[int]], classes: Sequence[str], title: str) -> str:
    """Rows are what the rows are, columns what was predicted; the deeper, the larger the share of its row."""
    left, top, floor = 130, 84, 56
    size = len(classes)
    across, down = (WIDTH - left - 20) / size, (HEIGHT - top - floor) / size
    marks: list[Content] = []
    for row, counts in enumerate(confusion):
        for column, count in enumerate(counts):
            share = count / sum(counts) if sum(counts) else 0.0
            x, y = left + column * across, top + row * down
            marks.append(_cell(x, y, (across, down), share, row == column))
            if size <= _MOST_COUNTED:
                marks.append(_counted(x + across / 2, y + down / 2, count, share))
    names = [short(name, 14, classes) for name in classes]
    above = (
        text(left + (i + 0.5) * across, top - 10, f"predicted {name}", "mid") for i, name in enumerate(names)
    )
    beside = (
        text(left - 10, top + (i + 0.5) * down + 4, f"actual {name}", "end") for i, name in enumerate(names)
    )
    right = sum(row[index] for index, row in enumerate(confusion))
    total = sum(sum(row) for row in confusion)
    below = text(
        left, HEIGHT - 22, f"{right:,} of {total:,} validation rows are predicted correctly", "small"
    )
    return _picture(title, joined(marks), joined(above), joined(beside), below)


_MOST_COUNTED = 8
"""Classes up to which the fields of a confusion matrix have room for their counts."""


def precision_recall(
    positive: NDArray[np.bool_], probability: NDArray[np.float64], title: str, threshold: float | None
) -> str:
    """Precision over recall for every threshold, the trial's own marked, and the share of the positive class.

    Args:
        positive: (rows,) whether a row is of the positive class.
        probability: (rows,) that it is, as the trial has it.
        title: of the picture.
        threshold: above which the positive class is said; ``None`` where the most probable class is.
    """
    recall, precision = precision_recall_points(positive, probability)
    frame = Frame(Linear(0.0, 1.0), Linear(0.0, 1.0), WIDTH, HEIGHT, right=24, top=74)
    share = float(positive.mean()) if len(positive) else 0.0
    level = frame.down(share)
    marks: list[Content] = [
        line(frame.left, level, WIDTH - frame.right, level, "baseline"),
        text(frame.left + 8, level - 6, f"a predictor that knows nothing: {share:.1%}", "small"),
        frame.curve(list(zip(recall.tolist(), precision.tolist(), strict=True)), "score"),
    ]
    if threshold is not None and positive.any():
        marks.append(_operating_point(frame, positive, probability > threshold, threshold))
    axes = joined(frame.axes("recall, validation rows"), _above(frame, "precision"))
    return _picture(title, axes, joined(marks))


def precision_recall_points(
    positive: NDArray[np.bool_], probability: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(points,) recall, ascending, and (points,) precision, one point a distinct probability; none without
    positive rows.
    """
    if not positive.any():
        return np.empty(0), np.empty(0)
    _, hits, predicted = passing(positive, probability)
    return hits / hits[-1], hits / predicted


def _operating_point(
    frame: Frame, positive: NDArray[np.bool_], predicted: NDArray[np.bool_], threshold: float
) -> Html:
    hits = int((positive & predicted).sum())
    if not predicted.any():
        words = f"no row is predicted positive above {threshold:g}"
        return text(frame.left + 8, frame.top + 18, words, "small")
    recall, precision = hits / int(positive.sum()), hits / int(predicted.sum())
    x, y = frame.across(recall), frame.down(precision)
    left = recall > 0.5
    words = f"above {threshold:g}: precision {precision:.3f}, recall {recall:.3f}"
    return joined(
        tag("circle", cx=x, cy=y, r=6, class_="dot"),
        text(x - 12 if left else x + 12, y + 22, words, "end" if left else ""),
    )


def _cell(x: float, y: float, size: tuple[float, float], share: float, right: bool) -> Html:
    kind = "hit" if right else "miss"
    return tag(
        "rect",
        x=x + 1,
        y=y + 1,
        width=size[0] - 2,
        height=size[1] - 2,
        rx=3,
        class_=kind,
        fill_opacity=f"{0.06 + 0.5 * share:.2f}",
    )


def _counted(x: float, y: float, count: int, share: float) -> Html:
    return joined(text(x, y + 2, f"{count:,}", "count mid"), text(x, y + 22, f"{share:.1%}", "small mid"))


def _dot(frame: Frame, x: float, y: float) -> Html:
    return tag("circle", cx=frame.across(x), cy=frame.down(y), r=4, class_="dot")


def _above(frame: Frame, label: str) -> Html:
    """What an axis is of, clear of its highest number."""
    return text(16, frame.top - 16, label, "label")


def _from_zero(values: Sequence[float]) -> Linear:
    return Linear(0.0, 1.05 * max(values, default=1.0) or 1.0)


def waterfall(explanation: KeptExplanation) -> str:
    """Which change moved the score by how much, one change at a time."""
    above = 44
    height, marks = waterfall_marks(explanation, WIDE)
    title = f"From {explanation.start} to {explanation.end}: which change moved the score by how much"
    return _picture(title, tag("g", marks, transform=f"translate(0 {above})"), size=(WIDE, height + above))


def _picture(title: str, *marks: Content, size: tuple[float, float] = (WIDTH, HEIGHT)) -> str:
    width, height = size
    return tag(
        "svg",
        tag("style", Html(_STYLE)),
        tag("rect", width=width, height=height, fill="#fff"),
        text(16, 26, title, "title"),
        *marks,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {number(width)} {number(height)}",
        width=width,
        height=height,
    )
