"""Each trap is seen where it is, and not where it isn't."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from search.driving.replicas import Replica, ReplicaResult
from search.explaining.differences import Side
from search.explaining.traps import Evidence, find_traps, row_noise, saturated_share
from studies.data.split import Rows, Split
from studies.records.reports import CurvePoint, SegmentReport
from studies.space.configuration import Configuration
from tests.search.explaining.test_differences import SEED, SPARK
from workers.checkpoints.outcomes import Outcome
from workers.training.initialisation import initial_weights
from workers.training.scores import score

LAYERS = (3, 4, 2)
SEEDS = (1, 2)
PRIOR = -(0.8 * np.log(0.8) + 0.2 * np.log(0.2))


def split_of(positives: int = 20, others: int = 80) -> Split:
    """Rows sorted by class; the same to train, to validate and to test on."""
    draw = np.random.default_rng(1)
    labels = np.repeat(np.array([0, 1], dtype=np.int64), (others, positives))
    rows = Rows((0.1 * draw.normal(size=(len(labels), 3))).astype(np.float32), labels)
    return Split(rows, rows, rows, ("ham", "spam"), 1, "hash")


def says(split: Split, share_right: float, *, last: bool = False) -> np.ndarray:
    """Probabilities that are right for this share of each class's rows, the first or the last of them."""
    labels = split.validation.labels
    said = labels.copy()
    for one in (0, 1):
        rows = np.flatnonzero(labels == one)[:: -1 if last else 1]
        wrong = rows[round(share_right * len(rows)) :]
        said[wrong] = 1 - one
    return np.eye(2)[said] * 0.8 + 0.1


def evidence(
    split: Split,
    name: str,
    configuration: Configuration,
    probabilities: np.ndarray,
    *,
    metric: str = "f1",
    loss: float = 0.1,
    weights: tuple[np.ndarray, ...] | None = None,
) -> Evidence:
    found = score(split.validation.labels, probabilities, split.positive)
    report = SegmentReport(
        0, configuration.epochs, curve=(CurvePoint(1, loss),), scores={"validation": found}
    )
    left = weights or initial_weights("glorot_uniform", LAYERS, 1)
    outcome = Outcome(left, "sigmoid", {"validation": probabilities})
    results = tuple(ReplicaResult(Replica(configuration, seed), report, outcome) for seed in SEEDS)
    return Evidence(Side(name, configuration, metric), results)


def seen(split: Split, start: Evidence, end: Evidence) -> dict[str, str]:
    return {trap.name: trap.text for trap in find_traps(split, start, end, SEEDS)}


def test_two_good_ways_to_train_that_are_told_apart_fall_into_no_trap() -> None:
    split = split_of(200, 800)
    sgd = replace(SEED, shuffle=True)
    adam = replace(sgd, optimizer="adam")
    start = evidence(split, "one", sgd, says(split, 0.7))
    assert seen(split, start, evidence(split, "other", adam, says(split, 0.95))) == {}


def test_scores_that_are_two_quantities() -> None:
    split = split_of(200, 800)
    start = evidence(split, "one", SEED, says(split, 0.7), metric="f1_weighted")
    text = seen(split, start, evidence(split, "other", SEED, says(split, 0.95)))["different scores"]
    assert text.startswith("one is judged by weighted F1 and other by F1 of spam")


def test_a_model_that_says_one_class_only() -> None:
    split = split_of()
    never = np.tile([0.9, 0.1], (100, 1))
    found = seen(split, evidence(split, "one", SEED, never), evidence(split, "other", SEED, says(split, 0.9)))
    # Weighted F1 of saying "ham" to 80 of 100: 0.8 x 2 x 0.8 / 1.8.
    assert "one predicts “ham” for every validation row with every seed" in found["one class only"]
    assert "0.711" in found["one class only"]


def test_a_loss_that_stays_at_the_prior_names_the_learning_rate() -> None:
    split = split_of(200, 800)
    good = evidence(split, "other", SEED, says(split, 0.95))
    text = seen(split, evidence(split, "one", SEED, says(split, 0.7), loss=0.97 * PRIOR), good)
    assert "a training loss of 0.485, and 0.500 is what" in text["loss at the class prior"]
    assert "A learning rate of 0.01 is too small here" in text["loss at the class prior"]
    learnt = seen(split, evidence(split, "one", SEED, says(split, 0.7), loss=0.5 * PRIOR), good)
    assert "loss at the class prior" not in learnt


