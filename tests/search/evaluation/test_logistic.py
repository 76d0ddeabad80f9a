"""The logistic regression is scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from search.evaluation import logistic
from search.evaluation.logistic import logistic_probabilities
from studies.data.split import Rows


@pytest.mark.parametrize("classes", [2, 3])
def test_it_is_that_of_the_reference(classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logistic, "ROWS_AT_ONCE", 64)
    draw = np.random.default_rng(1)
    labels = draw.integers(classes, size=300)
    features = (draw.normal(size=(300, 5)) * [1, 10, 0.01, 3, 0] + labels[:, np.newaxis] * 0.5).astype(
        np.float32
    )
    features[:, 4] = 7.0  # a feature that doesn't vary
    new = draw.normal(size=(40, 5)).astype(np.float32)
    scaler = StandardScaler().fit(features.astype(np.float64))
    # With two classes scikit-learn has one slope a feature, the difference of our two, so that the same
    # penalty counts twice as much.
    reference = LogisticRegression(C=1.0 if classes > 2 else 2.0, tol=1e-10, max_iter=5000)
    reference.fit(scaler.transform(features.astype(np.float64)), labels)
    wanted = reference.predict_proba(scaler.transform(new.astype(np.float64)))
    found = logistic_probabilities(Rows(features, labels), classes, new)
    np.testing.assert_allclose(found, wanted, atol=2e-4)


def test_classes_that_a_plane_divides_are_told_apart() -> None:
    draw = np.random.default_rng(2)
    features = draw.normal(size=(200, 3)).astype(np.float32)
    labels = (features @ [1.0, -2.0, 0.5] > 0.3).astype(np.int64)
    said = logistic_probabilities(Rows(features, labels), 2, features).argmax(axis=1)
    assert (said == labels).mean() > 0.97
