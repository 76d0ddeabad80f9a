"""How sure differences between trained configurations are: seeds, rows and sampled orders together. Pure.

A *figure* is a weighted sum of mean scores: a step is one configuration's less another's, a Shapley value
counts many. Its variance has up to three parts.

- **Seeds.** Scores are a table of trainings × seeds on the same rows. Once the means of trainings and of
  seeds are taken out, the residuals estimate one error variance for all, with (trainings - 1)(seeds - 1)
  degrees of freedom, where one difference of three seeds has 2 (H. Scheffé, "The Analysis of Variance", 1959,
  chapter 4). Trainings of which some fail to learn are noisier than others. So a figure's own variance over
  the seeds counts beside the pooled one, the more the more unequal the trainings' variances are (G. Smyth,
  "Linear models and empirical Bayes methods", Statistical Applications in Genetics and Molecular Biology 3,
  2004).
- **Rows.** All trainings are scored on the same rows, a sample too. Their part is the covariance of two
  *different* seeds' figures over other rows: what a row does with one seed alone is in the part of the seeds
  already (N. Obuchowski and H. Rockette, Communications in Statistics 24, 1995; S. Hillis, Statistics in
  Medicine 26, 2007). It comes from influences, within classes, with half a row added for each way in which
  the figure's two sides can be right or wrong about it (as in A. Agresti and Y. Min, "Simple improved
  confidence intervals for comparing matched proportions", Statistics in Medicine 24, 2005).
- **Orders**, where Shapley values are means over sampled ones: the variance between pairs of orders.

The parts are added, with Satterthwaite's degrees of freedom. There are many figures, and the greedy path
takes the largest: intervals are widened together, so that all hold at once in 95% of explanations
(T. Hothorn, F. Bretz and P. Westfall, "Simultaneous inference in general parametric models", Biometrical
Journal 50, 2008).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from search.evaluation.influence import ADDED, Answers, Influence, influence

Floats = NDArray[np.float64]

LEVEL = 0.95
"""Coverage of the intervals."""

ROUNDING = 1e-12
"""Differences of scores below this are rounding."""

SAMPLES = 5_000
"""Samples of all figures' errors at once, from which the widening is read; its own error is about 1%."""


@dataclass(frozen=True, eq=False)
class Part:
    """One source's part of the variance of each figure.

    Attributes:
        covariance: (figures, figures).
        degrees: (figures,) of freedom with which its diagonal is known.
    """

    covariance: Floats
    degrees: Floats

    @property
    def variances(self) -> Floats:
        """(figures,)."""
        return np.diagonal(self.covariance)


def of_seeds(scores: Floats, weights: Floats) -> Part:
    """The part of other seeds, on the same rows.

    Args:
        scores: (trainings, metrics, seeds), each training by each score that is used; two seeds at least.
        weights: (figures, trainings, metrics) of the means over the seeds.
    """
    trainings, _, seeds = scores.shape
    by_seed = scores.mean(axis=0)
    residuals = scores - scores.mean(axis=2, keepdims=True) - by_seed + by_seed.mean(axis=1)[:, None]
    residuals[np.abs(residuals) < ROUNDING] = 0.0
    degrees = (trainings - 1) * (seeds - 1)
    error = np.einsum("tqs,trs->qr", residuals, residuals) / max(degrees, 1)
    common = np.cov(by_seed).reshape(error.shape) - error / trainings
    # The seeds' own effect cancels in differences, but for those between one score and another.
    net = weights.sum(axis=1)
    of_errors = np.einsum("atq,qr,btr->ab", weights, error, weights) / seeds
    of_common = _possible(net @ common @ net.T / seeds)
    pooled, own = of_errors + of_common, np.einsum("ftq,tqs->fs", weights, scores)
    own_variances = np.where(np.ptp(own, axis=1) < ROUNDING, 0.0, own.var(axis=1, ddof=1)) / seeds
    known = _satterthwaite(
        (np.diagonal(of_errors), np.full(len(own), max(degrees, 1))),
        (np.diagonal(of_common), np.full(len(own), seeds - 1)),
    )
    prior = np.minimum(_prior_degrees(residuals, error), known) if degrees else np.zeros(len(own))
    variances = (prior * np.diagonal(pooled) + (seeds - 1) * own_variances) / (prior + seeds - 1)
    # As equal as they can be, the own variance is one of those that are pooled.
    freedom = np.minimum(prior + seeds - 1, np.maximum(known, seeds - 1))
    return Part(_with_variances(pooled, variances), freedom)


