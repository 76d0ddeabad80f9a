"""``search explain`` from end to end, with the trainer that takes no time."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from search import launch, report
from search.cli import main
from search.driving.display import SilentDisplay
from search.explaining.differences import Between, Side
from search.explaining.explain import Effort, explain
from search.explaining.words import to_keep
from search.reporting.page.page import page
from studies.data import prepare
from studies.errors import NotStoredError, StudyFailedError, StudyFileError
from studies.records.replicas import new_seeds
from studies.space.configuration import Configuration
from studies.stored_study import read_study
from studies.study_file import read_study_file
from tests.search.driving.test_driver import advance_of_the_trainer
from workers.training.analytic_trainer import AnalyticTrainer
from workers.training.scores import metric_of, score
from workers.training.trainer import Deadline

Writes = Callable[..., Path]

SLOW = Configuration("analytic", "glorot_uniform", "sgd", 1, learning_rate=0.001, batch_size=32)
QUICK = Configuration("analytic", "he_normal", "adam", 9, learning_rate=0.1, batch_size=32)

RECIPES = """
[recipe.slow]
framework = "analytic"
initialisation = "glorot_uniform"
optimizer = "sgd"
learning_rate = 0.001
batch_size = 32
epochs = 1
score = "f1_weighted"

[recipe.quick]
framework = "analytic"
initialisation = "he_normal"
optimizer = "adam"
learning_rate = 0.1
batch_size = 32

[recipe.other]
framework = "analytic"
initialisation = "spark_uniform"
optimizer = "adam"
learning_rate = 0.1
batch_size = 16

