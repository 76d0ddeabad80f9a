"""What ``search explain`` claims, on games whose true values are known.

A game gives every set of changes a true mean score, and draws what trainings with some seeds score. It
goes through the product's own greedy path, Shapley values and intervals. *All* is the share of explanations
in which every interval holds the truth, *a claim* that of explanations that call any change significant; *one
share by itself* and *one step by itself* are intervals of the same standard errors, not widened for many
looks. Beside them, without a bound: Student's interval of each share's own values by seed, which knows
neither rows nor sampled orders, nor that many figures are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from common.figures import Figure, share
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from search.evaluation.contrasts import Part, RowNoise, half_widths
from search.explaining.attribution import (
    MOST_EXACT,
    Changed,
    Values,
    attribute,
    every_set,
    greedy_order,
    sampled_orders,
    shapley_weights,
    weighted,
)
from search.explaining.figures import Figures, Layout, Measured
from workers.training.scores import score

STUDIES = 200
"""Simulated explanations a cell."""

LABELS = np.repeat(np.array([0, 1], dtype=np.int64), [675, 103])
"""The classes of the validation rows, as many as the built-in text messages have."""

SHARED, OWN_OF_SET = 0.6, 0.15
"""Parts of the variance of what a network makes of a row: the row's, and the row's for one configuration."""

CUT = 1.0
"""What a network makes of a row, above which it predicts the positive class."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """Simulated trainings: scores by set and seed, and where rows are simulated, what they predict."""

    values: Mapping[Changed, Values]
    predicted: Mapping[Changed, NDArray[np.int64]] | None = None


Draw = Callable[[np.random.Generator], Drawn]


@dataclass(frozen=True, eq=False)
class Game:
    """True means by set, and how trainings are drawn."""

    name: str
    changes: int
    truth: Mapping[Changed, float]
    draw: Draw


@dataclass
class Counts:
    """What was seen in the simulated explanations."""

    together: list[bool] = field(default_factory=list)
    claims: list[bool] = field(default_factory=list)
    first: list[bool] = field(default_factory=list)
    shares_alone: list[bool] = field(default_factory=list)
    steps_alone: list[bool] = field(default_factory=list)
    students: list[bool] = field(default_factory=list)
    students_claims: list[bool] = field(default_factory=list)
    widths: list[tuple[float, float, float]] = field(default_factory=list)


def measure(repetitions: int) -> Sequence[Figure]:
    """All cells."""
    return list(_figures(STUDIES * repetitions))


def _figures(studies: int) -> Iterator[Figure]:
    effects = (0.1, 0.05, -0.03, 0.0)
    pairs = {(0, 1): 0.2, (0, 2): -0.15, (1, 3): 0.1, (2, 3): 0.15}
    for game in (
        normal("additive, 3 seeds", effects, {}, 3),
        normal("interactions, 3 seeds", effects, pairs, 3),
    ):
        yield from covered(game.name, _simulate(game, studies), shorter=0.65)
    for changes, seeds in ((4, 3), (6, 3), (4, 10)):
        name = f"nothing to find, {changes} changes, {seeds} seeds"
        yield from silent(name, _simulate(normal(name, (0.0,) * changes, {}, seeds), studies))
    triples = {(0, 1, 2): 0.4, (2, 3, 4): -0.3}
    sampled = (*effects, 0.02, -0.05, 0.04, 0.0)
    for name, together in (("pairs interact", pairs), ("triples interact", triples)):
        game = normal(f"10 sampled orders of 8, {name}", sampled, together, 3)
        yield from covered(game.name, _simulate(game, studies // 2))
    for rate, seeds in ((0.1, 3), (0.3, 3), (0.3, 10)):
        name = f"each training fails with {rate:.0%}, {seeds} seeds"
        yield from silent(name, _simulate(failing(name, 4, seeds, rate, needed=False), studies))
    for rate, seeds in ((0.3, 3), (0.3, 10)):
        name = f"one change needed, then fails with {rate:.0%}, {seeds} seeds"
        found = _simulate(failing(name, 4, seeds, rate, needed=True), studies)
        yield from covered(name, found)
        yield share(f"{name}: that change is claimed", sum(found.first), studies, at_least=60)
    # The limit: what no seed shows is in no interval.
    for seeds in (3, 10):
        name = f"one of 2 changes needed, then fails with 10%, {seeds} seeds"
        found = _simulate(failing(name, 2, seeds, 0.1, needed=True), studies)
        yield share(f"{name}: all", sum(found.together), studies)
    for seeds in (3, 10):
        name = f"equal on other rows, {seeds} seeds"
        yield from silent(name, _simulate(on_rows(name, (0.0, 0.0, 0.0), seeds), studies))
    name = "one change of 3 worth 0.09 F1 on other rows, 5 seeds"
    found = _simulate(on_rows(name, (0.6, 0.0, 0.0), 5), studies)
    yield from covered(name, found)
    yield share(f"{name}: that change is claimed", sum(found.first), studies, at_least=80)


def covered(name: str, found: Counts, shorter: float | None = None) -> Iterator[Figure]:
    """Coverage where there is something to find."""
    yield share(f"{name}: all", sum(found.together), len(found.together), at_least=90)
    yield share(f"{name}: one share by itself", sum(found.shares_alone), len(found.shares_alone), at_least=92)
    yield share(f"{name}: one step by itself", sum(found.steps_alone), len(found.steps_alone))
    yield share(f"{name}: one share, Student's", sum(found.students), len(found.students))
    ours, alone, students = np.mean(found.widths, axis=0)
    yield Figure(f"{name}: width by itself, to Student's", float(alone / students), at_most=shorter)
    yield Figure(f"{name}: width of all at once, to Student's", float(ours / students))


def silent(name: str, found: Counts) -> Iterator[Figure]:
    """Where there is nothing to find."""
    yield share(f"{name}: a claim", sum(found.claims), len(found.claims), at_most=9)
    yield share(f"{name}: a claim, Student's", sum(found.students_claims), len(found.claims))
    yield share(f"{name}: all", sum(found.together), len(found.together), at_least=90)


def normal(
    name: str, effects: Sequence[float], together: Mapping[tuple[int, ...], float], seeds: int
) -> Game:
    """Effects that add up, and more where changes are made together; normal noise of seeds and trainings."""
    truth = {
        made: 0.5
        + sum(effects[change] for change in made)
        + sum(more for changes, more in together.items() if made.issuperset(changes))
        for made in every_set(len(effects))
    }

    def draw(generator: np.random.Generator) -> Drawn:
        of_seeds = generator.normal(0.0, 0.02, seeds)
        noise = generator.normal(0.0, 0.03, (len(truth), seeds))
        return Drawn(_values(truth, np.array(list(truth.values()))[:, None] + of_seeds + noise))

    return Game(name, len(effects), truth, draw)


def failing(name: str, changes: int, seeds: int, rate: float, *, needed: bool) -> Game:
    """A training scores 0.9, or 0 where it fails; if the first change is ``needed``, all fail without it."""
    chances = {made: 1.0 if needed and 0 not in made else rate for made in every_set(changes)}
    truth = {made: 0.9 * (1.0 - chance) for made, chance in chances.items()}

    def draw(generator: np.random.Generator) -> Drawn:
        failed = generator.random((len(truth), seeds)) < np.array(list(chances.values()))[:, None]
        return Drawn(_values(truth, np.where(failed, 0.0, 0.9)))

    return Game(name, changes, truth, draw)


def on_rows(name: str, gains: Sequence[float], seeds: int) -> Game:
    """Networks that are right about a row or wrong, of which other rows of the same kind would say more.

    What a network makes of a row is normal around a distance between the classes, as in signal detection; a
    part of it is the row's for all networks, a part the row's for one configuration. So the true F1, over all
    rows that there could be, follows from the normal distribution function.

    Args:
        gains: by how much each change moves the classes apart, in standard deviations.
    """
    sets = every_set(len(gains))
    distances = {made: 3.0 + sum(gains[change] for change in made) for made in sets}
    positive = LABELS.mean()
    truth = {}
    for made, distance in distances.items():
        recall, fallout = ndtr(distance / 2 - CUT), ndtr(-distance / 2 - CUT)
        called = positive * recall + (1.0 - positive) * fallout
        truth[made] = float(2.0 * positive * recall / (positive + called))
    own = 1.0 - SHARED - OWN_OF_SET

    def draw(generator: np.random.Generator) -> Drawn:
        of_rows = SHARED**0.5 * generator.normal(size=len(LABELS))
        predicted, scores = {}, []
        for made, distance in distances.items():
            of_set = OWN_OF_SET**0.5 * generator.normal(size=len(LABELS))
            z = (LABELS - 0.5) * distance + of_rows + of_set
            z = z + own**0.5 * generator.normal(size=(seeds, len(LABELS)))
            predicted[made] = (z > CUT).astype(np.int64)
            scores.append([score(LABELS, np.eye(2)[one], 1).f1 for one in predicted[made]])
        return Drawn(_values(truth, np.array(scores)), predicted)

    return Game(name, len(gains), truth, draw)


def _simulate(game: Game, studies: int) -> Counts:
    found, generator = Counts(), np.random.default_rng(12)
    exact = {made: (Fraction(one),) for made, one in game.truth.items()}
    shapley = [float(weighted(weights, exact)[0]) for weights in shapley_weights(game.changes)]
    for number in range(studies):
        drawn = game.draw(generator)
        values = drawn.values
        order = greedy_order(game.changes, lambda sets, values=values: {made: values[made] for made in sets})
        orders = sampled_orders(game.changes, 5, number) if game.changes > MOST_EXACT else ()
        dealt = attribute(order, orders)
        # Every set would be trained up to six changes; beyond, those that are asked for.
        all_weights = (*dealt.shares, *dealt.path, *dealt.compared, dealt.gap)
        sets = tuple(dict.fromkeys(made for weights in all_weights for made in weights))
        layout = Layout({made: (place, 0) for place, made in enumerate(sets)}, len(sets), ("f1",))
        scores = np.array([[[float(one) for one in values[made]]] for made in sets])
        figures = Figures(dealt, layout)
        rows = _rows(drawn, figures, sets)
        judged = figures.judged(values, scores, rows)
        halves = half_widths(figures.parts(values, scores, rows), np.zeros(len(figures.weights), dtype=bool))
        shares, steps = np.split(halves.alone[: 2 * game.changes], 2)
        path = [float(weighted(weights, exact)[0]) for weights in dealt.path]
        found.shares_alone += _hold(judged.shares, shapley, shares)
        found.steps_alone += _hold(judged.path, path, steps)
        both = zip((*judged.shares, *judged.path), (*shapley, *path), strict=True)
        found.together.append(all(_holds(one, true) for one, true in both))
        claims = [one.verdict in ("more", "less") for one in (*judged.shares, *judged.path, judged.gap)]
        found.claims.append(any(claims))
        found.first.append(claims[0])
        students = [_student(weighted(weights, values)) for weights in dealt.shares]
        found.students += [_holds(one, true) for one, true in zip(students, shapley, strict=True)]
        found.students_claims.append(any(one.verdict in ("more", "less") for one in students))
        widths = zip(map(_width, judged.shares), 2.0 * shares, map(_width, students), strict=True)
        found.widths += [(float(ours), float(alone), float(others)) for ours, alone, others in widths]
    return found


def _rows(drawn: Drawn, figures: Figures, sets: Sequence[Changed]) -> Part | None:
    if drawn.predicted is None:
        return None
    noise = RowNoise(LABELS, 1, ("f1",), figures.weights)
    for seed in range(len(drawn.values[frozenset()])):
        for place, made in enumerate(sets):
            noise.add(place, np.eye(2)[drawn.predicted[made][seed]])
        noise.end_seed()
    return noise.part()


def _values(truth: Mapping[Changed, float], scores: NDArray[np.float64]) -> dict[Changed, Values]:
    return {made: tuple(map(Fraction, row)) for made, row in zip(truth, scores, strict=True)}


def _hold(several: Sequence[Measured], truths: Sequence[float], halves: NDArray[np.float64]) -> list[bool]:
    return [
        abs(one.value - true) <= half + 1e-9 for one, true, half in zip(several, truths, halves, strict=True)
    ]


def _holds(one: Measured, true: float) -> bool:
    if one.low is None or one.high is None:
        raise ValueError("no interval")
    return one.low - 1e-9 <= true <= one.high + 1e-9


def _width(one: Measured) -> float:
    return (one.high or 0.0) - (one.low or 0.0)


def _student(values: Values) -> Measured:
    """The mean with Student's interval over the seeds."""
    numbers = np.array(values, dtype=np.float64)
    half = float(stdtrit(len(numbers) - 1, 0.975) * numbers.std(ddof=1) / len(numbers) ** 0.5)
    return Measured(float(numbers.mean()), float(numbers.mean()) - half, float(numbers.mean()) + half)
