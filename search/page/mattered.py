"""What mattered: each choice's part, and how the score changes along it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from search.importance import ImportanceGroup
from search.importance_shares import Share
from search.importance_variance import Curve, CurveCell, Effect, Plane
from search.page.drawn import placed, scale_of, shade, shake
from search.page.frame import HALF, Dot, Frame, box, line, svg, text
from search.page.html import Content, Html, joined, tag
from search.page.scales import Bands, Linear, Scale, category, score_scale
from search.page.section import Section, beside, figure, legend, paragraph
from search.page.words import FRAMEWORKS, framework_name, metric_label, parameter_label
from search.render_importance import sentence
from search.results import StudyReport
from search.score_labels import brief_label
from search.tables import count_of
from studies.distributions import Distribution, Value

MOST_SLICES = 6
"""Parameters that are drawn one by one."""

ROW = 26
"""Pixels that a bar has."""


def mattered(report: StudyReport) -> Section | None:
    """Shares, slices, the plane of the two most important, and telling regions."""
    if report.best is None:
        return None
    found = report.importance
    groups = [group for group in (found.overall, *found.frameworks) if group.shares]
    reason = (
        None
        if groups
        else paragraph(f"How much each choice mattered can't be said yet: {found.overall.reason}.")
    )
    return Section(
        "mattered",
        "What mattered",
        _title(found.overall),
        joined(
            reason,
            _regions(report),
            [_group(group) for group in groups],
            _slices(report),
            _planes(report),
        ),
    )


def _title(group: ImportanceGroup) -> str:
    certain = [effect for effect in group.variance.effects if effect.low > 0]
    if certain:
        return f"What mattered most: {parameter_label(certain[0].axes[0])}"
    shares = [share for share in group.shares if not share.by_chance]
    return f"What mattered most: {parameter_label(shares[0].axis)}" if shares else "What mattered"


def _regions(report: StudyReport) -> Html | None:
    regions = report.importance.regions
    if not regions:
        return None
    label = brief_label(report.metric)
    return joined(
        paragraph("Where it always did badly or well (chance gives such a sentence in one study of twenty):"),
        tag("ul", (tag("li", sentence(region, label)) for region in regions)),
    )


def _group(group: ImportanceGroup) -> Html:
    name = (
        f"within {FRAMEWORKS.get(group.framework, group.framework)}" if group.framework else "over all trials"
    )
    effects = {effect.axes[0]: effect for effect in group.variance.effects}
    axes = sorted(
        (share.axis for share in group.shares),
        key=lambda axis: -effects[axis].share if axis in effects else 0.0,
    )
    shares = {share.axis: share for share in group.shares}
    beneath = group.variance.reason
    explained = (
        f"No such figure: {beneath}."
        if beneath
        else f"The part of the score's variance that a choice explains alone, by a model that explains "
        f"{group.variance.explained:.0%} of the variance of trials it hasn't seen (fANOVA)."
    )
    early = f", {group.stopped:,} of them stopped early" if group.stopped else ""
    return joined(
        tag("h3", f"Importance {name}", tag("small", f" {count_of(group.trials, 'trial')}{early}")),
        beside(
            figure(
                "Changes the score",
                _bars([(axis, _of_effect(effects[axis])) for axis in axes if axis in effects])
                if effects
                else None,
                explained,
                kind="plainly",
            ),
            figure(
                "Sets the best apart",
                _bars([(axis, _of_share(shares[axis])) for axis in axes]),
                f"What the best {group.best:,} of the {group.trials:,} have in common and the rest have not "
                "(PED-ANOVA). Pale: may be chance.",
                kind="plainly",
            ),
        ),
        _interaction(group),
    )


def _interaction(group: ImportanceGroup) -> Html | None:
    both = group.variance.interaction
    if both is None or round(both.share, 2) <= 0:
        return None
    one, other = (parameter_label(axis) for axis in both.axes)
    return paragraph(
        f"{one} and {other} together explain {both.share:.0%} more than each alone "
        f"(95%: {both.low:.0%} to {both.high:.0%})."
    )


def _of_effect(effect: Effect) -> tuple[float, float, float, bool]:
    return effect.share, effect.low, effect.high, effect.low <= 0


def _of_share(share: Share) -> tuple[float, float, float, bool]:
    return share.share, share.low, share.high, share.by_chance


def _bars(rows: Sequence[tuple[str, tuple[float, float, float, bool]]]) -> Html:
    """Shares as bars with their 95% intervals; those that may be chance are pale."""
    left, right, top = 146, 44, 4
    inner, floor = HALF - left - right, top + ROW * len(rows)
    scale = Linear(0.0, 1.0)
    marks: list[Content] = [
        line(left + part * inner, top, left + part * inner, floor, "grid") for part in (0.25, 0.5, 0.75, 1)
    ]
    for index, (axis, (share, low, high, pale)) in enumerate(rows):
        y = top + ROW * index
        middle = y + ROW / 2
        marks += [
            text(left - 8, middle + 4, parameter_label(axis), "name end"),
            box(
                left,
                y + 5,
                scale.part(share) * inner,
                ROW - 10,
                "bar pale" if pale else "bar",
                f"95%: {low:.0%} to {high:.0%}",
            ),
            line(left + low * inner, middle, left + high * inner, middle, "whisker"),
            text(left + max(share, high) * inner + 6, middle + 4, f"{share:.0%}", "value"),
        ]
    marks.append(line(left, top, left, floor, "axis"))
    return svg(
        HALF,
        floor + 4,
        *marks,
        says="; ".join(f"{parameter_label(axis)} {values[0]:.0%}" for axis, values in rows),
    )


def _slices(report: StudyReport) -> Html | None:
    """Scores along each parameter, those that explain most first."""
    order = _ordered(report)
    found = report.scored
    drawings = [_slice(report, name, report.parameters[name]) for name in order] if found else []
    shown = [drawing for drawing in drawings if drawing is not None][:MOST_SLICES]
    if not shown:
        return None
    model = any(group.variance.curves for group in (report.importance.overall, *report.importance.frameworks))
    reading = "A dot is one trial."
    if model:
        reading += " The line is the mean score that the model predicts, all else drawn; its band holds 95%."
    used = [(name, FRAMEWORKS.get(name, name)) for name in sorted(report.best_by_framework)]
    return joined(
        tag("h3", "Score along each choice"),
        legend(*used),
        beside(*shown),
        paragraph(reading, kind="reading"),
    )


def _ordered(report: StudyReport) -> list[str]:
    effects = {effect.axes[0]: effect.share for effect in report.importance.overall.variance.effects}
    shares = {share.axis: share.share for share in report.importance.overall.shares}
    names = [name for name in report.parameters if name in effects or name in shares or not shares]
    return sorted(names, key=lambda name: (-effects.get(name, 0.0), -shares.get(name, 0.0)))


def _slice(report: StudyReport, name: str, distribution: Distribution) -> Html | None:
    found = [
        (record, value, score)
        for record, score in report.scored
        if (value := placed(record, name, distribution)) is not None
    ]
    if len({value for _, value, _ in found}) < 2:
        return None
    scale = scale_of(distribution)
    shaken = 0.62 / len(scale.values) if isinstance(scale, Bands) else 0.0
    # Scores are on one axis in all slices, so that what matters little looks flat.
    frame = Frame(scale, score_scale([score for _, score in report.scored]), height=_height(scale))
    frame = Frame(scale, frame.y, height=_height(scale), bottom=_bottom(scale))
    curve = _curve(report, name)
    dots = [
        (
            framework_name(record.configuration).lower(),
            Dot(value, score, record.number, shake(record.number) * shaken),
        )
        for record, value, score in found
    ]
    drawing = frame.svg(
        frame.axes("", metric_label(report)),
        *(frame.dots((dot for framework, dot in dots if framework == kind), kind) for kind in FRAMEWORKS),
        _model(frame, curve) if curve is not None else None,
        says=f"Score by {parameter_label(name)}.",
    )
    return figure(parameter_label(name), drawing, kind="plainly")


def _height(scale: Scale) -> int:
    return 196 + _bottom(scale)


def _bottom(scale: Scale) -> int:
    """More room below where the categories' names lean."""
    longest = (
        max((len(category(value)) for value in scale.values), default=0) if isinstance(scale, Bands) else 0
    )
    crowded = isinstance(scale, Bands) and longest * 6.6 > 386 / len(scale.values)
    return 16 + round(longest * 4.2) if crowded else 24


