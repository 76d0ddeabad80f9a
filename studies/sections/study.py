"""The study file as typed, frozen values. Every key is described here and nowhere else:
``docs/study-file.md`` is generated from these classes.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from studies.frameworks import DEFAULT
from studies.printable import as_toml
from studies.sections.cluster import Cluster
from studies.sections.distributions import Choice, Fixed, Range, parse_distribution
from studies.sections.section import Section
from studies.sections.sizes import Size
from studies.sections.spark_conf import MASTERS, is_local, is_master, why_refused

Metric = Literal[
    "f1", "f1_weighted", "f1_macro", "average_precision", "mcc", "precision", "recall", "accuracy"
]

_DURATION = re.compile(r"(?:(\d{1,9})\s*h)?\s*(?:(\d{1,9})\s*m)?\s*(?:(\d{1,9})\s*s)?")

_MEMORY = re.compile(r"[1-9][0-9]{0,8}[mg]")

_LONGEST_SECONDS = 1e9
"""Some thirty years: anything longer is a slip, or infinite, which JSON can't write."""


def parse_duration(raw: Any) -> float:
    """Seconds of ``"1h30m"``, ``"20m"``, ``"45s"`` or a number of seconds.

    Raises:
        ValueError: with one sentence for a person, where it is neither.
    """
    seconds: float = 0
    if isinstance(raw, (int, float)) and not isinstance(raw, bool):
        seconds = raw
    elif isinstance(raw, str) and raw.strip() and (match := _DURATION.fullmatch(raw.strip())):
        hours, minutes, rest = (int(part or 0) for part in match.groups())
        seconds = hours * 3600 + minutes * 60 + rest
    if 0 < seconds <= _LONGEST_SECONDS:
        return float(seconds)
    raise ValueError(f'found {as_toml(raw)}; allowed: "20m", "1h30m", "45s", or seconds above 0')


def _parse_axis(raw: Any) -> Any:
    """A distribution, or one a framework: ``optimizer.spark = […]``."""
    if isinstance(raw, dict) and raw and not set(raw) & {"low", "high", "log", "step"}:
        # Which frameworks there are, only the space knows: some come with the file.
        return {name: parse_distribution(value) for name, value in raw.items()}
    return parse_distribution(raw)


def _plain_axis(axis: Any) -> Any:
    """What :func:`_parse_axis` reads, for writing an axis back to JSON."""
    if isinstance(axis, dict):
        return {name: _plain_axis(value) for name, value in axis.items()}
    if isinstance(axis, Fixed):
        return axis.value
    if isinstance(axis, Choice):
        return list(axis.choices)
    if isinstance(axis, Range):
        plain: dict[str, Any] = {"low": axis.low, "high": axis.high}
        return plain | ({"log": True} if axis.log else {}) | ({"step": axis.step} if axis.step else {})
    return axis


def parse_memory(raw: Any) -> str:
    """A size as the JVM has it: ``"4g"``, ``"900m"``.

    Raises:
        ValueError: with one sentence for a person, where it is none.
    """
    if isinstance(raw, str) and _MEMORY.fullmatch(raw):
        return raw
    raise ValueError(f'found {as_toml(raw)}; allowed: "4g" or "900m", whole GiB or MiB above 0')


Memory = Annotated[str, BeforeValidator(parse_memory)]
Duration = Annotated[float, BeforeValidator(parse_duration)]
Axis = Annotated[
    # The parser returns one of these already; pydantic's own unions give messages that nobody can read.
    Any, BeforeValidator(_parse_axis), PlainSerializer(_plain_axis)
]


