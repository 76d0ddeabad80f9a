"""Networks whose true scores are known, for simulations of what a report says of them.

Rows of class 0 and 1 give a network a number z, normal around -d/2 and +d/2 with variance 1: signal detection
as in D. Green and J. Swets, "Signal Detection Theory and Psychophysics", 1966. Its probability is calibrated
for these densities, but for a tilt of its own, so that its true F1 follows from the normal distribution. Each
seed has a d and a tilt, drawn around its configuration's. A row's part of z is shared: partly by all
networks, because a row is hard for all of them, and partly by the seeds of one configuration, as in the
simulations of readers and cases by C. Roe and C. Metz, Academic Radiology 4, 1997.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtr

from search.evaluation.finalists import Candidate, Trained
from search.evaluation.influence import Answers
from search.evaluation.statistics import LabelledRows, Tested
from studies.data.split import Rows, Split
from studies.space.configuration import Configuration
from workers.training.scores import metric_of, score

SHARE = 0.13
"""Of positive rows."""

SHARED, OF_SETTING = 0.6, 0.15
"""Parts of z's variance that a row has in all networks, and in all seeds of one configuration; the rest is
each network's own."""

TRAINING_POSITIVES = 65
"""Positive training rows, for the logistic regression that evaluation fits."""

NODES = 41
"""Of the quadrature over seeds."""

NAMED = Configuration("tensorflow", "he_normal", "adam", 9, learning_rate=0.1, batch_size=16)
"""What all of them are called: evaluation looks at probabilities alone."""


@dataclass(frozen=True)
class Setting:
    """What is true of one configuration.

    Attributes:
        f1: mean of the true F1 of its networks, over seeds.
        spread: standard deviation of d over seeds, which moves precision and recall alike.
        tilt: standard deviation over seeds of z's offset, which moves the balance of precision and recall.
    """

    f1: float
    spread: float = 0.1
    tilt: float = 0.1


@dataclass(frozen=True, eq=False)
class Seeds:
    """Networks of one configuration: (seeds,) each."""

    setting: Setting
    distance: NDArray[np.float64]
    tilt: NDArray[np.float64]


class Sample:
    """Rows, sampled from all that there could be, with as many positive ones."""

    def __init__(self, positives: int, draw: np.random.Generator) -> None:
        self.labels = np.repeat(np.array([0, 1]), [round(positives * (1.0 - SHARE) / SHARE), positives])
        self._draw = draw
        self._shared = np.sqrt(SHARED) * draw.normal(size=len(self.labels))
        self._of_setting: dict[int, NDArray[np.float64]] = {}

    def probabilities(self, number: int, seeds: Seeds) -> NDArray[np.float64]:
        """(seeds, rows) of the positive class, by networks of the configuration of this number."""
        rows, mean = len(self.labels), mean_distance(seeds.setting)
        if number not in self._of_setting:
            self._of_setting[number] = np.sqrt(OF_SETTING) * self._draw.normal(size=rows)
        own = np.sqrt(1.0 - SHARED - OF_SETTING) * self._draw.normal(size=(len(seeds.distance), rows))
        z = (
            seeds.distance[:, np.newaxis] * (self.labels - 0.5)
            + self._shared
            + self._of_setting[number]
            + own
        )
        return np.asarray(expit(logit(SHARE) + mean * (z + seeds.tilt[:, np.newaxis])))

    def labelled(self, metric: str = "f1") -> LabelledRows:
        """The rows, as networks are scored on them."""
        return LabelledRows(self.labels, 2, 1, metric)

    def tested(self, number: int, seeds: Seeds, metric: str = "f1") -> Tested:
        """The networks of one configuration with their scores."""
        found = [of_both(one) for one in self.probabilities(number, seeds)]
        scores = tuple(metric_of(score(self.labels, one, 1), metric) for one in found)
        return Tested([Answers(one.argmax(axis=1), one[:, 1]) for one in found], scores)

    def rows(self, feature_distance: float) -> Rows:
        """With one feature, which is worth what a network's z is."""
        own = np.sqrt(1.0 - SHARED) * self._draw.normal(size=len(self.labels))
        feature = feature_distance * (self.labels - 0.5) + self._shared + own
        return Rows(feature[:, np.newaxis].astype(np.float32), self.labels)


def draw_seeds(setting: Setting, count: int, draw: np.random.Generator) -> Seeds:
    """New seeds of a configuration."""
    distance = mean_distance(setting) + setting.spread * draw.normal(size=count)
    return Seeds(setting, distance, setting.tilt * draw.normal(size=count))


@dataclass(frozen=True, eq=False)
class Simulated:
    """A study's finalists: their networks' answers on its rows."""

    networks: Sequence[Seeds]
    validation: Sample
    test: Sample
    split: Split
    candidates: Sequence[Candidate]


def simulate(
    settings: Sequence[Setting],
    seeds: Sequence[int],
    positives: int,
    draw: np.random.Generator,
    feature_f1: float = 0.8,
) -> Simulated:
    """Finalists with so many seeds each, on validation and test rows with so many positive ones.

    Args:
        settings: what is true of each.
        seeds: trainings of each.
        positives: positive rows of validation and test.
        draw: of everything.
        feature_f1: the F1 that the one feature is good for.
    """
    networks = [draw_seeds(one, count, draw) for one, count in zip(settings, seeds, strict=True)]
    validation, test = Sample(positives, draw), Sample(positives, draw)
    distance = mean_distance(Setting(feature_f1, 0.0, 0.0))
    train = Sample(TRAINING_POSITIVES, draw)
    rows = [one.rows(distance) for one in (train, validation, test)]
    split = Split(rows[0], rows[1], rows[2], ("ham", "spam"), 1, "hash")
    candidates = [
        Candidate(number, NAMED, 0.0, trained(validation, test, number, one))
        for number, one in enumerate(networks)
    ]
    return Simulated(networks, validation, test, split, candidates)


def trained(validation: Sample, test: Sample, number: int, seeds: Seeds) -> tuple[Trained, ...]:
    """The trainings of one configuration."""
    pairs = zip(validation.probabilities(number, seeds), test.probabilities(number, seeds), strict=True)
    return tuple(Trained(seed, 1.0, *map(of_both, pair)) for seed, pair in enumerate(pairs))


def f1_of(distance: object, cut: object) -> NDArray[np.float64]:
    """True F1 where z above ``cut`` is positive."""
    recall, fallout = ndtr(np.divide(distance, 2.0) - cut), ndtr(-np.divide(distance, 2.0) - cut)
    return np.asarray(2.0 * SHARE * recall / (SHARE + SHARE * recall + (1.0 - SHARE) * fallout))


@cache
def mean_distance(setting: Setting) -> float:
    """The mean d that gives the configuration's F1."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    weights = weights / weights.sum()

    def mean_f1(mean: float) -> float:
        cut = -float(logit(SHARE)) / mean - setting.tilt * nodes
        values = f1_of((mean + setting.spread * nodes)[:, np.newaxis], cut[np.newaxis, :])
        return float(weights @ values @ weights)

    return float(brentq(lambda mean: mean_f1(mean) - setting.f1, 1.3, 9.0, xtol=1e-10))


def of_both(positive: NDArray[np.float64]) -> NDArray[np.float64]:
    """(rows, 2), of (rows,) the positive class alone."""
    return np.stack([1.0 - positive, positive], axis=1)