def _curve(report: StudyReport, name: str) -> Curve | None:
    curves = (curve for curve in report.importance.overall.variance.curves if curve.axis == name)
    return next(curves, None)


def _model(frame: Frame, curve: Curve) -> Html:
    """The predicted mean, as a step in each cell, in its band."""
    spans = [(cell, *_span(frame, cell)) for cell in curve.cells if cell.trials and cell.mean == cell.mean]
    bands = (
        box(
            first,
            frame.down(cell.high),
            last - first,
            frame.down(cell.low) - frame.down(cell.high),
            "band model",
        )
        for cell, first, last in spans
    )
    path = "".join(f"M{first:.1f} {frame.down(cell.mean):.1f}H{last:.1f}" for cell, first, last in spans)
    return joined(bands, tag("path", class_="line model", d=path))


def _span(frame: Frame, cell: CurveCell) -> tuple[float, float]:
    """From where to where a cell goes, in pixels."""
    if cell.first != cell.last:
        return frame.across(cell.first), frame.across(cell.last)
    middle = frame.across(cell.first)
    half = frame.inner_width / len(frame.x.values) / 2 - 3 if isinstance(frame.x, Bands) else 8
    return middle - half, middle + half


def _planes(report: StudyReport) -> Html | None:
    groups = [group for group in report.importance.frameworks if group.variance.plane is not None]
    groups = groups or [group for group in (report.importance.overall,) if group.variance.plane is not None]
    drawings = [
        _plane(report, group, plane) for group in groups if (plane := group.variance.plane) is not None
    ]
    if not drawings:
        return None
    scale = legend(*((f"q{index}", words) for index, words in _shades(report)))
    return joined(
        tag("h3", "The two choices that explain most, together"),
        scale,
        beside(*drawings),
        paragraph(
            "Fields have the colour of the score that the model predicts, dots that of the trial.",
            kind="reading",
        ),
    )


