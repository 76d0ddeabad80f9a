"""What trains networks: one record for each framework, and the table of all, which everybody looks up.

A record says what a study file may ask of a framework and what its trials need; how a trial is trained is the
business of its trainer, which the record names and nobody imports before it trains. To add one here: a record
in :data:`BUILT_IN`. To add one from outside: ``docs/plugins.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from studies import plugins
from studies.errors import StudyFileError, nearest
from studies.plugins import Origin

TRIAL = "TRIAL"
"""The kind of slot that is on a CPU."""

SPARK = "SPARK"
"""The kind of slot that is in Spark's Java process, apart from the others: a fit there uses all cores."""

GPU = "GPU"
"""The kind of slot that is on a GPU."""

ACTIVATIONS = ("sigmoid", "tanh", "relu")
"""What hidden layers can apply; see :data:`workers.training.network.ACTIVATIONS`."""

INITIALISATIONS = (
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
    "lecun_normal",
    "orthogonal",
    "truncated_normal",
    "spark_uniform",
    "seed_uniform",
)
"""The schemes of :mod:`workers.training.initialisation`."""

HYPERPARAMETERS = frozenset(
    {
        "optimizer",
        "initialisation",
        "biases",
        "learning_rate",
        "batch_size",
        "shuffle",
        "drop_last_batch",
        "loss_scale",
        "activation",
        "class_weight",
        "weight_decay",
        "dropout",
        "epochs",
    }
)
"""Every axis of a space; see :data:`studies.space.axes.AXES`."""

PATH = "module:name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Framework:
    """A framework, as everybody but its trainer needs to know it.

    Attributes:
        title: its name for people.
        hyperparameters: the axes of the space that its trials use, of :data:`HYPERPARAMETERS`; always
            ``epochs``. No others are sampled for it.
        optimizers, default_optimizers: what the axis ``optimizer`` may be, and is by default: all, where the
            second is empty.
        activations, initialisations: what these axes may be, where it uses them.
        fixed: what it does where it doesn't offer a choice that others have, by axis: ``class_weight`` is
            ``"none"``. ``search explain`` can then go from one framework to the other.
        perceptron: whether it trains the multilayer perceptron of ``[model]`` and its weights are
            (W1, b1, W2, b2, …). Only for these can ``search explain`` look at hidden units and train what is
            between two frameworks.
        resources: the kinds of slots that its trials take one of, the best first.
        packages: distributions whose versions are kept with each trial, and compared with the workers'.
        stops_early: whether ``model.patience`` can end its trials.
        practice: whether it is for trying out a cluster: its scores are worth nothing to anybody.
        trainer: where its :class:`workers.training.trainer.Trainer` is, as ``module:name``. Imported where a
            trial begins, and not before.
        saved_model: where the :class:`workers.training.saved_model.SavedModel` is that writes what it trains
            for people, as ``module:name``; empty where it has none.
        name: in study files. A plug-in has the name that the study file gives it.
        origin: of a plug-in.
    """

    title: str
    hyperparameters: frozenset[str] = frozenset({"epochs"})
    optimizers: tuple[str, ...] = ()
    default_optimizers: tuple[str, ...] = ()
    activations: tuple[str, ...] = ()
    initialisations: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)
    perceptron: bool = False
    resources: tuple[str, ...] = (TRIAL,)
    packages: tuple[str, ...] = ()
    stops_early: bool = True
    practice: bool = False
    trainer: str = ""
    saved_model: str = ""
    name: str = ""
    origin: Origin | None = None

    @property
    def in_spark(self) -> bool:
        """Whether its trials run in Spark's Java process."""
        return SPARK in self.resources

    @property
    def on_gpus(self) -> bool:
        """Whether its trials can use a GPU."""
        return GPU in self.resources

    @property
    def version(self) -> str:
        """Of a plug-in; empty for what is built in, whose code is this project's."""
        return "" if self.origin is None else self.origin.id

    def uses(self, axis: str) -> bool:
        """Whether any of its configurations has such a choice."""
        return axis in self.hyperparameters