class Data(Section):
    """Where the labelled rows come from, and how they are split. The only section without a default."""

    source: Literal["sms-spam", "sms-spam-sorted"] | None = None
    """A built-in data set; the second is the first with its rows in the order of their classes. Give this or
    `path`."""
    path: str | None = None
    """A file, relative to the study file. Its ending gives the format: csv, tsv, parquet, npz or libsvm."""
    text: str | None = None
    """The column of sentences. Give this or `features`; `sms-spam` has `text`."""
    features: list[str] | None = Field(default=None, min_length=1)
    """Numeric columns, by name or pattern (`"f*"`). By default, where there is no column of sentences, all
    but the label and a saved index. In npz: the name of one array, by default `X`."""
    label: str | None = None
    """The column of labels, strings or whole numbers, two classes or more. They are kept as written: `01`
    isn't `1`. By default `label`; in npz `y`."""
    positive: str | int | None = None
    """The class whose precision, recall and F1 are reported. By default the rarest."""
    positive_share: float | None = Field(default=None, gt=0, lt=1)
    """Leave out rows, sampled with the seed, until the positive class is this share of all: to see how a
    search fares on data that is more skewed, or less. Rows that stay keep their part and their order. By
    default all rows are used."""
    validation: float = Field(default=0.16, gt=0, lt=1)
    """Share of all rows that configurations are compared on."""
    test: float = Field(default=0.20, gt=0, lt=1)
    """Share of all rows that only the chosen ones are scored on."""
    reader: str | None = None
    """What reads `path`, where its ending doesn't say: a reader of your own, as an installed package or
    `"module:name"` has it; see [plugins.md](plugins.md)."""
    repeats: Literal["together", "anywhere"] = "together"
    """Where rows go that repeat each other exactly, in the sentence or in every feature as the file has it.
    `together`: all of them into one part, so that no network is scored on a row that it was trained on. Each
    class keeps its shares as well as that allows. `anywhere`: each row is placed by itself, as in studies
    older than this key."""

    @model_validator(mode="after")
    def _one_source(self) -> Data:
        if (self.source is None) == (self.path is None):
            which = "both" if self.source else "neither"
            raise ValueError(f"found {which} of source and path; allowed: exactly one of them")
        if self.reader is not None and self.path is None:
            raise ValueError("found a reader without a path; allowed: path, the file that it reads")
        if self.text is not None and self.features is not None:
            raise ValueError("found both text and features; allowed: sentences or numbers, one of them")
        if self.validation + self.test >= 1:
            raise ValueError(
                f"validation = {self.validation:g} and test = {self.test:g} leave no rows to train on; "
                "allowed: a sum below 1"
            )
        return self


class Features(Section):
    """How a row becomes numbers. Whatever is fitted is fitted on the training rows only."""

    kind: Literal["word2vec", "vectors", "none"] | None = None
    """`word2vec`: mean of word vectors trained on the training rows. `vectors`: mean of word vectors from a
    file. `none`: the numeric columns themselves. By default `word2vec` for text and `none` for numbers."""
    dimensions: int = Field(default=300, ge=1, le=10_000)
    """Length of the vectors that word2vec trains."""
    window: int = Field(default=5, ge=1)
    """word2vec: words on each side that a word is predicted from."""
    min_count: int = Field(default=1, ge=1)
    """word2vec: words rarer than this in the training rows are left out."""
    iterations: int = Field(default=20, ge=1)
    """word2vec: passes over the training rows."""
    algorithm: Literal["skip-gram", "cbow"] = "skip-gram"
    """word2vec: predict the neighbours from the word, or the word from its neighbours."""
    vectors: str | None = None
    """`vectors`: a word2vec or GloVe file, text or binary, relative to the study file."""
    scale: Literal["standard", "none"] = "none"
    """`standard`: subtract the mean and divide by the standard deviation of the training rows."""

    @model_validator(mode="after")
    def _vectors_file(self) -> Features:
        if (self.kind == "vectors") != (self.vectors is not None):
            raise ValueError('kind = "vectors" and vectors = "FILE" go together; found only one of them')
        return self