def _shades(report: StudyReport) -> Iterator[tuple[int, str]]:
    low, high = _ends(report)
    for index in (0, 3, 6):
        yield index, f"{low + (high - low) * (index + 0.5) / 7:.2f}"


def _ends(report: StudyReport) -> tuple[float, float]:
    scores = [score for _, score in report.scored]
    return min(scores), max(scores)


def _plane(report: StudyReport, group: ImportanceGroup, plane: Plane) -> Html:
    names = [_full_name(report, axis, group.framework) for axis in plane.axes]
    scales = [_scale(report.parameters[name], cells) for name, cells in zip(names, plane.cells, strict=True)]
    order = (1, 0) if isinstance(scales[0], Bands) and not isinstance(scales[1], Bands) else (0, 1)
    across, down = scales[order[0]], scales[order[1]]
    widest = max(len(category(value)) for value in down.values) if isinstance(down, Bands) else 5
    frame = Frame(
        across,
        down,
        height=230 + _bottom(across),
        left=max(44, round(widest * 6.6) + 12),
        bottom=_bottom(across),
    )
    low, high = _ends(report)
    fields = []
    for first, row in zip(plane.cells[0], plane.means, strict=True):
        for second, mean in zip(plane.cells[1], row, strict=True):
            if mean is not None:
                cell = (first, second)
                fields.append(
                    _field(frame, cell[order[0]], cell[order[1]], shade(mean, low, high), f"{mean:.3f}")
                )
    dots = _shaded(report, names[order[0]], names[order[1]], frame, group.framework)
    labels = [parameter_label(plane.axes[index]) for index in order]
    drawing = frame.svg(
        fields, dots, frame.axes("", labels[1]), says=f"Score by {labels[0]} and {labels[1]}."
    )
    where = f" within {FRAMEWORKS.get(group.framework, group.framework)}" if group.framework else ""
    return figure(f"{labels[0]} and {labels[1]}{where}", drawing, kind="plainly plane")


def _scale(distribution: Distribution, cells: Sequence[tuple[Value, Value]]) -> Scale:
    """Bands where each cell is one value, so that all of them have some width."""
    single = all(first == last for first, last in cells)
    return Bands(tuple(first for first, _ in cells)) if single else scale_of(distribution)


def _full_name(report: StudyReport, axis: str, framework: str) -> str:
    return axis if axis in report.parameters else f"{axis}.{framework}"


def _field(
    frame: Frame, across: tuple[Value, Value], down: tuple[Value, Value], kind: str, says: str
) -> Html:
    left, right = _ends_of(frame.x, across)
    low, high = _ends_of(frame.y, down)
    x, y = frame.left + left * frame.inner_width, frame.top + (1 - high) * frame.inner_height
    return box(
        x,
        y,
        (right - left) * frame.inner_width + 0.4,
        (high - low) * frame.inner_height + 0.4,
        f"field {kind}",
        says,
    )


def _ends_of(scale: Scale, cell: tuple[Value, Value]) -> tuple[float, float]:
    """From where to where a cell goes, as parts of the axis."""
    if isinstance(scale, Bands):
        middle, half = scale.part(cell[0]), 0.5 / len(scale.values)
        return middle - half, middle + half
    return scale.part(cell[0]), scale.part(cell[1])


def _shaded(report: StudyReport, x: str, y: str, frame: Frame, framework: str) -> Iterator[Html | None]:
    low, high = _ends(report)
    shaken = [0.6 / len(scale.values) if isinstance(scale, Bands) else 0.0 for scale in (frame.x, frame.y)]
    found: dict[str, list[Dot]] = {}
    for record, score in report.scored:
        configuration = record.configuration
        if framework and (configuration is None or configuration.framework != framework):
            continue
        across, down = placed(record, x, report.parameters[x]), placed(record, y, report.parameters[y])
        if across is not None and down is not None:
            dot = Dot(
                across,
                down,
                record.number,
                shake(record.number) * shaken[0],
                shake(record.number * 7) * shaken[1],
            )
            found.setdefault(shade(score, low, high), []).append(dot)
    for kind, dots in sorted(found.items()):
        yield frame.dots(dots, f"ringed {kind}")
