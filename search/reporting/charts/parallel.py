"""All choices of many configurations at once: a line each, through an axis for every choice to the score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from search.importance.sentences import label_of
from search.reporting.charts.drawn import Shades, placed, scale_of, shake, thinned
from search.reporting.charts.frame import HALF, LETTER, WIDE, legend, line, on_every_screen, svg, text
from search.reporting.charts.scales import Bands, Scale, near_the_best
from search.reporting.html import Content, Html, joined, number, tag
from search.reporting.report import StudyReport
from search.reporting.words import metric_label
from studies.records.trials import TrialRecord
from studies.sections.distributions import Choice, Distribution, Value

MOST_BEST, MOST_OTHERS = 60, 140
"""Lines of the best trials, and of the others, evenly out of all."""


@dataclass(frozen=True, slots=True)
class _Axis:
    """An axis: its name, its scale, and where each trial lies on it, if it does."""

    label: str
    scale: Scale
    parts: dict[int, float]


def parallel_chart(report: StudyReport) -> Html:
    """The axes of the choices that differ, and that of the score."""
    drawn = _drawn(report)
    everyone = [score for _, score in report.scored]
    scores = near_the_best(everyone)
    of_scores = {record.number: max(0.0, scores.part(score)) for record, score in drawn}
    axes = [*_differing(report, drawn), _Axis(metric_label(report), scores, of_scores)]
    shades = Shades(everyone)
    lines = [(record.number, shades.of(score)) for record, score in drawn]
    return joined(legend(*shades.legend()), on_every_screen(lambda width: _drawing(axes, lines, width)))


def choices_that_differ(report: StudyReport) -> int:
    """How many axes there are to draw."""
    return len(_differing(report, _drawn(report)))


def _differing(report: StudyReport, drawn: Sequence[tuple[TrialRecord, float]]) -> list[_Axis]:
    axes = (_axis(report, name, drawn) for name in _names(report))
    return [axis for axis in axes if len(set(axis.parts.values())) > 1]


def _drawn(report: StudyReport) -> list[tuple[TrialRecord, float]]:
    """The trials that get a line, the worst first, so that the best lie on top."""
    falling = sorted(report.scored, key=lambda pair: -pair[1])
    scores = {record.number: score for record, score in falling}
    ordered = [record for record, _ in falling]
    kept = [*ordered[:MOST_BEST], *thinned(ordered[MOST_BEST:], MOST_OTHERS)]
    return [(record, scores[record.number]) for record in reversed(kept)]


def _names(report: StudyReport) -> list[str]:
    """Parameters without their frameworks, so that all optimizers stand on one axis."""
    return list(dict.fromkeys(name.partition(".")[0] for name in report.parameters))


def _axis(report: StudyReport, plain: str, drawn: Sequence[tuple[TrialRecord, float]]) -> _Axis:
    """One axis, over what each framework draws of it."""
    distributions = {
        name: found for name, found in report.parameters.items() if name.partition(".")[0] == plain
    }
    values: dict[int, Value] = {}
    for record, _ in drawn:
        for name, distribution in distributions.items():
            if (value := placed(record, name, distribution)) is not None:
                values[record.number] = value
    scale = _together(list(distributions.values()))
    spread = 0.7 / len(scale.values) if isinstance(scale, Bands) else 0.0
    parts = {trial: scale.part(value) + shake(trial) * spread for trial, value in values.items()}
    return _Axis(label_of(plain), scale, parts)


def _together(distributions: Sequence[Distribution]) -> Scale:
    if len(distributions) > 1 and all(isinstance(each, Choice) for each in distributions):
        return Bands(tuple(dict.fromkeys(value for each in distributions for value in each.values() or ())))
    return scale_of(distributions[0])


def _drawing(axes: Sequence[_Axis], lines: Sequence[tuple[int, str]], width: int) -> Html:
    return _across(axes, lines) if width == WIDE else _downward(axes, lines)


def _across(axes: Sequence[_Axis], lines: Sequence[tuple[int, str]]) -> Html:
    """Axes upright, beside each other."""
    top, foot, height, side = 34, 26, 340, 60
    step = (WIDE - 2 * side) / (len(axes) - 1)
    marks: list[Content] = []
    for trial, kind in lines:
        places = [(side + step * index, _level(axis, trial, top, height)) for index, axis in enumerate(axes)]
        marks.append(_path(places, kind, trial))
    for index, axis in enumerate(axes):
        x = side + step * index
        marks += [text(x, 16, axis.label, "name mid"), line(x, top, x, top + height, "axis")]
        marks += [
            text(x + 6, top + (1 - tick.part) * height + 4, tick.label, "tick over")
            for tick in axis.scale.ticks(6)
        ]
        if _some_lack(axis, lines):
            marks.append(text(x + 6, top + height + 18, "none", "tick over"))
    return svg(WIDE, top + height + foot, *marks, says="Choices and scores of trials, a line each.")


def _some_lack(axis: _Axis, lines: Sequence[tuple[int, str]]) -> bool:
    return any(trial not in axis.parts for trial, _ in lines)


def _level(axis: _Axis, trial: int, top: float, height: float) -> float:
    part = axis.parts.get(trial)
    return top + height + 14 if part is None else top + (1 - part) * height


def _downward(axes: Sequence[_Axis], lines: Sequence[tuple[int, str]]) -> Html:
    """Axes level, one below the other, for narrow screens."""
    top, step, left, inner = 26, 74, 14, HALF - 40
    marks: list[Content] = []
    for trial, kind in lines:
        parts = [axis.parts.get(trial) for axis in axes]
        places = [
            (left + inner + 16 if part is None else left + part * inner, top + step * index)
            for index, part in enumerate(parts)
        ]
        marks.append(_path(places, kind, trial))
    for index, axis in enumerate(axes):
        y = top + step * index
        marks += [line(left, y, left + inner, y, "axis"), text(left, y - 10, axis.label, "name over")]
        marks += _labels_beneath(axis, left, inner, y)
    return svg(
        HALF, top + step * (len(axes) - 1) + 24, *marks, says="Choices and scores of trials, a line each."
    )


def _labels_beneath(axis: _Axis, left: float, inner: float, y: float) -> Iterator[Html]:
    """In two rows, where they would run into each other in one."""
    ticks = axis.scale.ticks(5)
    crowded = sum(len(tick.label) * LETTER + 6 for tick in ticks) > inner
    for index, tick in enumerate(ticks):
        side = "start" if tick.part < 0.12 else "end" if tick.part > 0.88 else "mid"
        lower = 12 if crowded and index % 2 else 0
        yield text(left + tick.part * inner, y + 15 + lower, tick.label, f"tick over {side}")


def _path(places: Sequence[tuple[float, float]], kind: str, trial: int) -> Html:
    points = " ".join(f"{number(x)},{number(y)}" for x, y in places)
    return tag("polyline", points=points, class_=f"thread {kind}", data_t=str(trial))