class Model(Section):
    """The network: hidden layers and a softmax over the classes, in both frameworks."""

    hidden: list[Annotated[int, Field(ge=1)]] = Field(default=[600], min_length=1)
    """Units of each hidden layer."""
    activation: Literal["sigmoid", "tanh", "relu"] = "sigmoid"
    """What hidden layers apply. Spark MLlib has `sigmoid` only: where Spark is in the space, others go into
    `space.activation.tensorflow`."""
    epochs: int = Field(default=27, ge=1, le=2**31 - 1)
    """Epochs of a trial; Spark's maxIter. `space.epochs` may give others for each framework."""
    patience: int | None = Field(default=None, ge=1)
    """Stop a trial early after this many epochs in a row without a better validation score, which is then
    computed after every epoch. As with Keras's `EarlyStopping(restore_best_weights=True)`, the trial is
    scored with the weights after its best epoch, also where it ran to its last epoch. Spark is unaffected.
    By default every trial runs to its last epoch and is scored with the weights after it."""


class Objective(Section):
    """What "best" means."""

    metric: Metric = "f1"
    """Score on the validation rows, higher is better. `f1`, `precision`, `recall` and `average_precision` are
    those of the positive class; `f1_weighted` is what Spark calls f1."""


class Space(Section):
    """What trials are sampled from. An axis is a list of choices, a range `{ low, high, log, step }` or one
    fixed value; any of them can be given for each framework: `optimizer.spark = [...]`. Hyperparameters that
    a configuration doesn't use (the learning rate of l-bfgs) are not sampled."""

    framework: Axis = Choice(DEFAULT)
    """`tensorflow`, `spark`, or `analytic`: a trainer without a network, for trying out a cluster. Or a
    trainer of your own: the name that an installed package gives it, or `"module:name"`, its place in
    Python; `module.py` may lie beside the study file. See [plugins.md](plugins.md)."""
    initialisation: Axis = Choice(
        ("glorot_uniform", "truncated_normal", "he_normal", "spark_uniform", "seed_uniform")
    )
    """Scheme of the initial weights and biases: `glorot_uniform`, `glorot_normal`, `he_uniform`, `he_normal`,
    `lecun_normal`, `orthogonal`, `truncated_normal` (stddev 0.01), `spark_uniform` (MLlib's own, biases too),
    `seed_uniform` (glorot_uniform with biases 1)."""
    biases: Axis = Fixed("scheme")
    """Initial biases: `"scheme"`, those of the scheme; one number for all of them; or the name of another
    scheme, which then samples them."""
    optimizer: Axis = Field(default_factory=dict)
    """TensorFlow: `sgd`, `momentum`, `nesterov`, `rmsprop`, `adagrad`, `adam`, `adamw`, `nadam`,
    `lion`, all Keras's own, and `l-bfgs` and `gd`, which follow Spark's step by step. Spark: `l-bfgs`, `gd`:
    gradient descent on all rows, with a constant step. By default `sgd`, `momentum`, `rmsprop`, `adam`,
    `l-bfgs` and both of Spark's."""
    learning_rate: Axis = Range(1e-4, 1.0, log=True)
    """Step size. Not used by l-bfgs."""
    batch_size: Axis = Choice((32, 64, 128, 256, 512))
    """Rows a step. Not used by l-bfgs and gd, which take all rows at once."""
    epochs: Axis = None
    """Epochs of a trial; by default `model.epochs`."""
    shuffle: Axis = Fixed(True)
    """Whether each epoch shuffles the rows again. TensorFlow only."""
    drop_last_batch: Axis = Fixed(False)
    """Whether a partial last batch is left out of the training. TensorFlow only."""
    loss_scale: Axis = Fixed(1.0)
    """Factor on the mean cross-entropy; 0.5 is the mean over both outputs of a two-class log loss.
    TensorFlow only, and not with l-bfgs and gd: it wouldn't change l-bfgs, and for gd it is the same as
    another learning rate."""
    activation: Axis = None
    """What hidden layers apply: `sigmoid`, `tanh`, `relu`; by default `model.activation`. TensorFlow only:
    Spark's are sigmoid."""
    class_weight: Axis = Fixed("none")
    """`"none"`, or `"balanced"`: the loss of a row counts rows / (classes × rows of its class) times, as in
    scikit-learn, with the training rows counted. A step's objective is the sum of the weighted losses by the
    rows of the batch, as in Keras. The training loss in the report stays unweighted. TensorFlow only."""
    weight_decay: Axis = Fixed(0.0)
    """L2 penalty: this factor times the sum of the squared weights, without biases, is added to the objective
    of each step, after `loss_scale`. As Keras's `regularizers.L2`; other texts add half the factor times that
    sum. `adamw`'s own decoupled decay is separate, and stays Keras's 0.004. TensorFlow only."""
    dropout: Axis = Fixed(0.0)
    """Rate at which outputs of each hidden layer are dropped in a training step; the others are divided by
    1 - rate. At least 0, below 1. Predicting drops nothing. The training loss in the report is that of the
    steps, with dropout. TensorFlow only, and not with full-batch optimizers."""


