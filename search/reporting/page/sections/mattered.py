"""What mattered: each choice's part, and how the score changes along it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from search.importance.importance import Importance, ImportanceGroup
from search.importance.ped_shares import Share
from search.importance.sentences import chance_mark, sentence, significance
from search.importance.variance import Effect
from search.reporting.charts.frame import HALF, box, line, svg, text
from search.reporting.charts.plane import planes
from search.reporting.charts.scales import Linear
from search.reporting.charts.slices import slices
from search.reporting.html import Content, Html, joined, tag
from search.reporting.markup import Section, beside, figure, paragraph
from search.reporting.report import StudyReport
from search.reporting.words import FRAMEWORKS, counted, parameter_label
from search.words import brief_label

ROW = 26
"""Pixels that a bar has."""


def mattered(report: StudyReport) -> Section | None:
    """Shares, slices, the plane of the two most important, and telling regions."""
    if report.best is None:
        return None
    found = report.importance
    said = any(group.shares for group in (found.overall, *found.frameworks))
    reason = f"How much each choice mattered can't be said yet: {found.overall.reason}."
    return Section(
        "mattered",
        "What mattered",
        _title(found.overall),
        joined(
            None if said else paragraph(reason),
            _regions(report),
            _shares(found) if said else None,
            slices(report),
            planes(report),
        ),
    )


def _title(group: ImportanceGroup) -> str:
    return f"What mattered most: {parameter_label(group.most)}" if group.most else "What mattered"


def _regions(report: StudyReport) -> Html | None:
    regions = report.importance.regions
    if not regions:
        return None
    label = brief_label(report.metric)
    return joined(
        paragraph("Where it always did badly or well (chance gives such a sentence in one study of twenty):"),
        tag("ul", (tag("li", sentence(region, label)) for region in regions)),
    )


def _shares(found: Importance) -> Html:
    """Both measures over all trials, and within each framework."""
    inner = [group for group in found.frameworks if group.shares]
    return joined(
        tag("h3", "Importance over all trials", tag("small", _rests_on(found.overall))),
        beside(*_measures(found.overall, "")),
        _certain(found.overall),
        tag("h3", "Importance within each framework") if inner else None,
        beside(*(drawn for group in inner for drawn in _measures(group, _within(group)))),
        (_certain(group) for group in inner),
    )


def _within(group: ImportanceGroup) -> str:
    return f"{FRAMEWORKS.get(group.framework, group.framework)},{_rests_on(group)}: "


def _rests_on(group: ImportanceGroup) -> str:
    early = f", {group.stopped:,} of them stopped early" if group.stopped else ""
    return f" {counted(group.trials, 'trial')}{early}"


def _measures(group: ImportanceGroup, where: str) -> Iterator[Html]:
    """What changes the score, where that is known, and what sets the best apart."""
    variance = group.variance
    effects = {effect.axes[0]: effect for effect in variance.effects}
    shares = sorted(
        group.shares, key=lambda share: -effects[share.axis].share if share.axis in effects else 0.0
    )
    if effects:
        yield figure(
            f"{where}changes the score",
            _bars([(one.axis, _of_effect(effects[one.axis])) for one in shares if one.axis in effects]),
            "Of what the choices explain of the score's variance, each one's own part; noise is left out "
            f"(fANOVA). The model explains {variance.explained:.0%} of the variance of unseen trials.",
            kind="plainly",
        )
    why_one = f" What changes the score can't be said: {variance.reason}." if variance.reason else ""
    mark = chance_mark([group], "Pale")
    pale = f" {mark}" if mark else ""
    yield figure(
        f"{where}sets the best apart",
        _bars([(share.axis, _of_share(share)) for share in shares]),
        f"What the best {group.best:,} of the {group.trials:,} have in common and the rest have not "
        f"(PED-ANOVA).{pale}{why_one}",
        kind="plainly",
    )


def _certain(group: ImportanceGroup) -> Html:
    """What is significant after correcting for all that was looked at."""
    framework = FRAMEWORKS.get(group.framework, group.framework)
    where = f"Within {framework}" if framework else "Over all trials"
    words = f"{where}: {significance(group)}."
    both = group.variance.interaction
    if both is not None:
        one, other = (parameter_label(axis) for axis in both.axes)
        words += (
            f" {one} and {other} interact: together they explain at least about {both.share:.0%} more than "
            f"each alone (95%: {both.low:.0%} to {both.high:.0%})."
        )
    elif group.variance.pairs:
        words += " No two choices interact significantly."
    return paragraph(words)


def _of_effect(effect: Effect) -> tuple[float, float, float, bool]:
    return effect.share, effect.low, effect.high, effect.low <= 0


def _of_share(share: Share) -> tuple[float, float, float, bool]:
    return share.share, share.low, share.high, share.by_chance


def _bars(rows: Sequence[tuple[str, tuple[float, float, float, bool]]]) -> Html:
    """Shares as bars with their 95% intervals; those that may be chance are pale."""
    left, right, top = 158, 44, 4
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
