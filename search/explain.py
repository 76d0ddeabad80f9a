"""``search explain``: which change moved the score by how much, found out by training what is between."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from search.attribution import (
    MOST_EXACT,
    Changed,
    Values,
    drawn_orders,
    every_set,
    greedy_order,
    sets_of_order,
)
from search.differences import Between, Side
from search.display import Display, make_display
from search.explain_words import to_keep
from search.explanation import (
    Attribution,
    Explanation,
    Rows,
    SideResult,
    Trap,
    attribute,
    measured,
    shares_of,
    steps_of,
)
from search.opened import OpenedStudy, open_stored_study, open_study
from search.replicas import FOR_GOOD, Replica, ReplicaResult, key_of, run_replicas
from search.sides import DEFAULT_SIDES, find_sides, names_a_trial
from search.traps import Evidence, find_traps
from studies.configuration import Configuration
from studies.errors import StudyFailedError, StudyFileError
from studies.records import SCORE_NAMES, Failure, Scores
from studies.replica_record import new_seeds
from studies.study_file import read_study_file
from workers.scores import constant_scores, majority_class, metric_of

DEFAULT_SEEDS = 3
"""Seeds that every configuration is trained with."""

DEFAULT_PAIRS = 5
"""Pairs of orders that are drawn where there are too many changes for all orders."""


@dataclass(frozen=True)
class Effort:
    """How much is trained.

    Attributes:
        seeds: with how many each configuration is.
        pairs: of orders that are drawn where there are more than :data:`~search.attribution.MOST_EXACT`
            changes.
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
        sides = find_sides(opened.file, opened.store.records(), (start, end))
        between = Between(*sides)
        if not between.differences:
            raise StudyFileError(
                f"{sides[0].name} and {sides[1].name} are the same configuration, judged by the same score",
                where=str(file.path.name),
                remedy="name two that differ",
            )
        found = _Explaining(opened, display, sides, between, effort).run()
        opened.store.keep_explanation(to_keep(found))
        return found


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
        commonest = majority_class(self.split.train.labels, classes)
        self.without_a_model = constant_scores(labels, classes, commonest, self.split.positive)
        records = self.opened.store.replicas()
        self.kept = {key for key, record in records.items() if _is_kept(record.report.failure)}

    def run(self) -> Explanation:
        """Train what is needed, and put it together."""
        count = len(self.between.differences)
        # First, because what these left is wanted too. Of the mixtures it isn't: a megabyte each adds up.
        ends = self._ends((frozenset(), frozenset(range(count))))
        drawn: tuple[tuple[int, ...], ...] = ()
        if count <= MOST_EXACT:
            self._ask(every_set(count))
        order = greedy_order(count, self._ask)
        if count > MOST_EXACT:
            drawn = drawn_orders(count, self.effort.pairs, self.file.study.seed)
            self._ask([made for one in drawn for made in sets_of_order(one)])
        traps = find_traps(self.split, *ends, self.seeds)
        return self._explanation(attribute(order, drawn, self.values), traps)

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
            self.results |= run_replicas(self.opened, replicas, self.display, what="explain", outcomes=False)
        for made, (configuration, score) in missing.items():
            found = [metric_of(scores, score) for scores in self._scores(configuration)]
            self.values[made] = tuple(map(Fraction, found))
        return self.values

    def _scores(self, configuration: Configuration) -> list[Scores]:
        """On the validation rows, by seed; of one that diverged, those of a program without a model."""
        found = []
        for seed in self.seeds:
            result = self.results[Replica(configuration, seed)]
            failure = result.report.failure
            if failure is None:
                found.append(result.report.scores["validation"])
            elif failure.cause == "diverged":
                found.append(self.without_a_model)
            else:
                raise StudyFailedError(
                    f"{configuration.describe()} with seed {seed} failed: {failure.cause}: "
                    f"{failure.message}; what was trained is kept: run the command again to go on"
                )
        return found

    def _explanation(self, found: Attribution, traps: tuple[Trap, ...]) -> Explanation:
        nothing, everything = frozenset[int](), frozenset(range(len(self.between.differences)))
        gap = tuple(
            after - before
            for before, after in zip(self.values[nothing], self.values[everything], strict=True)
        )
        ends = (self._side(0, nothing), self._side(1, everything))
        validation = self.split.validation
        positives = int((validation.labels == self.split.positive).sum())
        trained = {key_of(self.opened, replica) for replica in self.results} - self.kept
        return Explanation(
            study=self.file.study.name,
            start=ends[0],
            end=ends[1],
            rows=Rows(len(validation), positives, self.split.classes[self.split.positive]),
            seeds=self.seeds,
            gap=measured(gap),
            path=steps_of(self.between, found, self.values),
            shares=shares_of(self.between, found),
            orders=2 * self.effort.pairs if found.errors else 0,
            mixtures=len(self.values),
            trainings=len(self.results),
            trained=len(trained),
            without_spark=self.between.without_spark,
            remainder=float(found.remainder(gap)),
            traps=traps,
        )

    def _side(self, number: int, made: Changed) -> SideResult:
        configuration, _ = self.between.at(made)
        scores, values = self._scores(configuration), self.values[made]
        return SideResult(
            side=self.sides[number],
            value=measured(values),
            by_seed=tuple(map(float, values)),
            scores={name: sum(getattr(one, name) for one in scores) / len(scores) for name in SCORE_NAMES},
            diverged=sum(one is self.without_a_model for one in scores),
        )

    def _ends(self, sets: tuple[Changed, Changed]) -> tuple[Evidence, Evidence]:
        """Train the two sides, and look at what their trainings left."""
        replicas = [[Replica(self.between.at(made)[0], seed) for seed in self.seeds] for made in sets]
        both = [replica for several in replicas for replica in several]
        self.results |= run_replicas(self.opened, both, self.display, what="explain")
        start, end = (
            Evidence(side, tuple(self.results[one] for one in several))
            for side, several in zip(self.sides, replicas, strict=True)
        )
        return start, end


def _is_kept(failure: Failure | None) -> bool:
    """Whether a training is not run again."""
    return failure is None or failure.cause in FOR_GOOD