def of_orders(by_pair: Floats, figures: int) -> Part:
    """The part of sampled orders, of Shapley values that are the first of ``figures`` figures.

    Args:
        by_pair: (pairs, changes) what each change contributes, in the mean over two orders and the seeds.
        figures: how many there are in all.
    """
    pairs, changes = by_pair.shape
    own = by_pair.var(axis=0, ddof=1) / pairs if pairs > 1 else np.full(changes, np.inf)
    variances = np.zeros(figures)
    # A few orders that agree by luck prove no variance of zero: half comes from the other changes' orders.
    variances[:changes] = (own + own.mean()) / 2.0
    return Part(np.diag(variances), np.full(figures, max(2.0 * (pairs - 1.0), 1.0)))


@dataclass
class RowNoise:
    """Adds up the part of other rows, one training at a time, so that no more than one is held.

    Seeds are added one after the other: all trainings with one before the next one's.

    Attributes:
        labels: (rows,) of the rows that all are scored on.
        positive: the class of precision, recall, F1 and average precision.
        metrics: the scores that are used.
        weights: (figures, trainings, metrics).
    """

    labels: NDArray[np.int64]
    positive: int
    metrics: tuple[str, ...]
    weights: Floats
    _seeds: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        figures, rows = len(self.weights), len(self.labels)
        self.classes = np.unique(self.labels)
        self._all = np.zeros((figures, rows))
        self._of_seed = np.zeros((figures, rows))
        self._alone = np.zeros((figures, figures))
        # By figure, class, whether trainings that count for it are right, and those that count against it.
        self._half_rows = np.zeros((figures, len(self.classes), 2, 2))
        self._means = np.zeros((figures, len(self.classes)))

    def add(self, training: int, probabilities: NDArray[np.float64]) -> None:
        """Add one training's predictions, (rows, classes), of all rows."""
        answers = Answers(probabilities.argmax(axis=1), probabilities[:, self.positive])
        for place, metric in enumerate(self.metrics):
            weights = self.weights[:, training, place]
            if not weights.any():
                continue
            influences = influence(self.labels, answers, metric, probabilities.shape[1], self.positive)
            self._of_seed += weights[:, None] * influences.rows
            self._add_half_rows(weights, self.weights[:, training].sum(axis=1) >= 0.0, influences)

    def end_seed(self) -> None:
        """All trainings with one seed are added."""
        for place, label in enumerate(self.classes):
            rows = self.labels == label
            means = self._of_seed[:, rows].mean(axis=1)
            self._means[:, place] += means
            self._of_seed[:, rows] -= means[:, None]
        self._all += self._of_seed
        self._alone += self._of_seed @ self._of_seed.T
        self._of_seed[:] = 0.0
        self._seeds += 1

    def part(self) -> Part:
        """The part of the rows, once two seeds at least are added."""
        seeds = self._seeds
        between = (self._all @ self._all.T - self._alone) / (seeds * (seeds - 1))
        halves = (self._half_rows - self._means[:, :, None, None]) / seeds
        added = ADDED * (halves**2).sum(axis=(1, 2, 3))
        variances = np.maximum(np.diagonal(between), 0.0) + added
        fewest = min(int((self.labels == label).sum()) for label in self.classes)
        return Part(_with_variances(between, variances), np.full(len(variances), max(fewest - 1.0, 1.0)))

    def _add_half_rows(self, weights: Floats, is_for: NDArray[np.bool_], influences: Influence) -> None:
        """One row more of each class, for each way in which both sides can be right or wrong about it."""
        for place, label in enumerate(self.classes):
            for right, moved in ((1, influences.right[label]), (0, influences.wrong[label])):
                self._half_rows[is_for, place, right, :] += (weights * moved)[is_for, None]
                self._half_rows[~is_for, place, :, right] += (weights * moved)[~is_for, None]


@dataclass(frozen=True, eq=False)
class Intervals:
    """Both ends of each figure's interval, (figures,), and of that which holds for each by itself."""

    half: Floats
    alone: Floats