class Sampler(Section):
    """What samples the configurations."""

    kind: str = "tpe"
    """`tpe`, `random`, `cmaes`, `gp` or `qmc`, all Optuna's, of which `cmaes` and `gp` need an extra; or
    `grid`, which tries every configuration once and ends with the last. Or a sampler of your own, as an
    installed package or `"module:name"` has it; see [plugins.md](plugins.md)."""
    startup_trials: int = Field(default=10, ge=1)
    """Trials sampled at random before `tpe`, `cmaes` or `gp` begin to learn from the others."""


class Pruner(Section):
    """What prunes weak trials. Trials are compared at rungs: after `min_epochs` epochs, after
    `reduction_factor` times as many, and so on up to their last epoch."""

    kind: Literal["none", "asha", "hyperband", "median", "percentile", "wilcoxon"] = "none"
    """`none`: every trial runs to its last epoch. `asha`: asynchronous successive halving with promotion: a
    trial pauses at each rung and frees its slot. As soon as it ranks among the best 1/`reduction_factor` at
    that rung, now or later, it resumes. The others are Optuna's pruners, asked at each rung: a trial that
    they prune is over."""
    min_epochs: int = Field(default=1, ge=1)
    """The first rung, in epochs. For `median` and `percentile` too, which prune no trial before it."""
    reduction_factor: int = Field(default=3, ge=2)
    """Epochs grow, and trials get fewer, by this factor from rung to rung."""
    brackets: int = Field(default=1, ge=1, le=8)
    """`asha`: trials are divided among so many ladders of rungs, each starting one rung later than the one
    before. For scores that mean little after few epochs."""
    startup_trials: int = Field(default=5, ge=0)
    """`median`, `percentile`: complete trials before the first may be pruned."""
    percentile: float = Field(default=25.0, gt=0, lt=100)
    """`percentile`: trials below the best so many per cent at a rung are pruned."""


class Retry(Section):
    """How often a trial that failed is retried, from its last checkpoint, by the cause of its failure. A
    training that diverged, or that its trainer refused, would do so again: these are not retried."""

    worker_died: int = Field(default=2, ge=0)
    """The process that it ran in died. A crash counts against a trial only if it was alone in the process.
    Where others ran too, each is run again alone, which shows the culprit."""
    spark_died: int = Field(default=1, ge=0)
    """The Java process of Spark died or hung."""
    out_of_memory: int = Field(default=1, ge=0)
    """There was too little memory."""
    timeout: int = Field(default=0, ge=0)
    """It ran longer than `trial_timeout`."""
    disk: int = Field(default=1, ge=0)
    """Checkpoints can't be written: the place is full, read-only or missing. If that remains so, the launch
    ends, and the next one resumes the trial."""
    bug: int = Field(default=0, ge=0)
    """Any other exception."""
    give_up: int = Field(default=5, ge=0)
    """End the study when its first so many trials all failed with one cause; 0 never does."""


