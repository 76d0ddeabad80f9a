"""What differs between two configurations, and what lies between them."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.explaining.differences import Between, Side
from studies.errors import StudyFileError
from studies.frameworks import INITIALISATIONS, framework_of
from studies.space.axes import AXES
from studies.space.configuration import Configuration

SPARK = Configuration("spark", "spark_uniform", "l-bfgs", 10)
SEED = Configuration(
    "tensorflow",
    "seed_uniform",
    "sgd",
    100,
    learning_rate=0.01,
    batch_size=256,
    shuffle=False,
    drop_last_batch=True,
    loss_scale=0.5,
    activation="sigmoid",
    class_weight="none",
    weight_decay=0.0,
    dropout=0.0,
)


def between(start: Configuration, end: Configuration, *scores: str) -> Between:
    first, last = scores or ("f1", "f1")
    return Between(Side("a", start, first), Side("b", end, last))


def all_sets(found: Between) -> list[frozenset[int]]:
    numbers = range(len(found.differences))
    return [frozenset(s) for size in range(len(numbers) + 1) for s in itertools.combinations(numbers, size)]


def test_the_two_recipes_of_the_question_differ_in_six_changes() -> None:
    found = between(SPARK, SEED, "f1_weighted", "f1")
    assert [one.title for one in found.differences] == [
        "framework spark → tensorflow",
        "initial weights spark_uniform → glorot_uniform",
        "initial biases as spark_uniform → 1",
        "optimizer l-bfgs → sgd",
        "10 iterations → 100 epochs",
        "score weighted F1 → F1",
    ]
    assert found.differences[3].brings == (
        "with learning rate 0.01",
        "with batch size 256",
        "with shuffling never",
        "with last batch dropped",
        "with loss scale 0.5",
    )
    assert [one.is_measuring for one in found.differences] == [False] * 5 + [True]


def test_their_64_sets_need_24_different_trainings_and_spark_never_runs_sgd() -> None:
    found = between(SPARK, SEED, "f1_weighted", "f1")
    at = [found.at(made) for made in all_sets(found)]
    assert len(at) == 64
    assert len({configuration.key() for configuration, _ in at}) == 24
    assert {(c.framework, c.optimizer) for c, _ in at} == {
        ("spark", "l-bfgs"),
        ("tensorflow", "l-bfgs"),
        ("tensorflow", "sgd"),
    }
    assert found.without_spark == "no sgd"


def test_with_the_framework_alone_the_same_network_starts_from_the_same_numbers() -> None:
    found = between(SPARK, SEED, "f1_weighted", "f1")
    configuration, score = found.at(frozenset({0}))
    assert configuration == Configuration(
        "tensorflow",
        "spark_uniform",
        "l-bfgs",
        10,
        activation="sigmoid",
        class_weight="none",
        weight_decay=0.0,
    )
    assert score == "f1_weighted"


def test_biases_are_mixed_with_weights() -> None:
    found = between(SPARK, SEED)
    weights, biases = found.at(frozenset({1}))[0], found.at(frozenset({2}))[0]
    assert (weights.initialisation, weights.biases) == ("glorot_uniform", "spark_uniform")
    assert (biases.initialisation, biases.biases) == ("spark_uniform", 1.0)
    assert found.at(frozenset({1, 2}))[0].initialisation == "seed_uniform"


def test_schemes_that_differ_in_their_biases_alone_differ_in_one_change() -> None:
    found = between(SEED, replace(SEED, initialisation="glorot_uniform"))
    assert [one.title for one in found.differences] == ["initial biases 1 → 0"]


def test_two_ways_to_say_one_thing_are_no_difference() -> None:
    assert between(SEED, replace(SEED, initialisation="glorot_uniform", biases=1.0)).differences == ()
    assert between(SPARK, replace(SPARK, biases="spark_uniform")).differences == ()


def test_the_suggested_fix_is_two_changes() -> None:
    found = between(SEED, replace(SEED, initialisation="truncated_normal"))
    assert [one.name for one in found.differences] == ["weights", "biases"]
    assert found.without_spark == ""


def test_what_only_tensorflow_has_counts_as_a_change_from_sparks_way() -> None:
    tanh = replace(
        SPARK, framework="tensorflow", activation="tanh", class_weight="balanced", weight_decay=0.0
    )
    found = between(SPARK, tanh)
    assert [one.name for one in found.differences] == ["framework", "activation", "class_weight"]
    configuration, _ = found.at(frozenset({1}))
    assert (configuration.framework, configuration.activation) == ("tensorflow", "tanh")
    assert found.without_spark == "no activation tanh, no class weights balanced"


def test_nothing_lies_between_a_network_and_none() -> None:
    with pytest.raises(StudyFileError, match="there is nothing between a and b"):
        between(SPARK, Configuration("analytic", "he_normal", "sgd", 9, learning_rate=0.1, batch_size=16))


values = {
    "initialisation": st.sampled_from(INITIALISATIONS),
    "biases": st.sampled_from([None, 0.0, 1.0, 0.5, "spark_uniform"]),
    "learning_rate": st.sampled_from([0.01, 1.0]),
    "batch_size": st.sampled_from([32, 256]),
    "shuffle": st.booleans(),
    "drop_last_batch": st.booleans(),
    "loss_scale": st.sampled_from([0.5, 1.0]),
    "activation": st.sampled_from(["sigmoid", "tanh"]),
    "class_weight": st.sampled_from(["none", "balanced"]),
    "weight_decay": st.sampled_from([0.0, 0.1]),
    "dropout": st.sampled_from([0.0, 0.5]),
    "epochs": st.sampled_from([10, 100]),
}


@st.composite
def configurations(draw: st.DrawFn) -> Configuration:
    framework = draw(st.sampled_from(["tensorflow", "spark"]))
    optimizer = draw(st.sampled_from(framework_of(framework).optimizers))
    used = [rule.name for rule in AXES if rule.name != "optimizer" and rule.used_by(framework, optimizer)]
    drawn = {name: draw(values[name]) for name in used}
    return Configuration(framework=framework, optimizer=optimizer, **drawn)


@given(configurations(), configurations(), st.data())
def test_every_mixture_can_be_trained_and_the_ends_are_the_two(
    start: Configuration, end: Configuration, data: st.DataObject
) -> None:
    found = between(start, end)
    count = len(found.differences)
    for made, side in ((frozenset[int](), start), (frozenset(range(count)), end)):
        ends = Between(Side("", found.at(made)[0], "f1"), Side("", side, "f1"))
        assert ends.differences == ()
    for name in ("framework", "optimizer", "epochs", "learning_rate", "batch_size"):
        assert getattr(found.at(frozenset(range(count)))[0], name) == getattr(end, name)
    made = data.draw(st.frozensets(st.integers(0, count - 1)) if count else st.just(frozenset()))
    mixture = found.at(made)[0]
    assert mixture.optimizer in framework_of(mixture.framework).optimizers
    for rule in AXES:
        if rule.name != "biases":
            used = rule.used_by(mixture.framework, mixture.optimizer)
            assert (getattr(mixture, rule.name) is not None) == used, rule.name