TENSORFLOW = Framework(
    name="tensorflow",
    title="TensorFlow",
    hyperparameters=HYPERPARAMETERS,
    optimizers=(
        "sgd",
        "momentum",
        "nesterov",
        "rmsprop",
        "adagrad",
        "adam",
        "adamw",
        "nadam",
        "lion",
        "l-bfgs",
        "gd",
    ),
    default_optimizers=("sgd", "momentum", "rmsprop", "adam", "l-bfgs"),
    activations=ACTIVATIONS,
    initialisations=INITIALISATIONS,
    perceptron=True,
    resources=(GPU, TRIAL),
    packages=("tensorflow", "keras", "numpy"),
    trainer="workers.tensorflow.trainer:TensorFlowTrainer",
    saved_model="workers.tensorflow.saved_model:KERAS",
)

SPARK_MLLIB = Framework(
    name="spark",
    title="Spark",
    hyperparameters=frozenset({"optimizer", "initialisation", "biases", "learning_rate", "epochs"}),
    optimizers=("l-bfgs", "gd"),
    initialisations=INITIALISATIONS,
    fixed={"activation": "sigmoid", "class_weight": "none", "weight_decay": 0.0, "dropout": 0.0},
    perceptron=True,
    resources=(SPARK, TRIAL),
    packages=("pyspark", "numpy"),
    stops_early=False,
    trainer="workers.spark.trainer:SparkTrainer",
    saved_model="workers.spark.saved_model:SPARK_ML",
)

ANALYTIC = Framework(
    name="analytic",
    title="analytic",
    hyperparameters=frozenset(
        {"optimizer", "initialisation", "biases", "learning_rate", "batch_size", "epochs"}
    ),
    optimizers=("sgd", "adam"),
    initialisations=INITIALISATIONS,
    resources=(GPU, TRIAL),
    packages=("numpy",),
    practice=True,
    trainer="workers.training.analytic_trainer:AnalyticTrainer",
)

BUILT_IN: tuple[Framework, ...] = (TENSORFLOW, SPARK_MLLIB, ANALYTIC)

DEFAULT = (TENSORFLOW.name, SPARK_MLLIB.name)
"""What a space has whose study file doesn't say."""

_by_name: dict[str, Framework] = {framework.name: framework for framework in BUILT_IN}


def framework_of(name: str) -> Framework:
    """The framework of this name.

    Raises:
        StudyFileError: where it is neither built in nor in a study file that this process has read.
    """
    if not is_known(name):
        raise StudyFileError(
            f"found the unknown framework '{name}'",
            where="space.framework",
            allowed=", ".join(known_names()),
            remedy=nearest(name, known_names()),
        )
    return _by_name[name]


class Titles(Mapping[str, str]):
    """The names for people of all frameworks that are known now, by name, the built-in ones first."""

    def __getitem__(self, name: str) -> str:
        return _by_name[name].title

    def __iter__(self) -> Iterator[str]:
        return iter(_by_name)

    def __len__(self) -> int:
        return len(_by_name)


def is_known(name: str) -> bool:
    """Whether :func:`framework_of` knows it."""
    return name in _by_name


def built_in(name: str) -> bool:
    """Whether it is one of :data:`BUILT_IN`."""
    return any(name == framework.name for framework in BUILT_IN)


def records_of(names: Iterable[str]) -> tuple[Framework, ...]:
    """The records of frameworks that are known."""
    return tuple(map(framework_of, names))


def any_in_spark(names: Iterable[str]) -> bool:
    """Whether trials of one of these frameworks run in Spark's Java process."""
    return any(framework.in_spark for framework in records_of(names))


def any_on_gpus(names: Iterable[str]) -> bool:
    """Whether trials of one of these frameworks can use a GPU."""
    return any(framework.on_gpus for framework in records_of(names))


def packages_of(names: Iterable[str]) -> tuple[str, ...]:
    """What trials of these frameworks need, each once."""
    return tuple(dict.fromkeys(name for framework in records_of(names) for name in framework.packages))