class Spark(Section):
    """The Spark session that Spark's trials share: one warm JVM a worker process. `partitions` and `rungs`
    decide what a trial computes and can't change during a study; the others may change between launches."""

    master: str | None = None
    """`local[K]`: K threads of this machine. `spark://HOST:PORT` or `sc://HOST:PORT` (Spark Connect, with the
    extra `connect`): your own cluster, whose Spark must be of the same version. Its machines read the
    training rows as Parquet from `.search/data` beside the study file, so that this folder must lie at the
    same path on a file system that they all share. The connection to a cluster outside this machine is
    neither authenticated nor encrypted unless `conf` asks for that. By default `local[K]` with a thread for
    each partition, as far as there are cores."""
    partitions: int = Field(default=2, ge=1, le=10_000)
    """Partitions of the training rows. Another number rounds every gradient differently. With more than two,
    Spark adds them up in the order in which they arrive: the same trial then differs in its last bits each
    time it runs."""
    memory: Memory | None = None
    """Heap of the JVM, and of each executor of a `spark://` cluster: `"4g"`, `"900m"`. By default what the
    rows and the network need: 1 GiB, four times the rows and 64 times the weights in double precision."""
    conf: dict[str, str | int | float | bool] = Field(default={})
    """Further properties of Spark: `{ "spark.executor.cores" = 2 }`. Those that would change results or open
    the session to others are refused. What looks like a secret is kept off the command line of the JVM."""
    native_blas: str | None = None
    """A BLAS library for Spark's matrix products, such as OpenBLAS: a file, relative to the study file. By
    default Spark looks for the system's `libblas.so.3`, and computes in Java where there is none. Last bits
    differ between the two."""
    rungs: Literal["last", "restart"] = "last"
    """`last`: an l-bfgs trial is one run to its last epoch, because a stop would cost it its curvature
    history. `restart`: it stops at every rung and starts again from the weights alone, so that weak trials
    can be pruned. That is another optimizer, with other results, not only another schedule. `gd` is exact at
    every rung either way."""

    @model_validator(mode="after")
    def _usable(self) -> Spark:
        if self.master is not None and not is_master(self.master):
            raise ValueError(f"found master = {as_toml(self.master)}; allowed: {MASTERS}")
        for key in self.conf:
            reason = why_refused(key, self.master)
            if reason is not None:
                raise ValueError(f"conf may not hold '{key}': {reason}")
        if self.native_blas is not None and not is_local(self.master):
            raise ValueError(
                "native_blas is for a local master; on a cluster's own machines set "
                "spark.executor.extraJavaOptions in conf"
            )
        if self.master is not None and self.master.startswith("sc://") and self.memory is not None:
            raise ValueError("found memory with a sc:// master, whose server sets its own memory")
        return self


class Storage(Section):
    """Where the study is kept."""

    url: str | None = None
    """`sqlite:///FILE`, `journal:FILE` or `postgresql://…`; by default `sqlite:///NAME.db`. A file's name is
    taken literally, without options; relative ones are beside the study file, and `~` is your home. `${NAME}`
    comes from the environment and is never shown. It is one part of the address, whatever characters it
    holds: `postgresql://me:${PASSWORD}@host/studies`. `${DATABASE_URL}` can be the whole address."""


class Checkpoints(Section):
    """Where the checkpoints of unfinished trials are kept. Losing one costs time and changes no result."""

    url: str | None = None
    """A directory, relative to the study file or to your home `~`, or a URL that fsspec knows:
    `s3://bucket/folder`, with its package installed here and on the workers. `${NAME}` in it comes from the
    environment, here and on each worker, and is never shown. Each study has a folder of its own in it. By
    default `.search/checkpoints`."""
    limit: Size | None = None
    """Bytes that all may use together: `"2GB"`, `"500MB"`. Above it, those of the fewest epochs are deleted
    first, and of these the oldest: they cost the least to make again. By default there is no limit."""


class Report(Section):
    """What the report shows."""

    best: int = Field(default=10, ge=1)
    """Configurations in the table of the best."""
    finalists: int | None = Field(default=None, ge=0, le=50)
    """Configurations that are retrained with new seeds once the search has ended by itself: those with the
    best validation scores, the best of each framework among them. The best trial, the best of each framework
    and the enqueued ones are retrained with their own seeds. After all of these trainings the test rows are
    opened. The report then gives each one's score with an interval, and which differ significantly from the
    best. Their time isn't part of `timeout`. With `0` nothing is retrained and the test rows stay closed
    until `search finalists` opens them. By default 5, and 0 where `analytic` is the only framework."""
    seeds: int = Field(default=5, ge=1, le=100)
    """Trainings of each finalist, with seeds that no trial of the search has."""


