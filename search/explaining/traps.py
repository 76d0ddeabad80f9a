"""The known ways in which a comparison of two trainings misleads, looked for in what was trained. Pure.

Each detector reads reports, probabilities, weights and curves of the two sides, and says in a sentence or two
what it saw, with its figures; where it saw nothing it says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from search.driving.replicas import ReplicaResult
from search.evaluation.contrasts import RowNoise
from search.explaining.differences import Side
from search.explaining.explanation import Trap
from search.reporting.readings import NEAR_CHANCE, only_class_predicted
from search.words import class_name, count_of, from_to, positive_name, score_label, short
from studies.data.facts import facts_of
from studies.data.split import Split
from studies.frameworks import framework_of
from studies.records.reports import Scores
from studies.space.configuration import FULL_BATCH, Configuration
from workers.training.initialisation import initial_weights
from workers.training.scores import metric_of, score
from workers.training.trainer import Weights

FLAT = 0.1
"""Share of its steepest slope below which a hidden unit counts as saturated."""

MOSTLY = 0.5
"""Share of (row, unit) pairs from which a layer counts as saturated."""

MOST_ROWS = 2_000
"""Validation rows whose hidden units are looked at."""


@dataclass(frozen=True)
class Evidence:
    """What is known of one side's trainings.

    Attributes:
        side: what was trained, and the score that it is judged by.
        results: its trainings, by seed.
    """

    side: Side
    results: tuple[ReplicaResult, ...]

    @property
    def metric(self) -> str:
        """The score that it is judged by."""
        return self.side.score

    @property
    def configuration(self) -> Configuration:
        """What was trained."""
        return self.side.configuration

    @property
    def scores(self) -> tuple[Scores, ...]:
        """On the validation rows, of the trainings that came to an end."""
        reports = (result.report for result in self.results)
        return tuple(report.scores["validation"] for report in reports if report.failure is None)


def find_traps(split: Split, start: Evidence, end: Evidence, seeds: Sequence[int]) -> tuple[Trap, ...]:
    """All that were seen, in the order in which they should be read."""
    return tuple(_all_traps(split, start, end, seeds))


def unseen(evidence: Sequence[Evidence]) -> tuple[str, ...]:
    """The frameworks whose networks have no hidden units that could be looked at."""
    frameworks = [framework_of(each.configuration.framework) for each in evidence]
    return tuple(dict.fromkeys(each.title for each in frameworks if not each.perceptron))


def _all_traps(split: Split, start: Evidence, end: Evidence, seeds: Sequence[int]) -> Iterator[Trap]:
    yield from _different_scores(split, start, end)
    for evidence in (start, end):
        yield from _one_class(split, evidence)
    for evidence in (start, end):
        yield from _at_the_prior(split, evidence)
    for evidence in (start, end):
        yield from _saturated(split, evidence, seeds)
    for evidence in (start, end):
        yield from _sorted_rows(split, evidence)
    yield from _iterations_and_epochs(split, start, end)
    yield from _too_few_positives(split, start, end)


def _different_scores(split: Split, start: Evidence, end: Evidence) -> Iterator[Trap]:
    if start.metric == end.metric:
        return
    names = [score_label(evidence.metric, facts_of(split)) for evidence in (start, end)]
    yield Trap(
        "different scores",
        f"{start.side.name} is judged by {names[0]} and {end.side.name} by {names[1]}: these are two "
        "quantities, and their difference says nothing about the networks.",
    )


def _one_class(split: Split, evidence: Evidence) -> Iterator[Trap]:
    said = [(only_class_predicted(scores), scores.f1_weighted) for scores in evidence.scores]
    constant = {one for one, _ in said if one is not None}
    if not constant:
        return
    names = " or ".join(f"“{short(split.classes[one], among=split.classes)}”" for one in sorted(constant))
    figures = [weighted for one, weighted in said if one is not None]
    where = "every seed" if len(figures) == len(said) else f"{len(figures)} of {len(said)} seeds"
    yield Trap(
        "one class only",
        f"{evidence.side.name} predicts {names} for every validation row with {where}. Its weighted F1 "
        f"there, {from_to(figures, 3)}, is what a program without a model gets.",
    )


def _at_the_prior(split: Split, evidence: Evidence) -> Iterator[Trap]:
    """A loss that stays near the entropy of the classes' shares has learnt little but these shares."""
    shares = np.bincount(split.train.labels, minlength=len(split.classes)) / len(split.train)
    prior = float(-sum(share * math.log(share) for share in shares if share))
    curves = [result.report.curve for result in evidence.results if result.report.curve]
    losses = [curve[-1].train_loss for curve in curves]
    if not losses or min(losses) < NEAR_CHANCE * prior:
        return
    configuration = evidence.configuration
    rate = configuration.learning_rate
    text = (
        f"{evidence.side.name} ends at a training loss of {from_to(losses, 3)}, and {prior:.3f} is what "
        "predicting the classes' shares for every row costs: "
        f"in {_length(configuration)} it has hardly begun to learn."
    )
    if rate is not None:
        text += f" A learning rate of {rate:g} is too small here; try 10 and 100 times as much."
    yield Trap("loss at the class prior", text)


