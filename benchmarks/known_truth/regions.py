"""Sentences about regions: of pure noise, of one true condition, and of two.

Studies are of the default space with both frameworks, drawn at random or by the product's own TPE. A *false
condition* is one on the batch size or the initialisation, on which no score here depends. (On the optimizer
they all do: some have no learning rate.) Where two conditions together are bad (sgd
with a learning rate below 0.01), *found* is a sentence that names just these two parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from common.figures import Figure, share
from common.simulated_studies import SPACE, Truth, learning_rate_alone, nothing, random_study, tpe_study

from search.importance.regions import Outcome, Region, significant_regions
from studies.records.trials import TrialRecord
from studies.space.configuration import Configuration
from studies.space.numbers import axes_of

STUDIES = 100
"""Simulated studies a cell; TPE's are a quarter, because they take a hundred times as long to draw."""

AXES = axes_of(SPACE.parameters())

Study = Callable[[int, int, Truth, float], list[TrialRecord]]


def measure(repetitions: int) -> Sequence[Figure]:
    """All cells."""
    random, by_tpe = STUDIES * repetitions, STUDIES * repetitions // 4
    both = {"learning_rate", "optimizer.tensorflow"}
    return [
        _share("noise, 100 random trials: a sentence", random_study, (100, nothing, 1.0), random, bool, 0.1),
        _share("noise, 60 trials by TPE: a sentence", tpe_study, (60, nothing, 1.0), by_tpe, bool, 0.2),
        *(
            _share(f"learning rate alone{name}: a false condition", study, setting, number, _false, bound)
            for name, study, setting, number, bound in (
                (", 300 random trials", random_study, (300, learning_rate_alone, 0.58), random, 0.1),
                (", steps, 300 random trials", random_study, (300, _step, 0.5), random, 0.1),
                (", steps, 100 random trials, little noise", random_study, (100, _step, 0.1), random, 0.1),
                (", 100 trials by TPE", tpe_study, (100, learning_rate_alone, 0.3), by_tpe, 0.2),
            )
        ),
        *(
            _share(
                f"two conditions, {trials} random trials, noise {noise:g} of the drop: found",
                random_study,
                (trials, _two, noise),
                random // 2,
                lambda found: any(_parameters(region) == both for region in found),
                at_least=bound,
            )
            for trials, noise, bound in ((200, 0.2, 0.7), (400, 0.2, 0.95), (400, 0.4, 0.7))
        ),
    ]


def _share(
    name: str,
    study: Study,
    setting: tuple[int, Truth, float],
    studies: int,
    hit: Callable[[Sequence[Region]], bool],
    at_most: float | None = None,
    at_least: float | None = None,
) -> Figure:
    """How often the sentences of a study are such; bounds, of 1, leave room for Monte Carlo errors."""
    trials, truth, noise = setting
    hits = sum(bool(hit(_regions(study(trials, seed, truth, noise)))) for seed in range(studies))
    bounds = {"at_most": at_most, "at_least": at_least}
    return share(name, hits, studies, **{key: 100 * bound for key, bound in bounds.items() if bound})


def _regions(records: Sequence[TrialRecord]) -> Sequence[Region]:
    return significant_regions([Outcome(record.params, record.value) for record in records], AXES)


def _false(found: Sequence[Region]) -> bool:
    return any(_parameters(region) & {"batch_size", "initialisation"} for region in found)


def _parameters(region: Region) -> set[str]:
    return {condition.parameter for condition in region.conditions}


def _step(configuration: Configuration) -> float:
    rate = configuration.learning_rate
    return -1.0 if rate is not None and rate < 0.01 else 0.0


def _two(configuration: Configuration) -> float:
    return _step(configuration) if configuration.optimizer == "sgd" else 0.0
