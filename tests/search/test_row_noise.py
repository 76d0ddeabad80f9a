from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from search.row_noise import row_interval
from tests.search import fakes
from workers.scores import METRICS, score


def test_the_interval_is_that_of_rows_drawn_again_within_their_classes() -> None:
    """Against the bootstrap itself, row by row."""
    draw = np.random.default_rng(3)
    labels = np.repeat([0, 1, 2], [60, 25, 15])
    said = np.where(draw.random(100) < 0.8, labels, draw.integers(0, 3, 100))
    found = score(labels, np.eye(3)[said], 1)
    again = []
    for _ in range(4000):
        rows = np.concatenate(
            [draw.choice(np.flatnonzero(labels == each), (labels == each).sum()) for each in range(3)]
        )
        again.append(score(labels[rows], np.eye(3)[said[rows]], 1))
    for metric in ("f1", "f1_weighted", "precision", "recall", "accuracy"):
        expected = np.quantile([getattr(each, metric) for each in again], [0.025, 0.975])
        assert row_interval(found, metric, 1) == pytest.approx(expected, abs=0.015)


def test_a_score_without_mistakes_has_no_width_and_one_that_needs_probabilities_no_interval() -> None:
    perfect = fakes.scores(1.0)
    assert row_interval(perfect, "f1", 1) == (1.0, 1.0)
    assert row_interval(perfect, "average_precision", 1) is None
    assert row_interval(perfect, "mcc", 1) is None
    assert {"f1", "f1_weighted", "precision", "recall", "accuracy"} < set(METRICS)


def test_a_class_that_has_no_rows_or_is_never_said_is_no_error() -> None:
    nobody = replace(fakes.scores(0.0), confusion=((10, 0), (5, 0)))
    assert row_interval(nobody, "f1", 1) == (0.0, 0.0)
    assert row_interval(nobody, "precision", 1) == (0.0, 0.0)
    empty = replace(fakes.scores(0.0), confusion=((10, 0), (0, 0)))
    assert row_interval(empty, "recall", 1) == (0.0, 0.0)
    assert row_interval(replace(empty, confusion=((0, 0), (0, 0))), "f1", 1) is None
