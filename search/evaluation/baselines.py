"""Constant predictors: what any configuration has to beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studies.data.facts import DataFacts
from studies.records.reports import Scores
from workers.training.scores import constant_scores


@dataclass(frozen=True)
class Baseline:
    """The scores of a program that predicts the class ``says`` for every row. They follow from how many rows
    of each class there are, so that the test rows need not be opened for them.
    """

    says: str
    test: Scores
    validation: Scores

    def scores(self, row_set: str) -> Scores:
        """On ``test`` or ``validation`` rows."""
        return self.test if row_set == "test" else self.validation


def baselines_of(facts: DataFacts) -> tuple[Baseline, ...]:
    """The scores of predicting one class for every row: the positive class, and the commonest in training."""
    commonest = facts.classes[int(np.argmax(facts.counts["train"]))]
    return tuple(
        Baseline(says, _scores(facts, "test", says), _scores(facts, "validation", says))
        for says in dict.fromkeys((facts.positive, commonest))
    )


def _scores(facts: DataFacts, row_set: str, says: str) -> Scores:
    counts = facts.counts[row_set]
    labels = np.repeat(np.arange(len(counts)), counts)
    return constant_scores(labels, len(counts), facts.classes.index(says), facts.positive_index)