class Recipe(Section):
    """A configuration with a name, for `search explain`: how somebody trained the network, and which score
    they judged it by. Keys are those of `[space]`, with one value each. Only its framework must be in the
    space."""

    framework: str
    """One of those of `space.framework`."""
    initialisation: str | None = None
    """Scheme of the initial weights and biases. Required, where the framework uses one."""
    optimizer: str | None = None
    """One of the framework's. Required, where it has any."""
    biases: str | int | float | None = None
    """Initial biases, as in `[space]`; by default `"scheme"`."""
    learning_rate: float | None = None
    """Required, but for l-bfgs."""
    batch_size: int | None = None
    """Required, but for l-bfgs and gd."""
    epochs: int | None = None
    """By default `model.epochs`."""
    shuffle: bool | None = None
    """By default true, where the optimizer takes batches."""
    drop_last_batch: bool | None = None
    """By default false."""
    loss_scale: float | None = None
    """By default 1."""
    activation: str | None = None
    """By default `model.activation`; TensorFlow only."""
    class_weight: str | None = None
    """By default `"none"`; TensorFlow only."""
    weight_decay: float | None = None
    """By default 0; TensorFlow only."""
    dropout: float | None = None
    """By default 0; TensorFlow only."""
    score: Metric | None = None
    """What its author calls the score, one of those of `[objective]`. By default `objective.metric`."""


class Study(Section):
    """One search over one data set."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")
    """Name of the study in its storage. Letters, digits, `.`, `_` and `-`. By default the file's name."""
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    """Seed of everything random: split, word vectors, configurations, weights, orders of rows."""
    trials: int | None = Field(default=None, ge=1)
    """Stop after this many trials, over all launches. By default 60, where nothing else stops the study."""
    timeout: Duration | None = None
    """Stop asking for new trials after this long: `"20m"`, `"1h30m"` or seconds, over all launches."""
    trial_timeout: Duration | None = None
    """Fail a trial that trains for longer than this, with the cause `timeout`: `"90s"`, `"5m"` or seconds.
    Waiting for a slot doesn't count. It ends after its current epoch; a fit of Spark's is cancelled. By
    default there is no limit."""
    target: float | None = Field(default=None, le=1, allow_inf_nan=False)
    """Stop asking for new trials once one reaches this score."""
    patience: int | None = Field(default=None, ge=1)
    """Stop asking for new trials after so many in a row without a better best."""
    reproducible: bool = False
    """Make the table of trials depend on this file and its data alone: not on how many workers there are, in
    which order they finish, or how often the study was stopped. Decisions then use results in the order in
    which their trials were sampled, so slots may wait."""
    width: int = Field(default=8, ge=1)
    """With `reproducible`: trials that are sampled ahead of results; more slots than this stay empty."""
    data: Data
    features: Features = Features()
    model: Model = Model()
    objective: Objective = Objective()
    space: Space = Space()
    sampler: Sampler = Sampler()
    pruner: Pruner = Pruner()
    retry: Retry = Retry()
    cluster: Cluster = Cluster()
    spark: Spark = Spark()
    storage: Storage = Storage()
    checkpoints: Checkpoints = Checkpoints()
    report: Report = Report()
    enqueue: list[dict[str, str | int | float | bool]] = Field(default=[])
    """Known configurations to try first, one `[[enqueue]]` table each, with keys and values of `[space]`:
    `framework = "spark"`. What they leave out is sampled."""
    recipe: dict[str, Recipe] = Field(default={})
    """Configurations with names, one `[recipe.NAME]` table each, for `search explain`. They are no trials."""

    @property
    def trial_limit(self) -> int | None:
        """Trials after which the study ends; ``None`` where only time or a target ends it."""
        ends = (self.trials, self.timeout, self.target, self.patience)
        if all(end is None for end in ends):
            return 60
        return self.trials