[recipe.wild]
framework = "analytic"
initialisation = "he_normal"
optimizer = "adam"
learning_rate = 20.0
batch_size = 32
"""


@pytest.fixture
def study(study_file: Writes) -> Path:
    return study_file(append=RECIPES)


def run(path: Path, *sides: str, seeds: int = 2, pairs: int = 2):  # type: ignore[no-untyped-def]
    return explain(path, *sides, effort=Effort(seeds, pairs), display=SilentDisplay())


def value_of(path: Path) -> Callable[[Configuration, str, int], float]:
    """Scores on the validation rows, computed by the trainer itself."""
    file = read_study_file(path)
    study = file.study
    cache = file.work_directory / "data"
    split = prepare(study.data, study.features, study.seed, file.directory, cache).split
    trainer = AnalyticTrainer(split, study.model.hidden)

    def value(configuration: Configuration, metric: str, seed: int) -> float:
        begun = trainer.begin(configuration, seed)
        state = trainer.advance(configuration, seed, begun, configuration.epochs, Deadline())
        probabilities = trainer.predict(state, split.validation.features)
        return metric_of(score(split.validation.labels, probabilities, split.positive), metric)

    return value


def test_shares_are_means_over_all_orders_of_what_the_trainer_itself_gives(study: Path) -> None:
    found = run(study, "slow", "quick")
    assert [one.difference.name for one in found.shares] == [
        "weights",
        "optimizer",
        "learning_rate",
        "epochs",
        "score",
    ]
    value = value_of(study)
    between = Between(Side("", SLOW, "f1_weighted"), Side("", QUICK, "f1"))
    seeds = new_seeds(3, 2)
    values = {
        made: sum(value(*between.at(made), seed) for seed in seeds) / 2
        for size in range(6)
        for made in map(frozenset, itertools.combinations(range(5), size))
    }
    orders = list(itertools.permutations(range(5)))
    for change, one in enumerate(found.shares):
        gains = []
        for order in orders:
            before = frozenset(order[: order.index(change)])
            gains.append(values[before | {change}] - values[before])
        assert one.value == pytest.approx(sum(gains) / len(orders), abs=1e-12), one.difference.name
        assert one.low is not None
        assert one.high is not None
        assert one.low <= one.value <= one.high
    assert found.gap.value == pytest.approx(values[frozenset(range(5))] - values[frozenset()], abs=1e-12)
    assert found.seeds == seeds
    assert found.remainder == 0.0
    assert found.orders == 0
    # The score's definition doubles the sets and not the trainings.
    assert (found.mixtures, found.trainings, found.trained) == (32, 32, 32)


def test_the_path_goes_from_one_to_the_other_and_adds_up(study: Path) -> None:
    found = run(study, "slow", "quick")
    score_at = found.start.value.value
    for step in found.path:
        score_at += step.value
        assert step.after == pytest.approx(score_at)
    assert found.path[-1].after == pytest.approx(found.end.value.value)
    assert {step.difference.name for step in found.path} == {one.difference.name for one in found.shares}
    assert found.measuring + found.training == pytest.approx(found.gap.value)
    # Measured alike, the sides have every score.
    assert found.start.value.value == pytest.approx(found.start.scores["f1_weighted"])
    assert found.start.value.value != found.start.scores["f1"]


def test_intervals_have_a_width_and_end_where_a_score_does(study: Path) -> None:
    for sides in (("slow", "quick"), ("quick", "wild"), ("quick", "other")):
        found = run(study, *sides)
        for one in (*found.path, *found.shares, found.gap):
            assert one.low is not None
            assert one.high is not None
            assert -1.0 <= one.low <= one.value <= one.high <= 1.0
            # Two seeds that agree by luck, or scores of nothing learned, prove nothing of other rows.
            assert one.low < one.high or one.verdict == "same"
        for side in (found.start, found.end):
            assert side.value.low is not None
            assert 0.0 <= side.value.low <= side.value.value
    # The analytic trainer has no biases.
    assert {one.difference.name for one in found.shares if one.verdict == "same"} == {"biases"}


def test_nothing_is_trained_twice_also_across_explanations(study: Path) -> None:
    first = run(study, "slow", "quick")
    again = run(study, "slow", "quick")
    assert (again.trainings, again.trained) == (first.trainings, 0)
    assert again.shares == first.shares
    back = run(study, "quick", "slow")
    assert back.trained == 0
    assert [one.value for one in back.shares] == pytest.approx([-one.value for one in first.shares])
    more = run(study, "slow", "quick", seeds=3)
    assert more.trained == more.trainings - first.trainings


def test_one_that_was_stopped_goes_on(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = iter(range(10))

    def stop(_configuration: Configuration) -> None:
        if next(left, None) is None:
            raise IndexError("the disk is on fire")

    with monkeypatch.context() as patch:
        advance_of_the_trainer(patch, stop)
        with pytest.raises(
            StudyFailedError, match=r"with seed \d+ failed: bug.*run the command again to resume"
        ):
            run(study, "slow", "quick")
    kept = read_study(read_study_file(study)).replicas
    ended = sum(record.report.failure is None for record in kept.values())
    assert 0 < ended < 32
    assert run(study, "slow", "quick").trained == 32 - ended


def test_beyond_six_changes_orders_are_drawn_and_the_parts_still_add_up(study: Path) -> None:
    text = study.read_text()
    study.write_text(text.replace("batch_size = 32\nepochs = 1", "batch_size = 32\nepochs = 1\nbiases = 0.5"))
    found = run(study, "slow", "other", seeds=1, pairs=2)
    assert len(found.shares) == 7
    assert found.orders == 4
    assert sum(one.value for one in found.shares) == pytest.approx(found.gap.value)
    assert found.remainder == 0.0
    assert found.mixtures < 2**7
    assert all(one.low is None for one in found.shares), "one seed shows no noise"


def test_a_training_that_diverges_counts_as_a_program_without_a_model(study: Path) -> None:
    found = run(study, "quick", "wild")
    assert found.end.diverged == 2
    assert found.end.value.value == 0.0, "always the commonest class: no F1"
    assert found.end.scores["accuracy"] == pytest.approx(1 - found.rows.positives / found.rows.count)
    [only] = found.shares
    assert only.difference.title == "learning rate 0.1 → 20"
    assert only.value == pytest.approx(-found.start.value.value)


def test_without_names_it_explains_the_best_from_the_default(study_file: Writes) -> None:
    enqueued = '\n[[enqueue]]\ninitialisation = "he_normal"\noptimizer = "sgd"\nlearning_rate = 0.001\n'
    path = study_file(append=enqueued)
    with pytest.raises(NotStoredError, match="search launch"):
        run(path)
    launched = launch(path, display=SilentDisplay())
    found = run(path)
    assert found.start.side.name == "default (trial 0)"
    assert launched.best is not None
    assert found.end.side.name == f"best (trial {launched.best.number})"
    assert found.end.side.configuration == launched.best.configuration
    number = launched.best.number
    worst = run(path, "worst", str(number))
    assert worst.start.side.name == f"worst (trial {launched.ranked[-1].number})"
    assert worst.end.side.name == f"trial {number}"


@contextmanager
def names(text: str) -> Iterator[None]:
    with pytest.raises(StudyFileError, match=f"(?s){text}"):
        yield


def test_what_is_not_there_is_named_with_what_is(study: Path) -> None:
    launch(study, display=SilentDisplay())
    with names("there is no recipe 'quik'.*did you mean 'quick'"):
        run(study, "slow", "quik")
    with names("there is no trial 99.*0 to 5"):
        run(study, "99", "best")
    with names("are the same configuration, judged by the same score"):
        run(study, "quick", "quick")


def test_the_command_prints_sentences_or_json(study: Path) -> None:
    arguments = ["explain", str(study), "--from", "slow", "--to", "quick", "--seeds", "2", "--quiet"]
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    printed = " ".join(done.stdout.split())
    assert "small: from slow to quick" in printed
    assert "is only the definition of the score, with nothing trained differently" in printed
    assert "32 trainings for 32 sets of changes with 2 seeds; 32 were run now" in printed
    assert "Different scores: slow is judged by weighted F1 and quick by F1 of 1" in printed
    again = CliRunner().invoke(main, [*arguments, "--json"], catch_exceptions=False)
    found = json.loads(again.stdout)
    assert found["trained"] == 0
    assert found["gap"]["value"] == pytest.approx(sum(one["value"] for one in found["shares"]))
    assert found["sentences"][0].startswith("slow has ")
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_an_explanation_is_kept_and_drawn_on_the_page(study: Path) -> None:
    found = run(study, "slow", "quick")
    launch(study, display=SilentDisplay())
    read = report(study)
    [kept] = read.explanations
    assert kept == to_keep(found)
    assert [step.after for step in kept.path[:-1]] == [step.before for step in kept.path[1:]]
    drawn = page(read, datetime(2026, 1, 1, tzinfo=UTC))
    assert "Which change moved the score by how much" in drawn
    assert drawn.count("learning rate 0.001 → 0.1") >= 3, "two waterfalls and the table"
    assert kept.covers in drawn
    assert "over other seeds than these 2, and over other rows than these 19" in kept.covers
    assert json.loads(json.dumps(read.to_dict()))["explanations"][0]["end"] == "quick"
    run(study, "slow", "quick", seeds=1)
    [latest] = report(study).explanations
    assert latest.seeds == 1


def test_the_test_rows_are_left_alone(study: Path) -> None:
    run(study, "slow", "quick")
    kept = read_study(read_study_file(study)).replicas
    assert {rows for record in kept.values() for rows in record.report.scores} == {"train", "validation"}


def test_the_default_is_a_recipe_of_that_name_where_there_is_one(study: Path) -> None:
    study.write_text(study.read_text().replace("[recipe.slow]", "[recipe.default]"))
    found = run(study, "default", "quick")
    assert found.start.side == Side("default", replace(SLOW), "f1_weighted")
    assert read_study(read_study_file(study)).records == ()