def _saturated(split: Split, evidence: Evidence, seeds: Sequence[int]) -> Iterator[Trap]:
    configuration = evidence.configuration
    activation = configuration.activation or "sigmoid"
    if not framework_of(configuration.framework).perceptron or activation == "relu":
        return
    weights = next((r.outcome.weights for r in evidence.results if r.outcome is not None), None)
    if weights is None:
        return
    layers = (split.features, *(b.shape[0] for b in weights[1::2]))
    initial = initial_weights(configuration.initialisation, layers, seeds[0], configuration.biases)
    features = split.validation.features[:MOST_ROWS]
    for when, network in (("before the first step", initial), ("at the end", weights)):
        share = saturated_share(network, features, activation)
        if share > MOSTLY:
            yield Trap(
                "saturated hidden layer",
                f"{evidence.side.name}: {when} {share:.0%} of the hidden units' outputs are so far out that "
                "their slope is less than a tenth of the steepest, and pass next to no gradient on.",
            )
            return


def saturated_share(weights: Weights, features: NDArray[np.float32], activation: str) -> float:
    """Share of (row, unit) pairs whose slope is below :data:`FLAT` of the steepest; the worst hidden layer's.

    A sigmoid s has slope s (1 - s), 1/4 at most; tanh t has 1 - t², 1 at most.
    """
    inputs, worst = np.asarray(features, dtype=np.float64), 0.0
    for W, b in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        with np.errstate(over="ignore"):
            z = inputs @ W + b
            inputs = np.tanh(z) if activation == "tanh" else 1.0 / (1.0 + np.exp(-z))
        slope = 1.0 - inputs**2 if activation == "tanh" else 4.0 * inputs * (1.0 - inputs)
        worst = max(worst, float((slope < FLAT).mean()))
    return worst


def _sorted_rows(split: Split, evidence: Evidence) -> Iterator[Trap]:
    """Batches of one class, which rows that are sorted by class make where nobody shuffles them."""
    configuration, labels = evidence.configuration, split.train.labels
    if configuration.shuffle is not False or configuration.batch_size is None:
        return
    batch = min(configuration.batch_size, len(labels))
    end = len(labels) - len(labels) % batch if configuration.drop_last_batch else len(labels)
    batches = [np.unique(labels[first : first + batch]) for first in range(0, end, batch)]
    alone = sum(len(batch_classes) == 1 for batch_classes in batches)
    if alone <= MOSTLY * len(batches):
        return
    of_last = class_name(split.classes[int(batches[-1][0])], facts_of(split))
    last = f"“{of_last}” alone" if len(batches[-1]) == 1 else "both"
    yield Trap(
        "rows sorted by class",
        f"{evidence.side.name} takes the rows in their order, and {alone} of {len(batches)} batches hold one "
        f"class alone; the last of each epoch holds {last}, and what it teaches is freshest. Shuffle.",
    )


def _iterations_and_epochs(split: Split, start: Evidence, end: Evidence) -> Iterator[Trap]:
    kinds = [evidence.configuration.optimizer in FULL_BATCH for evidence in (start, end)]
    if kinds[0] == kinds[1]:
        return
    said = [
        f"{one.side.name}'s {_length(one.configuration)} are {_steps(split, one)}" for one in (start, end)
    ]
    yield Trap("iterations and epochs", f"{said[0]}, {said[1]}: the two counts can't be compared.")


def _steps(split: Split, evidence: Evidence) -> str:
    """How often the weights are changed."""
    configuration, rows = evidence.configuration, len(split.train)
    if configuration.batch_size is None:
        return f"{configuration.epochs:,} steps on all {rows:,} rows"
    batch = min(configuration.batch_size, rows)
    batches = rows // batch if configuration.drop_last_batch else math.ceil(rows / batch)
    return f"{configuration.epochs * batches:,} steps on {batch} rows each"


def _too_few_positives(split: Split, start: Evidence, end: Evidence) -> Iterator[Trap]:
    """Whether other rows alone could turn the difference round; by the end's score for both."""
    pairs = [
        (first.outcome.probabilities["validation"], second.outcome.probabilities["validation"])
        for first, second in zip(start.results, end.results, strict=True)
        if first.outcome is not None and second.outcome is not None
    ]
    if not pairs:
        return
    gap, half = row_noise(split, pairs, end.metric)
    positives = int((split.validation.labels == split.positive).sum())
    if gap == 0 or half <= abs(gap):
        return
    # The half-width falls with the square root of the rows.
    needed = math.ceil(positives * (half / gap) ** 2)
    facts = facts_of(split)
    name = score_label(end.metric, facts)
    yield Trap(
        "too few positives",
        f"Measured alike, by {name}, the two differ by {abs(gap):.3f}, and {positives} rows of "
        f"“{positive_name(facts)}” among the validation rows show differences of {half:.3f} and more: about "
        f"{needed:,} would be needed to show this one.",
    )


def row_noise(
    split: Split, pairs: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]], metric: str
) -> tuple[float, float]:
    """The mean difference of two trainings' scores, and half its 95% interval over other rows alone.

    Args:
        split: the rows.
        pairs: what both predict for the validation rows, (rows, classes) each, by seed.
        metric: the score.
    """
    labels = split.validation.labels
    noise = RowNoise(labels, split.positive, (metric,), np.array([[[-1.0], [1.0]]]))
    # One seed twice: nothing is known of what rows do with it alone.
    for pair in pairs if len(pairs) > 1 else [*pairs, *pairs]:
        for training, probabilities in enumerate(pair):
            noise.add(training, probabilities)
        noise.end_seed()
    scores = [[metric_of(score(labels, each, split.positive), metric) for each in pair] for pair in pairs]
    half = float(ndtri(0.975)) * math.sqrt(noise.part().variances[0])
    return float(np.mean([after - before for before, after in scores])), half


def _length(configuration: Configuration) -> str:
    return count_of(configuration.epochs, "iteration" if configuration.optimizer in FULL_BATCH else "epoch")
