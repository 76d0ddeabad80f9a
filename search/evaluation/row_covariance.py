"""How the scores of several networks on the same test rows would vary together with other rows.

To first order a score is a sum over its rows of what each one does to it, its influence
(:mod:`search.evaluation.influence`). So variances and covariances are sums of products of influences within
each class, whose share of the rows is fixed. A bootstrap of rows converges to them; without resampling,
p-values have no smallest value, and a hundred networks on 100,000 rows take seconds.

With few rows of a class all networks may be right on every one, which proves no variance of zero. So half a
row is added to each class, predicted as each class alike, in the spirit of A. Agresti and Y. Min, "Simple
improved confidence intervals for comparing matched proportions", Statistics in Medicine 24, 2005. The
networks of one group agree on it and those of two don't, so that it adds to the variance of differences too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from search.evaluation.influence import ADDED, Answers, influence

BLOCK = 2_000_000
"""Influences that are multiplied at once, so that many rows need no large memory."""


def row_covariance(
    labels: NDArray[np.int64],
    answers: Sequence[Answers],
    groups: Sequence[int],
    metric: str,
    classes: int,
    positive: int,
) -> NDArray[np.float64]:
    """(networks, networks): covariances of the networks' scores over samples of as many rows of each class.

    Args:
        labels: (rows,) of the test rows.
        answers: of each network.
        groups: which configuration each one is of; see the module on why.
        metric: one of :data:`workers.training.scores.METRICS`.
        classes: how many there are.
        positive: the class that ``metric`` is of.
    """
    influences = [influence(labels, of_network, metric, classes, positive) for of_network in answers]
    alike = np.equal.outer(np.asarray(groups), np.asarray(groups))
    covariance = np.zeros(alike.shape)
    step = max(1, BLOCK // len(influences))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        sums, products = np.zeros(len(influences)), np.zeros(alike.shape)
        for first in range(0, len(members), step):
            block = np.stack([of_network.rows[members[first : first + step]] for of_network in influences])
            sums += block.sum(axis=1)
            products += block @ block.T
        added = np.stack([of_network.added[label] for of_network in influences])
        means = added.mean(axis=1)
        products += ADDED * np.where(alike, added @ added.T / added.shape[1], np.outer(means, means))
        sums += ADDED * means
        covariance += products - np.outer(sums, sums) / (len(members) + ADDED)
    return covariance