def half_widths(parts: tuple[Part, ...], looked_at: NDArray[np.bool_]) -> Intervals:
    """Half the widths of the figures' 95% intervals.

    Args:
        parts: of the variance.
        looked_at: (figures,) which figures hold together; the others' intervals are of each by itself.
    """
    variances = np.sum([part.variances for part in parts], axis=0)
    degrees = _satterthwaite(*((part.variances, part.degrees) for part in parts))
    alone = stdtrit(degrees, (1.0 + LEVEL) / 2.0) * np.sqrt(variances)
    used = np.flatnonzero(looked_at & (variances > 0.0) & np.isfinite(variances))
    parts = tuple(part for part in parts if part.variances.any())
    if not len(used):
        return Intervals(alone, alone)
    widening = _widening(parts, used, alone[used])
    return Intervals(np.where(looked_at, widening * alone, alone), alone)


def _widening(parts: tuple[Part, ...], used: NDArray[np.intp], alone: Floats) -> float:
    """By how much intervals of the used figures are widened to hold together: at least 1."""
    generator = np.random.default_rng(0)  # fixed: the same explanation twice has the same intervals
    errors, scale = np.zeros((SAMPLES, len(used))), np.zeros((SAMPLES, len(used)))
    for part in parts:
        errors += generator.standard_normal((SAMPLES, len(used))) @ _root(part.covariance[np.ix_(used, used)])
        # One estimate of the variance serves all figures.
        degrees = float(part.degrees[used].min())
        scale += part.variances[used] * generator.chisquare(degrees, (SAMPLES, 1)) / degrees
    variances = np.sum([part.variances[used] for part in parts], axis=0)
    ratios = np.abs(errors) / np.sqrt(scale) * np.sqrt(variances) / alone
    return max(1.0, float(np.quantile(ratios.max(axis=1), LEVEL)))


def _prior_degrees(residuals: Floats, error: Floats) -> float:
    """Degrees of freedom that the pooled variance counts for, from how unequal the trainings' own are.

    With d of them a variance of s - 1 degrees is scaled F(s - 1, d), whose squared coefficient of variation
    is 2 (d + s - 3) / ((s - 1) (d - 4)).
    """
    trainings, _, seeds = residuals.shape
    freedom = (trainings - 1) * (seeds - 1)
    scale = np.diagonal(error)
    used = scale > 0.0
    if not used.any():
        return float(freedom)
    own = ((residuals**2).sum(axis=2)[:, used] / scale[used]).mean(axis=1)
    unequal = (seeds - 1) * float(own.var(ddof=1) / own.mean() ** 2)
    if unequal <= 2.0:
        return float(freedom)
    fitted: float = (2.0 * (seeds - 3) + 4.0 * unequal) / (unequal - 2.0)
    return min(float(freedom), fitted)


def _satterthwaite(*parts: tuple[Floats, Floats]) -> Floats:
    """Degrees of freedom of a sum of variances (F. Satterthwaite, Biometrics Bulletin 2, 1946)."""
    total = np.sum([variances for variances, _ in parts], axis=0)
    squares = np.sum([variances**2 / degrees for variances, degrees in parts], axis=0)
    least = np.min([degrees for _, degrees in parts], axis=0)
    usable = (squares > 0.0) & np.isfinite(squares)
    degrees: Floats = np.divide(total**2, squares, out=least.astype(np.float64), where=usable)
    return degrees


def _possible(covariance: Floats) -> Floats:
    """The nearest matrix without negative variances in any direction."""
    values, vectors = np.linalg.eigh(covariance)
    nearest: Floats = (vectors * np.maximum(values, 0.0)) @ vectors.T
    return nearest


def _root(covariance: Floats) -> Floats:
    """R with RᵀR the covariance, where it is one."""
    values, vectors = np.linalg.eigh(covariance)
    root: Floats = (vectors * np.sqrt(np.maximum(values, 0.0))).T
    return root


def _with_variances(covariance: Floats, variances: Floats) -> Floats:
    """The same correlations with other variances; where there was no variance, none with the others."""
    before = np.sqrt(np.maximum(np.diagonal(covariance), 0.0))
    scale = np.divide(np.sqrt(variances), before, out=np.zeros_like(before), where=before > 0.0)
    scaled: Floats = covariance * np.outer(scale, scale)
    np.fill_diagonal(scaled, variances)
    return scaled