def test_a_rate_is_not_blamed_where_there_is_none() -> None:
    split = split_of(200, 800)
    good = evidence(split, "other", SPARK, says(split, 0.95))
    text = seen(split, evidence(split, "one", SPARK, says(split, 0.7), loss=PRIOR), good)
    assert "learning rate" not in text["loss at the class prior"]


def test_biases_that_saturate_the_hidden_layer_do_so_from_far_out_only() -> None:
    split = split_of(200, 800)
    good = evidence(split, "other", SEED, says(split, 0.95))
    far = evidence(split, "one", replace(SEED, biases=8.0), says(split, 0.7))
    assert "before the first step 100%" in seen(split, far, good)["saturated hidden layer"]
    # The question's biases of 1 leave a slope of 0.79 of the steepest.
    assert "saturated hidden layer" not in seen(split, evidence(split, "one", SEED, says(split, 0.7)), good)


def test_saturation_that_training_brings_is_seen_too() -> None:
    split = split_of(200, 800)
    weights = [array.copy() for array in initial_weights("glorot_uniform", LAYERS, 1)]
    weights[1] += 9.0
    late = evidence(split, "one", SEED, says(split, 0.7), weights=tuple(weights))
    found = seen(split, late, evidence(split, "other", SEED, says(split, 0.95)))
    assert "at the end 100%" in found["saturated hidden layer"]


@pytest.mark.parametrize(("activation", "edge"), [("sigmoid", 3.637), ("tanh", 1.818)])
def test_a_unit_is_saturated_where_its_slope_is_a_tenth_of_the_steepest(activation: str, edge: float) -> None:
    one = np.ones((1, 1))
    layers = (one, np.zeros(1), np.zeros((1, 2)), np.zeros(2))
    rows = np.array([[0.99 * edge], [1.01 * edge], [-1.01 * edge], [0.0]], dtype=np.float32)
    assert saturated_share(layers, rows, activation) == 0.5


def test_rows_that_are_sorted_by_class_and_never_shuffled() -> None:
    split = split_of(256, 768)
    good = evidence(split, "other", replace(SEED, shuffle=True), says(split, 0.95))
    text = seen(split, evidence(split, "one", SEED, says(split, 0.7)), good)["rows sorted by class"]
    assert "4 of 4 batches hold one class alone; the last of each epoch holds “spam” alone" in text
    order = np.random.default_rng(3).permutation(1024)
    mixed = Rows(split.train.features[order], split.train.labels[order])
    shuffled = replace(split, train=mixed)
    found = seen(shuffled, evidence(shuffled, "one", SEED, says(split, 0.7)), good)
    assert "rows sorted by class" not in found


def test_iterations_on_all_rows_are_no_epochs_of_steps() -> None:
    split = split_of(200, 800)
    start = evidence(split, "one", SPARK, says(split, 0.7))
    text = seen(split, start, evidence(split, "other", SEED, says(split, 0.95)))["iterations and epochs"]
    # 1,000 rows in batches of 256, the last dropped: 3 steps an epoch.
    assert "one's 10 iterations are 10 steps on all 1,000 rows" in text
    assert "other's 100 epochs are 300 steps on 256 rows each" in text


def test_too_few_positives_says_how_many_would_do() -> None:
    def sides(split: Split) -> tuple[Evidence, Evidence]:
        one, other = says(split, 0.80), says(split, 0.85, last=True)
        return evidence(split, "one", SEED, one), evidence(split, "other", SEED, other)

    few = split_of(20, 80)
    found = seen(few, *sides(few))["too few positives"]
    assert "20 rows of “spam”" in found
    needed = int(found.split("about ")[1].split()[0].replace(",", ""))
    assert needed > 20
    many = split_of(2 * needed, 8 * needed)
    assert "too few positives" not in seen(many, *sides(many))


def test_the_noise_of_the_rows_is_that_of_the_binomial_where_it_is_known() -> None:
    split = split_of(400, 600)
    # Recall of a predictor that is right on 70% of 400 rows, against one that is right on all of them.
    for seeds in (1, 3):
        gap, half = row_noise(split, [(says(split, 0.7), says(split, 1.0))] * seeds, "recall")
        assert gap == pytest.approx(0.3)
        assert half == pytest.approx(1.96 * np.sqrt(0.7 * 0.3 / 400), rel=0.05)
    gap, half = row_noise(split, [(says(split, 0.7), says(split, 0.7))], "f1")
    assert gap == 0.0
    assert 0.0 < half < 0.02, "about a row or two of the 400"