def plugin_packages(names: Iterable[str]) -> tuple[str, ...]:
    """Distributions that are the code of these frameworks' trainers."""
    origins = (framework.origin for framework in records_of(names))
    return tuple(origin.package for origin in origins if origin is not None and not origin.source)


def known_names() -> tuple[str, ...]:
    """The built-in ones, and those that installed packages bring."""
    return (*(framework.name for framework in BUILT_IN), *plugins.names_of(plugins.TRAINERS))


def find_framework(name: str, directory: Path, where: str) -> Framework:
    """The framework that a study file names; from then on :func:`framework_of` knows it.

    A plug-in of the same name that another study file named before is forgotten.

    Args:
        name: built in, an entry point's, or ``module:name``.
        directory: that of the study file.
        where: the file and the key, for messages.

    Raises:
        PluginError: where it is a plug-in that isn't there, can't be imported or isn't what a trainer is.
    """
    if built_in(name):
        return framework_of(name)
    own = [framework.name for framework in BUILT_IN]
    found = plugins.find(plugins.TRAINERS, name, directory, where, own)
    framework = _by_name[name] = _record_of(found.origin, found.value, where)
    return framework


@lru_cache
def shipped_framework(name: str, origin: Origin | None) -> Framework:
    """On a worker: the framework that the driver found.

    Raises:
        PluginError: where this worker can't import it, or has another version.
    """
    if origin is None:
        return framework_of(name)
    value = plugins.load(origin)
    plugins.check_version(origin)
    return _record_of(origin, value)


METHODS: Mapping[str, str] = {
    "rungs": "rungs(configuration, wanted)",
    "begin": "begin(configuration, seed)",
    "advance": "advance(configuration, seed, state, epoch, deadline)",
    "predict": "predict(state, features)",
    "device": "device, a text",
}
"""What a trainer must have; see :class:`workers.training.trainer.Trainer`."""


def _record_of(origin: Origin, value: Any, where: str = "") -> Framework:
    """The record of a plug-in: the value itself, or the attribute ``framework`` of a trainer's class."""
    record = value if isinstance(value, Framework) else getattr(value, "framework", None)
    if not isinstance(record, Framework):
        found = "nothing" if record is None else type(record).__name__
        raise origin.error(
            f"has {found} that says what it is",
            allowed="a trainer's class with `framework = Framework(title=…)` of studies.frameworks in it, or "
            "such a Framework whose `trainer` names the class",
            where=where,
        )
    if value is record and not record.trainer:
        raise origin.error("names no trainer", allowed=f'trainer = "{PATH}" in its Framework', where=where)
    if value is not record:
        plugins.check_methods(origin, value, METHODS, where)
        plugins.check_callable(origin, value, "trainer(split, hidden)", where)
        record = replace(record, trainer=origin.target)
    _check_record(origin, record, where)
    packages = tuple(dict.fromkeys((*record.packages, *([] if origin.source else [origin.package]))))
    return replace(record, name=origin.name, origin=origin, packages=packages)


def _check_record(origin: Origin, record: Framework, where: str) -> None:
    """Refuse a record that no space or no cluster can be made for."""
    known, slots = ", ".join(sorted(HYPERPARAMETERS)), f"{TRIAL}, {GPU}"
    for name in sorted(record.hyperparameters - HYPERPARAMETERS):
        raise origin.error(f"has the unknown hyperparameter {name}", allowed=known, where=where)
    if not record.uses("epochs"):
        raise origin.error("leaves out the hyperparameter epochs", allowed="epochs among others", where=where)
    for name in ("optimizer", "activation", "initialisation"):
        if record.uses(name) and not getattr(record, f"{name}s"):
            problem = f"uses the hyperparameter {name}, and says of no {name} that it knows it"
            raise origin.error(problem, allowed=f'{name}s = ("…",) in its Framework', where=where)
    for name in sorted(set(record.resources) - {TRIAL, GPU}):
        raise origin.error(f"asks for slots of the kind {name}", allowed=slots, where=where)
    if not record.resources:
        raise origin.error("asks for no kind of slot", allowed=slots, where=where)
