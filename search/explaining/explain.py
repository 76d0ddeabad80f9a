"""``search explain``: which change moved the score by how much, measured by training what is between."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from search.driving.display import Display, make_display
from search.driving.opened import OpenedStudy, open_stored_study, open_study
from search.driving.replicas import FOR_GOOD, Replica, ReplicaResult, key_of, predictions_of, run_replicas
from search.evaluation.contrasts import Part, RowNoise
from search.explaining.attribution import (
    MOST_EXACT,
    Attribution,
    Changed,
    Values,
    attribute,
    every_set,
    greedy_order,
    sampled_orders,
    sets_of_order,
)
from search.explaining.differences import Between, Side
from search.explaining.explanation import Explanation, Rows, SideResult, Trap, shares_of, steps_of
from search.explaining.figures import Figures, Judged, Layout, Measured
from search.explaining.sides import DEFAULT_SIDES, find_sides, names_a_trial
from search.explaining.traps import Evidence, find_traps, unseen
from search.explaining.words import to_keep
from search.reporting.readings import only_class_predicted
from studies.errors import StudyFailedError, StudyFileError
from studies.records.replicas import new_seeds
from studies.records.reports import SCORE_NAMES, Failure, Scores
from studies.space.configuration import Configuration
from studies.study_file import read_study_file
from workers.checkpoints.outcomes import outcomes_of
from workers.training.scores import constant_scores, majority_class, metric_of

DEFAULT_SEEDS = 3
"""Seeds that every configuration is trained with."""

DEFAULT_PAIRS = 5
"""Pairs of orders that are drawn where there are too many changes for all orders."""

SAME = 0.001
"""Two networks are the same where no probability of theirs differs by more. Between frameworks rounding alone
makes a difference, and training can magnify it."""


@dataclass(frozen=True)
class Effort:
    """How much is trained.

    Attributes:
        seeds: with how many each configuration is.
        pairs: of orders that are drawn where there are more than
            :data:`~search.explaining.attribution.MOST_EXACT` changes.
    """

    seeds: int = DEFAULT_SEEDS
    pairs: int = DEFAULT_PAIRS


def explain(
    path: str | Path,
    start: str = DEFAULT_SIDES[0],
    end: str = DEFAULT_SIDES[1],
    *,
    effort: Effort = Effort(),
    display: Display | None = None,
) -> Explanation:
    """Explain the difference between two configurations of a study.

    Trains every mixture that is needed on the study's cluster, each with the same seeds. What was trained is
    kept in the study, so that a run that was stopped goes on, and nothing is trained twice.

    Args:
        path: the study file.
        start, end: a trial's number, ``best``, ``worst``, ``default``, or the name of a recipe.
        effort: how much is trained.
        display: what shows the progress; by default a live view on a terminal, and lines elsewhere.

    Raises:
        UserError: where one of them isn't there, or the study can't be opened.
        StudyFailedError: where a training fails for another reason than that it diverges.
        KeyboardInterrupt: where somebody stopped it. The next call goes on.
    """
    file = read_study_file(path)
    display = display or make_display()
    # Recipes need no study that was launched; trials do.
    opening = open_stored_study if names_a_trial(file, (start, end)) else open_study
    with opening(file, display) as opened:
        sides = find_sides(opened.file, opened.store.trials.records(), (start, end))
        between = Between(*sides)
        if not between.differences:
            raise StudyFileError(
                f"{sides[0].name} and {sides[1].name} are the same configuration, judged by the same score",
                where=str(file.path.name),
                remedy="name two that differ",
            )
        explanation = _Explaining(opened, display, sides, between, effort).run()
        opened.store.results.keep_explanation(to_keep(explanation))
        return explanation


@dataclass
class _Explaining:
    """One explanation on its way."""

    opened: OpenedStudy
    display: Display
    sides: tuple[Side, Side]
    between: Between
    effort: Effort
    results: dict[Replica, ReplicaResult] = field(default_factory=dict)
    values: dict[Changed, Values] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.file, self.split = self.opened.file, self.opened.prepared.split
        self.seeds = new_seeds(self.file.study.seed, self.effort.seeds)
        labels, classes = self.split.validation.labels, len(self.split.classes)
        self.commonest = majority_class(self.split.train.labels, classes)
        self.without_a_model = constant_scores(labels, classes, self.commonest, self.split.positive)
        records = self.opened.store.results.replicas()
        files = outcomes_of(self.file, self.opened.store.folder).keys()
        self.kept = {key for key, record in records.items() if _is_kept(record.report.failure, key in files)}

    def run(self) -> Explanation:
        """Train what is needed, and put it together."""
        count = len(self.between.differences)
        # First, with whole outcomes. Those of mixtures aren't needed: a megabyte each adds up.
        ends = self._ends((frozenset(), frozenset(range(count))))
        sampled: tuple[tuple[int, ...], ...] = ()
        if count <= MOST_EXACT:
            self._ask(every_set(count))
        order = greedy_order(count, self._ask)
        if count > MOST_EXACT:
            sampled = sampled_orders(count, self.effort.pairs, self.file.study.seed)
            self._ask([made for order in sampled for made in sets_of_order(order)])
        for framework in unseen(ends):
            self.display.note(
                f"not for {framework}: hidden units are looked at in multilayer perceptrons only"
            )
        traps = find_traps(self.split, *ends, self.seeds)
        return self._explanation(attribute(order, sampled), traps)

    def _ask(self, sets: Collection[Changed]) -> Mapping[Changed, Values]:
        """The values of sets; what isn't known yet is trained, all of it together."""
        missing = {made: self.between.at(made) for made in sets if made not in self.values}
        replicas = [
            Replica(configuration, seed)
            for configuration, _ in missing.values()
            for seed in self.seeds
            if Replica(configuration, seed) not in self.results
        ]
        if replicas:
            self.results |= run_replicas(self.opened, replicas, self.display, what="explain", weights=False)
        for made, (configuration, score) in missing.items():
            values = [metric_of(scores, score) for scores in self._scores(configuration)]
            self.values[made] = tuple(map(Fraction, values))
        return self.values

    def _scores(self, configuration: Configuration) -> list[Scores]:
        """On the validation rows, by seed; of one that diverged, those of a program without a model."""
        scores = []
        for seed in self.seeds:
            result = self.results[Replica(configuration, seed)]
            failure = result.report.failure
            if failure is None:
                scores.append(result.report.scores["validation"])
            elif failure.cause == "diverged":
                scores.append(self.without_a_model)
            else:
                raise StudyFailedError(
                    f"{configuration.describe()} with seed {seed} failed: {failure.cause}: "
                    f"{failure.message}; finished trainings are saved: run the command again to resume"
                )
        return scores

    def _explanation(self, attribution: Attribution, traps: tuple[Trap, ...]) -> Explanation:
        nothing, everything = frozenset[int](), frozenset(range(len(self.between.differences)))
        configurations = tuple(dict.fromkeys(self.between.at(made)[0] for made in self.values))
        judged = self._judged(attribution, configurations)
        ends = (self._side(0, nothing, judged.sides[0]), self._side(1, everything, judged.sides[1]))
        sides = {self.between.at(made)[0] for made in (nothing, everything)}
        between = [configuration for configuration in configurations if configuration not in sides]
        validation = self.split.validation
        positives = int((validation.labels == self.split.positive).sum())
        trained = {key_of(self.opened, replica) for replica in self.results} - self.kept
        return Explanation(
            study=self.file.study.name,
            start=ends[0],
            end=ends[1],
            rows=Rows(
                len(validation), positives, self.split.classes[self.split.positive], self.split.classes
            ),
            seeds=self.seeds,
            gap=judged.gap,
            path=steps_of(self.between, attribution, judged, self.values),
            shares=shares_of(self.between, judged),
            orders=2 * len(attribution.pairs),
            mixtures=len(self.values),
            trainings=len(self.results),
            trained=len(trained),
            between=len(between),
            mixed=sum(map(self._is_mixed, between)),
            without_spark=self.between.without_spark,
            remainder=float(attribution.remainder(self.values)),
            traps=traps,
        )

    def _judged(self, attribution: Attribution, configurations: Sequence[Configuration]) -> Judged:
        """All figures with their intervals."""
        metrics = tuple(dict.fromkeys(side.score for side in self.sides))
        # Of configurations whose networks are the same, the first stands for all.
        trainings = list(self._trainings(configurations).values())
        number = {one: index for index, several in enumerate(trainings) for one in several}
        places = {
            made: (number[configuration], metrics.index(score))
            for made in self.values
            for configuration, score in [self.between.at(made)]
        }
        figures = Figures(attribution, Layout(places, len(trainings), metrics))
        scored = [self._scores(several[0]) for several in trainings]
        table = np.array(
            [[[metric_of(one, name) for one in by_seed] for name in metrics] for by_seed in scored]
        )
        rows = self._row_noise(figures, [several[0] for several in trainings], metrics)
        return figures.judged(self.values, table, rows)

    def _trainings(self, configurations: Sequence[Configuration]) -> dict[Configuration, list[Configuration]]:
        """The configurations by the first one whose networks are the same with every seed."""
        alike: dict[Configuration, list[Configuration]] = {}
        for configuration in configurations:
            first = next((other for other in alike if self._are_same(configuration, other)), configuration)
            alike.setdefault(first, []).append(configuration)
        return alike

    def _are_same(self, first: Configuration, second: Configuration) -> bool:
        """Whether no probability of a validation row differs by more than :data:`SAME`, with any seed."""
        pairs = zip(self._scores(first), self._scores(second), strict=True)
        # Their counts are at hand, and nearly always settle it.
        if any(ours.confusion != theirs.confusion for ours, theirs in pairs):
            return False
        return all(
            np.abs(self._predicted(first, seed) - self._predicted(second, seed)).max() <= SAME
            for seed in self.seeds
        )

    def _row_noise(
        self, figures: Figures, trainings: Sequence[Configuration], metrics: tuple[str, ...]
    ) -> Part | None:
        if len(self.seeds) < 2:
            return None
        noise = RowNoise(self.split.validation.labels, self.split.positive, metrics, figures.weights)
        for seed in self.seeds:
            for number, configuration in enumerate(trainings):
                noise.add(number, self._predicted(configuration, seed))
            noise.end_seed()
        return noise.part()

    def _predicted(self, configuration: Configuration, seed: int) -> NDArray[np.float64]:
        """(rows, classes) probabilities of the validation rows; of one that diverged, of no model."""
        replica = Replica(configuration, seed)
        if self.results[replica].report.failure is not None:
            sure = np.zeros((len(self.split.validation), len(self.split.classes)))
            sure[:, self.commonest] = 1.0
            return sure
        return predictions_of(self.opened, replica)

    def _is_mixed(self, configuration: Configuration) -> bool:
        """Whether it learns with some seeds and with others says one class to every row."""
        one_class = [only_class_predicted(scores) is not None for scores in self._scores(configuration)]
        return any(one_class) and not all(one_class)

    def _side(self, number: int, made: Changed, value: Measured) -> SideResult:
        configuration, _ = self.between.at(made)
        scores = self._scores(configuration)
        only = [only_class_predicted(one) for one in scores]
        return SideResult(
            side=self.sides[number],
            value=value,
            by_seed=tuple(map(float, self.values[made])),
            scores={name: sum(getattr(one, name) for one in scores) / len(scores) for name in SCORE_NAMES},
            diverged=sum(one is self.without_a_model for one in scores),
            only=tuple(None if index is None else self.split.classes[index] for index in only),
            precisions=tuple(one.average_precision for one in scores),
        )

    def _ends(self, sets: tuple[Changed, Changed]) -> tuple[Evidence, Evidence]:
        """Train the two sides, and look at what their trainings left."""
        replicas = [[Replica(self.between.at(made)[0], seed) for seed in self.seeds] for made in sets]
        both = [replica for several in replicas for replica in several]
        self.results |= run_replicas(self.opened, both, self.display, what="explain")
        start, end = (
            Evidence(side, tuple(self.results[replica] for replica in several))
            for side, several in zip(self.sides, replicas, strict=True)
        )
        return start, end


def _is_kept(failure: Failure | None, has_file: bool) -> bool:
    """Whether a training is not run again."""
    return has_file if failure is None else failure.cause in FOR_GOOD
