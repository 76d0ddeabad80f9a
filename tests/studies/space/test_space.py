from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import FixedTrial

from studies.errors import StudyFileError
from studies.frameworks import (
    ACTIVATIONS,
    ANALYTIC,
    INITIALISATIONS,
    SPARK_MLLIB,
    TENSORFLOW,
    framework_of,
)
from studies.sections.distributions import Choice, Fixed, Range, parse_distribution
from studies.sections.study import Study
from studies.space.axes import AXES
from studies.space.configuration import FULL_BATCH, Configuration, trial_seed
from studies.space.space import SearchSpace


def space_of(**axes: Any) -> SearchSpace:
    return SearchSpace(Study.model_validate({"name": "s", "data": {"source": "sms-spam"}, "space": axes}))


class Drawing:
    """Stands in for an Optuna trial: draws with Hypothesis and remembers what was asked for."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.params: dict[str, Any] = {}

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        return self._keep(name, self.data.draw(st.sampled_from(list(choices))))

    def suggest_float(
        self,
        name: str,
        low: float,
        high: float,
        *,
        step: float | None = None,
        log: bool = False,  # noqa: ARG002
    ) -> float:
        if step is not None:
            count = math.floor((high - low) / step + 1e-9)
            return self._keep(name, low + step * self.data.draw(st.integers(0, count)))
        return self._keep(name, self.data.draw(st.floats(low, high)))

    def suggest_int(
        self,
        name: str,
        low: int,
        high: int,
        *,
        step: int = 1,
        log: bool = False,  # noqa: ARG002
    ) -> int:
        return self._keep(name, self.data.draw(st.integers(0, (high - low) // step)) * step + low)

    def _keep(self, name: str, value: Any) -> Any:
        assert name not in self.params
        self.params[name] = value
        return value


@given(st.data())
def test_what_is_drawn_can_be_enqueued_and_gives_the_same_configuration(data: st.DataObject) -> None:
    space = space_of(epochs={"low": 3, "high": 9, "step": 3}, biases=["scheme", 0.0, 1])
    drawing = Drawing(data)
    configuration = space.sample(drawing)
    given_back = configuration.used() | ({} if configuration.biases is not None else {"biases": "scheme"})
    assert space.place(given_back, "test") == drawing.params
    assert space.sample(FixedTrial(drawing.params)) == configuration
    assert Configuration.from_dict(configuration.used()) == configuration


@given(st.data())
def test_a_configuration_has_just_the_choices_that_its_optimizer_uses(data: st.DataObject) -> None:
    configuration = space_of(framework=["tensorflow", "spark", "analytic"]).sample(Drawing(data))
    assert (configuration.learning_rate is None) == (configuration.optimizer == "l-bfgs")
    assert (configuration.batch_size is None) == (configuration.optimizer in FULL_BATCH)
    by_batches = configuration.framework == "tensorflow" and configuration.optimizer not in FULL_BATCH
    assert (configuration.shuffle is not None) == by_batches
    assert (configuration.loss_scale is not None) == by_batches
    assert configuration.optimizer in framework_of(configuration.framework).optimizers
    assert (configuration.dropout is not None) == by_batches
    for name in ("activation", "class_weight", "weight_decay"):
        assert (getattr(configuration, name) is None) == (configuration.framework != "tensorflow")


def test_the_activation_is_that_of_the_model_unless_the_space_says_otherwise() -> None:
    def activation(space: SearchSpace) -> str | None:
        drawn = {"optimizer.tensorflow": "sgd", "initialisation": "he_normal"}
        return space.sample(FixedTrial({**drawn, "learning_rate": 0.1, "batch_size": 32})).activation

    def space(model: dict[str, Any], axes: dict[str, Any]) -> SearchSpace:
        raw = {"name": "s", "data": {"source": "sms-spam"}, "model": model}
        return SearchSpace(Study.model_validate({**raw, "space": {"framework": "tensorflow", **axes}}))

    assert activation(space({}, {})) == "sigmoid"
    assert activation(space({"activation": "relu"}, {})) == "relu"
    assert activation(space({"activation": "relu"}, {"activation": "tanh"})) == "tanh"
    assert "activation" not in str(space({"activation": "relu"}, {}).parameters())


def test_activations_beside_spark_are_drawn_for_tensorflow_alone() -> None:
    space = space_of(
        activation=["tanh", "sigmoid"], optimizer={"spark": "l-bfgs"}, initialisation="he_normal"
    )
    assert space.parameters()["activation"] == Choice(("tanh", "sigmoid"))
    assert space.sample(FixedTrial({"framework": "spark"})).activation is None
    fixed = space_of(
        activation={"tensorflow": "tanh"}, optimizer={"spark": "l-bfgs"}, initialisation="he_normal"
    )
    assert fixed.sample(FixedTrial({"framework": "spark"})).activation is None


DEFAULT = Configuration("tensorflow", "he_normal", "sgd", 9, None, 0.1, 32, True, False, 1.0)
SELDOM = {
    "tanh": {"activation": "tanh"},
    "dropout 0.25": {"dropout": 0.25},
    "weight decay 0.0001": {"weight_decay": 1e-4},
    "balanced classes": {"class_weight": "balanced"},
    "no shuffling": {"shuffle": False},
    "last batch dropped": {"drop_last_batch": True},
    "loss scale 0.5": {"loss_scale": 0.5},
}


@pytest.mark.parametrize("words", SELDOM)
def test_a_choice_that_is_seldom_made_is_described_last(words: str) -> None:
    assert replace(DEFAULT, **SELDOM[words]).describe() == f"{DEFAULT.describe()}, {words}"


def test_choices_at_their_defaults_are_not_described() -> None:
    spelt_out = replace(DEFAULT, activation="sigmoid", class_weight="none", weight_decay=0.0, dropout=0.0)
    assert spelt_out.describe() == DEFAULT.describe() == "tensorflow sgd lr 0.1 batch 32 he_normal 9 epochs"


def test_a_fixed_value_and_a_single_choice_are_no_parameters() -> None:
    space = space_of(framework="spark", optimizer={"spark": ["l-bfgs"]}, initialisation="he_normal")
    assert space.parameters() == {}
    assert space.size() == 1


def test_the_size_counts_each_configuration_once() -> None:
    space = space_of(
        framework=["tensorflow", "spark"],
        optimizer={"tensorflow": ["sgd", "adam"], "spark": ["l-bfgs", "gd"]},
        initialisation=["he_normal", "glorot_uniform"],
        learning_rate=[0.1, 0.01, 0.001],
        batch_size=[32, 64],
    )
    # TensorFlow: 2 optimizers x 2 schemes x 3 rates x 2 sizes; l-bfgs: 2 schemes; gd: 2 schemes x 3 rates
    assert space.size() == 24 + 2 + 6
    grid = list(space.grid())
    configurations = {space.sample(FixedTrial(point)).key() for point in grid}
    assert len(grid) == len(configurations) == 32


def test_a_range_of_numbers_has_no_size() -> None:
    assert space_of().size() is None


def test_an_axis_for_one_framework_leaves_the_other_its_default() -> None:
    space = space_of(epochs={"spark": 10})
    spark = space.sample(
        FixedTrial({"framework": "spark", "optimizer.spark": "l-bfgs", "initialisation": "he_normal"})
    )
    assert spark.epochs == 10
    names = set(space.parameters())
    assert {"optimizer.tensorflow", "optimizer.spark", "learning_rate"} <= names


def test_enqueued_whole_numbers_become_numbers_where_the_axis_has_them() -> None:
    placed = space_of().place({"framework": "tensorflow", "learning_rate": 1}, "test")
    assert placed == {"framework": "tensorflow", "learning_rate": 1.0}
    assert isinstance(placed["learning_rate"], float)


@pytest.mark.parametrize(
    ("axis", "value", "placed"),
    [
        ({"low": 1, "high": 64}, 32.0, 32),
        ([16, 32], 32.0, 32),
        ({"low": 0.5, "high": 2.0}, 1, 1.0),
        ([0.5, 1.0], 1, 1.0),
    ],
    ids=str,
)
def test_an_enqueued_number_gets_the_type_that_the_axis_draws(axis: Any, value: Any, placed: Any) -> None:
    found = parse_distribution(axis).own(value)
    assert (found, type(found)) == (placed, type(placed))


def test_a_range_between_equal_ends_is_one_value() -> None:
    one = {"low": 0.1, "high": 0.1, "log": True}
    space = space_of(framework="tensorflow", optimizer="adam", batch_size=32, learning_rate=one)
    assert space.size() == 5  # schemes of initial weights
    assert {point["learning_rate"] for point in space.grid()} == {0.1}
    assert Range(0.1, 0.1).describe() == "0.1 alone"


def test_an_enqueued_batch_size_is_whole_in_the_configuration() -> None:
    space = space_of(framework="analytic", optimizer="sgd", initialisation="he_normal", learning_rate=0.1)
    placed = space.place({"batch_size": 32.0}, "test")
    assert type(space.sample(FixedTrial(placed)).batch_size) is int


def test_a_huge_range_is_counted_without_being_written_out() -> None:
    fixed = {"framework": "analytic", "optimizer": "sgd", "initialisation": "he_normal"}
    space = space_of(**fixed, learning_rate=0.1, batch_size={"low": 1, "high": 2**31 - 1})
    assert space.size() == 2**31 - 1


def test_true_is_no_number() -> None:
    with pytest.raises(StudyFileError, match="batch_size = true"):
        space_of(batch_size=[1, 2]).place({"framework": "tensorflow", "batch_size": True}, "test")


@given(
    st.floats(-1e3, 1e3, allow_nan=False),
    st.floats(0.001, 1e3),
    st.floats(0.01, 10),
    st.data(),
)
def test_every_counted_value_of_a_range_is_in_it(low: float, width: float, step: float, data: Any) -> None:
    distribution = parse_distribution({"low": low, "high": low + width, "step": step})
    assert isinstance(distribution, Range)
    values = distribution.values() or ()
    value = data.draw(st.sampled_from(values[:50]))
    assert distribution.contains(value)
    assert distribution.own(value) == value
    assert len(values) == distribution.count()


@given(st.lists(st.one_of(st.text(), st.integers(), st.booleans()), min_size=1, unique_by=repr))
def test_a_choice_contains_its_choices_and_nothing_else(choices: list[Any]) -> None:
    distribution = parse_distribution(choices)
    assert isinstance(distribution, Choice if len(choices) > 1 else Fixed)
    assert all(distribution.contains(choice) for choice in choices)
    assert not distribution.contains("not one of them, surely")


def test_a_repeat_gets_the_next_seed() -> None:
    assert [trial_seed(7, repeat) for repeat in range(3)] == [7, 8, 9]


def test_every_axis_is_a_field_of_the_configuration_and_a_key_of_the_space() -> None:
    fields = set(Configuration.__dataclass_fields__)
    assert {"framework", *(rule.name for rule in AXES)} == fields
    assert fields == set(Study.model_fields["space"].default.__class__.model_fields)


def test_the_names_are_those_that_the_workers_know() -> None:
    from workers.spark import trainer as spark_trainer
    from workers.tensorflow import trainer as tensorflow_trainer
    from workers.training import analytic_trainer, initialisation, network

    assert tuple(network.ACTIVATIONS) == ACTIVATIONS
    assert set(initialisation.SCHEMES) == set(INITIALISATIONS)
    assert tuple(tensorflow_trainer.OPTIMIZERS) == TENSORFLOW.optimizers
    assert tuple(spark_trainer.OPTIMIZERS) == SPARK_MLLIB.optimizers
    assert tuple(analytic_trainer.OPTIMIZERS) == ANALYTIC.optimizers


def test_branches_are_the_frameworks_with_their_optimizers_and_what_each_draws() -> None:
    values = {
        "name": "small",
        "data": {"source": "sms-spam"},
        "space": {
            "framework": ["tensorflow", "spark"],
            "optimizer": {"tensorflow": ["sgd", "l-bfgs"], "spark": "gd"},
            "initialisation": ["he_normal", "orthogonal"],
        },
    }
    space = SearchSpace(Study.model_validate(values))
    found = {branch.fixed.get("optimizer.tensorflow", "gd"): branch for branch in space.branches()}
    assert {name: branch.probability for name, branch in found.items()} == {
        "sgd": 0.25,
        "l-bfgs": 0.25,
        "gd": 0.5,
    }
    assert found["sgd"].sampled == {"learning_rate", "batch_size", "initialisation"}
    assert found["l-bfgs"].sampled == {"initialisation"}
    assert found["gd"].fixed == {"framework": "spark"}
    assert found["gd"].sampled == {"learning_rate", "initialisation"}
