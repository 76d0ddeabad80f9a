from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.errors import StudyFileError
from studies.sections.study import Study
from studies.study_file import read_study_file

MINIMAL = '[data]\nsource = "sms-spam"\n'

# (text of the file, what the message must say: the key, what was found, what is allowed or to be done)
REFUSED = {
    "not TOML": ("seed = = 1\n" + MINIMAL, ["not TOML", "line 1", "column", "correct line 1: seed = = 1"]),
    "a value on the next line": ("seed =\n\t3\n" + MINIMAL, ["not TOML", "correct line 1: seed ="]),
    "an address with its password": (
        MINIMAL + '[storage]\nurl = "postgresql://me:s3cret@host/db\n',
        ["not TOML", "to do:   correct line 4"],
    ),
    "a step that vanishes": (
        MINIMAL + "[space]\nlearning_rate = { low = 1e-9, high = 1e300, step = 1e-9 }\n",
        ["space.learning_rate", "step = 1e-09 is too small"],
    ),
    "an open text at the end": (MINIMAL + 'name = "a', ["not TOML", 'correct line 3: name = "a']),
    "empty": ("", ["data", "missing", "[data]"]),
    "a value for a section": ('data = "rows.csv"\n', ["data", "'rows.csv'", "allowed: a table"]),
    "a table for a value": (MINIMAL + "[model.hidden]\nx = 1\n", ["model.hidden", "a list, [ … ]"]),
    "no hidden layer": (MINIMAL + "[model]\nhidden = []\n", ["model.hidden", "[]", "at least 1"]),
    "no trials": ("trials = 0\n" + MINIMAL, ["trials", "0", "1 or more"]),
    "a target that is no number": ("target = nan\n" + MINIMAL, ["target", "nan", "a finite number"]),
    "a target that no score reaches": ("target = 97\n" + MINIMAL, ["target", "97", "1 or less"]),
    "an endless timeout": ("timeout = inf\n" + MINIMAL, ["timeout", "inf", '"20m"']),
    "a timeout of 400 digits": (f"timeout = {'9' * 400}\n" + MINIMAL, ["timeout", '"20m"']),
    "positive of another type": (
        MINIMAL + "positive = true\n",
        ["data.positive:", "found true", "text in quotes or a whole number"],
    ),
    "no features": ('[data]\npath = "a.csv"\nfeatures = []\n', ["data.features", "[]", "at least 1"]),
    "unknown top-level key": ("sed = 1\n" + MINIMAL, ["unknown key 'sed'", "did you mean 'seed'?"]),
    "unknown section key": (MINIMAL + "[model]\nhiden = [3]\n", ["model.hiden", "did you mean 'hidden'?"]),
    "unknown axis": (MINIMAL + "[space]\nlearning_rte = 1\n", ["learning_rte", "'learning_rate'?"]),
    "no data": ("seed = 1\n", ["data", "missing", "[data]"]),
    "wrong type": ('trials = "10"\n' + MINIMAL, ["trials", "'10'", "a whole number"]),
    "a date": (MINIMAL + "[model]\nepochs = 2024-05-01\n", ["model.epochs: found 2024-05-01\n"]),
    "a table": (MINIMAL + "[model]\nepochs = { a = 0.1 }\n", ["model.epochs: found { a = 0.1 }\n"]),
    "more epochs than count": (MINIMAL + f"[model]\nepochs = {'9' * 400}\n", ["model.epochs", "400 digits"]),
    "memory in words": (
        MINIMAL + '[spark]\nmemory = "lots"\n',
        ["spark.memory: found 'lots'", '"4g"', "GiB"],
    ),
    "memory as a number": (MINIMAL + "[spark]\nmemory = 4\n", ["spark.memory: found 4", '"900m"']),
    "another case": (MINIMAL + '[sampler]\nkind = "TPE"\n', ["did you mean 'tpe'?"]),
    "a name in capitals": (MINIMAL + '[space]\noptimizer.tensorflow = ["Adam"]\n', ["did you mean 'adam'?"]),
    "a name from Keras": (MINIMAL + '[space]\ninitialisation = "HeNormal"\n', ["did you mean 'he_normal'?"]),
    "an activation in capitals": (
        MINIMAL + '[space]\nframework = "tensorflow"\nactivation = "ReLU"\n',
        ["did you mean 'relu'?"],
    ),
    "an enqueued name in capitals": (
        MINIMAL + '[[enqueue]]\nframework = "spark"\noptimizer = "L-BFGS"\n',
        ["did you mean 'l-bfgs'?"],
    ),
    "one table to enqueue": (MINIMAL + '[enqueue]\nframework = "spark"\n', ["[[enqueue]] tables"]),
    "a key with an escape": (MINIMAL + '"a\\u001b[2Jb" = 1\n', [r"unknown key 'a\x1b[2Jb'"]),
    "lists in lists": ("a = " + "[" * 5000 + "]" * 5000, ["too deep in each other"]),
    "tables in tables": ("a = " + "{ b = " * 2000 + "1" + "}" * 2000, ["too deep in each other"]),
    "bool for a number": ("trials = true\n" + MINIMAL, ["trials", "found true", "a whole number"]),
    "negative seed": ("seed = -1\n" + MINIMAL, ["seed", "-1", "0 or more"]),
    "bad name": ('name = "a b"\n' + MINIMAL, ["name", "'a b'"]),
    "no slots": (MINIMAL + "[cluster]\nslots = 0\n", ["cluster.slots", "0", "1 or more"]),
    "bad duration": ('timeout = "soon"\n' + MINIMAL, ["timeout", "'soon'", '"20m"']),
    "bad duration of a trial": (
        'trial_timeout = "1 week"\n' + MINIMAL,
        ["trial_timeout", "'1 week'", '"20m"'],
    ),
    "no patience": (MINIMAL + "[model]\npatience = 0\n", ["model.patience", "0", "1 or more"]),
    "unknown source": ('[data]\nsource = "sms"\n', ["data.source", "'sms'", "sms-spam"]),
    "two sources": (MINIMAL + 'path = "a.csv"\n', ["data", "both", "exactly one"]),
    "no source": ('[data]\nlabel = "y"\n', ["data", "neither", "exactly one"]),
    "shares above one": (MINIMAL + "validation = 0.6\ntest = 0.5\n", ["0.6", "0.5", "below 1"]),
    "empty space": (MINIMAL + "[space]\nbatch_size = []\n", ["space.batch_size", "empty list"]),
    "a framework for each framework": (
        MINIMAL + '[space]\nframework.spark = "spark"\n',
        ["space.framework", "a table of spark", "a list of tensorflow, spark, analytic"],
    ),
    "a number of 400 digits": (
        MINIMAL + f"[space]\nlearning_rate = {'9' * 400}\n",
        ["space.learning_rate", "numbers above 0"],
    ),
    "more rows a step than an int counts": (
        MINIMAL + "[space]\nbatch_size = { low = 1, high = 2147483648 }\n",
        ["space.batch_size", "2147483648", "1 to 2147483647"],
    ),
    "a wrong value for a framework that is left out": (
        MINIMAL + '[space]\nframework = "tensorflow"\noptimizer.spark = "adam"\n',
        ["space.optimizer.spark", "'adam'", "l-bfgs, gd"],
    ),
    "low above high": (
        MINIMAL + "[space]\nlearning_rate = { low = 1.0, high = 0.1 }\n",
        ["space.learning_rate", "low = 1", "high = 0.1"],
    ),
    "log from zero": (
        MINIMAL + "[space]\nlearning_rate = { low = 0.0, high = 0.1, log = true }\n",
        ["space.learning_rate", "low = 0", "above 0"],
    ),
    "range without high": (MINIMAL + "[space]\nlearning_rate = { low = 0.1 }\n", ["'high'"]),
    "negative learning rate": (
        MINIMAL + "[space]\nlearning_rate = [0.1, -0.1]\n",
        ["space.learning_rate", "-0.1", "above 0"],
    ),
    "unknown optimizer": (
        MINIMAL + '[space]\noptimizer.tensorflow = ["adm"]\n',
        ["space.optimizer.tensorflow", "'adm'", "nadam", "did you mean 'adam'?"],
    ),
    "optimizer of the other framework": (
        MINIMAL + '[space]\noptimizer = ["adam"]\n',
        ["space.optimizer", "'adam'", "l-bfgs, gd"],
    ),
    "unknown framework": (
        MINIMAL + '[space]\nframework = ["tensorflw"]\n',
        ["space.framework", "'tensorflw'", "'tensorflow'?"],
    ),
    "unknown framework in an axis": (
        MINIMAL + "[space]\nlearning_rate.torch = 0.1\n",
        ["space.learning_rate", "'torch'", "tensorflow, spark"],
    ),
    "unknown initialisation": (
        MINIMAL + '[space]\ninitialisation = "glorot"\n',
        ["space.initialisation", "'glorot'", "glorot_uniform"],
    ),
    "unknown activation of the model": (
        MINIMAL + '[model]\nactivation = "rleu"\n',
        ["model.activation", "'rleu'", "sigmoid, tanh, relu", "'relu'?"],
    ),
    "unknown activation": (
        MINIMAL + '[space]\nactivation.tensorflow = ["elu"]\n',
        ["space.activation.tensorflow", "'elu'", "sigmoid, tanh, relu"],
    ),
    "another activation of the model, with spark": (
        MINIMAL + '[model]\nactivation = "tanh"\n',
        ["model.activation", "'tanh'", "sigmoid layers only", 'activation.tensorflow = "tanh" in [space]'],
    ),
    "other activations, with spark": (
        MINIMAL + '[space]\nactivation = ["tanh", "relu"]\n',
        ["space.activation", "tanh, relu", 'activation.tensorflow = ["tanh", "relu"] in [space]'],
    ),
    "another activation for spark": (
        MINIMAL + '[space]\nactivation.spark = "relu"\n',
        ["space.activation.spark", "'relu'", "sigmoid layers only"],
    ),
    "enqueued activation for spark": (
        MINIMAL + '[[enqueue]]\nframework = "spark"\nactivation = "sigmoid"\n',
        ["activation is not used by spark", "leave activation out"],
    ),
    "unknown class weight": (
        MINIMAL + '[space]\nclass_weight = ["none", "balance"]\n',
        ["space.class_weight", "'balance'", "none, balanced"],
    ),
    "negative weight decay": (
        MINIMAL + "[space]\nweight_decay = -0.1\n",
        ["space.weight_decay", "-0.1", "at least 0"],
    ),
    "dropout of everything": (
        MINIMAL + "[space]\ndropout = { low = 0.0, high = 1.0 }\n",
        ["space.dropout", "1.0", "below 1"],
    ),
    "enqueued outside": (
        MINIMAL + '[[enqueue]]\nframework = "tensorflow"\nbatch_size = 100\n',
        ["[[enqueue]] number 1", "batch_size = 100", "32, 64, 128, 256, 512"],
    ),
    "enqueued unknown": (
        MINIMAL + '[[enqueue]]\nframework = "spark"\nlearningrate = 1.0\n',
        ["[[enqueue]] number 1", "'learningrate'", "'learning_rate'?"],
    ),
    "enqueued unused": (
        MINIMAL + '[[enqueue]]\nframework = "spark"\noptimizer = "l-bfgs"\nlearning_rate = 0.1\n',
        ["learning_rate is not used by spark with l-bfgs", "leave learning_rate out"],
    ),
    "enqueued without framework": (
        MINIMAL + "[[enqueue]]\nbatch_size = 32\n",
        ["[[enqueue]] number 1", "no framework", "tensorflow, spark"],
    ),
    "enqueued with the other framework's optimizer": (
        MINIMAL + '[[enqueue]]\nframework = "spark"\noptimizer = "adam"\n',
        ["optimizer = 'adam'", "l-bfgs, gd"],
    ),
    "enqueued list": (
        MINIMAL + '[[enqueue]]\nframework = ["spark"]\n',
        ["enqueue[0].framework: found ['spark']", "text in quotes or a whole number or a number"],
    ),
    "grid over a long range": (
        MINIMAL
        + '[sampler]\nkind = "grid"\n[space]\nframework = "tensorflow"\noptimizer = "sgd"\n'
        + "learning_rate = { low = 1e-9, high = 1.0, step = 1e-9 }\n",
        ["space.learning_rate", "1,000,000,000 values", "up to 1,000,000"],
    ),
    "grid over a range": (
        MINIMAL + '[sampler]\nkind = "grid"\n',
        ["space.learning_rate", "grid", "a range with a step"],
    ),
    "vectors without a file": (MINIMAL + '[features]\nkind = "vectors"\n', ["features", "go together"]),
    "unknown pruner": (MINIMAL + '[pruner]\nkind = "ash"\n', ["pruner.kind", "'ash'", "'asha'?"]),
    "a first rung before the first epoch": (
        MINIMAL + "[pruner]\nmin_epochs = 0\n",
        ["pruner.min_epochs", "0", "1 or more"],
    ),
    "rungs that do not grow": (
        MINIMAL + "[pruner]\nreduction_factor = 1\n",
        ["pruner.reduction_factor", "1", "2 or more"],
    ),
    "no bracket": (MINIMAL + "[pruner]\nbrackets = 0\n", ["pruner.brackets", "0", "1 or more"]),
    "everybody is below the best 100%": (
        MINIMAL + "[pruner]\npercentile = 100.0\n",
        ["pruner.percentile", "100", "less than 100"],
    ),
    "retries of what would fail again": (
        MINIMAL + "[retry]\ndiverged = 1\n",
        ["retry.diverged", "unknown key 'diverged'"],
    ),
    "fewer retries than none": (
        MINIMAL + "[retry]\nworker_died = -1\n",
        ["retry.worker_died", "-1", "0 or more"],
    ),
    "no patience of the study": ("patience = 0\n" + MINIMAL, ["patience", "0", "1 or more"]),
    "a key that was removed": (
        "regret = 0.01\n" + MINIMAL,
        ["regret: this key was removed", "patience = 30", "target"],
    ),
    "no width": ("width = 0\n" + MINIMAL, ["width", "0", "1 or more"]),
    "hosts without ssh": (
        MINIMAL + '[cluster]\nhosts = ["a"]\n',
        ["cluster", 'kind = "ssh"', "hosts", "go together"],
    ),
    "a deployer's options without one": (
        MINIMAL + "[cluster]\noptions = { cores = 2 }\n",
        ["cluster", "options is for ssh, slurm, pbs, sge, lsf, kubernetes", "'threads'"],
    ),
    "what can't adapt": (
        MINIMAL + '[cluster]\nkind = "ssh"\nhosts = ["a"]\nadaptive = { minimum = 0, maximum = 4 }\n',
        ["cluster", "adaptive is for slurm, pbs, sge, lsf", "'ssh'"],
    ),
    "an empty range": (
        MINIMAL + '[cluster]\nkind = "slurm"\nadaptive = { minimum = 5, maximum = 4 }\n',
        ["cluster", "'minimum': 5", "maximum = minimum or more"],
    ),
    "a certificate without its key": (
        MINIMAL + '[cluster]\nkind = "slurm"\ntls_ca = "ca.pem"\ntls_cert = "me.pem"\n',
        ["cluster", "tls_ca, tls_cert and tls_key go together"],
    ),
    "an address with TLS and no keys": (
        MINIMAL + '[cluster]\nkind = "address"\naddress = "tls://10.0.0.7:8786"\n',
        ["cluster", "tls://", "go together"],
    ),
    "threads for everybody": (
        MINIMAL + '[cluster]\nhost = "0.0.0.0"\n',
        ["cluster", "never leaves this machine"],
    ),
    "a password that would be sent": (
        MINIMAL + '[cluster]\nkind = "slurm"\nrows = "ftp://me:s3cret@store/rows"\n',
        ["cluster", "rows holds a password", "${NAME}"],
    ),
    "GPUs that are started and never used": (
        MINIMAL + '[cluster]\nkind = "cuda"\ngpu = "never"\n',
        ["cluster", 'found gpu = "never"'],
    ),
    "an address without its kind": (
        MINIMAL + '[cluster]\naddress = "tcp://10.0.0.7:8786"\n',
        ["cluster", 'kind = "address"', "go together"],
    ),
    "a kind without its address": (
        MINIMAL + '[cluster]\nkind = "address"\n',
        ["cluster", "go together", "tcp://HOST:8786"],
    ),
    "an address that is none": (
        MINIMAL + '[cluster]\nkind = "address"\naddress = "10.0.0.7"\n',
        ["cluster.address", "10.0.0.7", "tcp://HOST:8786"],
    ),
    "slots at an address": (
        MINIMAL + '[cluster]\nkind = "address"\naddress = "tcp://10.0.0.7:8786"\nslots = 2\n',
        ["cluster", "what the workers at the address offer"],
    ),
    "too many finalists": (MINIMAL + "[report]\nfinalists = 500\n", ["report.finalists", "500", "50"]),
    "no seeds": (MINIMAL + "[report]\nseeds = 0\n", ["report.seeds", "0", "1"]),
    "reproducible is a switch": ("reproducible = 1\n" + MINIMAL, ["reproducible", "1", "true or false"]),
    "another master": (
        MINIMAL + '[spark]\nmaster = "yarn"\n',
        ["spark", "'yarn'", "local[K], spark://HOST:PORT"],
    ),
    "memory without a unit": (MINIMAL + '[spark]\nmemory = "4"\n', ["spark.memory", "'4'"]),
    "no partition": (MINIMAL + "[spark]\npartitions = 0\n", ["spark.partitions", "0"]),
    "properties that change results": (
        MINIMAL + '[spark]\nconf = { "spark.sql.adaptive.enabled" = true }\n',
        ["spark", "'spark.sql.adaptive.enabled'", "last bits of every gradient"],
    ),
    "memory as a property": (
        MINIMAL + '[spark]\nconf = { "spark.driver.memory" = "4g" }\n',
        ["'spark.driver.memory'", "use the key spark.memory"],
    ),
    "a library for a cluster": (
        MINIMAL + '[spark]\nmaster = "spark://a:7077"\nnative_blas = "x.so"\n',
        ["native_blas is for a local master", "spark.executor.extraJavaOptions"],
    ),
    "memory of a server": (
        MINIMAL + '[spark]\nmaster = "sc://a:15002"\nmemory = "4g"\n',
        ["memory with a sc:// master"],
    ),
    "unknown sampler": (MINIMAL + '[sampler]\nkind = "tpi"\n', ["sampler.kind", "'tpi'", "'tpe'?"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_with_the_file_the_key_and_the_remedy(case: str, tmp_path: Path) -> None:
    text, expected = REFUSED[case]
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(StudyFileError) as raised:
        read_study_file(path)
    message = str(raised.value)
    assert "bad.toml" in message
    for part in expected:
        assert part in message
    assert "s3cret" not in message
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "sms-spam.toml").write_text(MINIMAL)
    with pytest.raises(StudyFileError, match=r"did you mean 'sms-spam.toml'\?"):
        read_study_file(tmp_path / "sms-span.toml")


def test_a_directory_and_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyFileError, match="directory"):
        read_study_file(tmp_path)
    (tmp_path / "bytes.toml").write_bytes(b"name = '\xff'")
    with pytest.raises(StudyFileError, match="UTF-8"):
        read_study_file(tmp_path / "bytes.toml")


def test_a_byte_order_mark_and_lines_of_windows_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "tiny.toml"
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
    assert read_study_file(path).study.data.source == "sms-spam"


def test_two_lines_are_a_study(tmp_path: Path) -> None:
    path = tmp_path / "tiny.toml"
    path.write_text(MINIMAL)
    file = read_study_file(path)
    assert file.study.name == "tiny"
    assert file.study.trial_limit == 60
    assert file.space.frameworks == ("tensorflow", "spark")
    assert file.enqueued == ()


def test_a_timeout_or_a_target_alone_needs_no_number_of_trials(tmp_path: Path) -> None:
    path = tmp_path / "tiny.toml"
    path.write_text('timeout = "1h30m"\n' + MINIMAL)
    file = read_study_file(path)
    assert file.study.timeout == 5400.0
    assert file.study.trial_limit is None


@pytest.mark.parametrize("kind", ["none", "asha", "hyperband", "median", "percentile", "wilcoxon"])
def test_every_pruner_is_accepted(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "tiny.toml"
    path.write_text(MINIMAL + f'[pruner]\nkind = "{kind}"\nmin_epochs = 2\nreduction_factor = 4\n')
    pruner = read_study_file(path).study.pruner
    assert (pruner.kind, pruner.min_epochs, pruner.reduction_factor, pruner.brackets) == (kind, 2, 4, 1)


def test_reproducible_and_retries_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "tiny.toml"
    path.write_text("reproducible = true\nwidth = 3\n" + MINIMAL + "[retry]\nbug = 2\ngive_up = 0\n")
    study = read_study_file(path).study
    assert (study.reproducible, study.width) == (True, 3)
    assert (study.retry.bug, study.retry.give_up, study.retry.worker_died) == (2, 0, 2)


@pytest.mark.parametrize("limit", ["patience = 5", "target = 0.9"])
def test_every_limit_alone_needs_no_number_of_trials(limit: str, tmp_path: Path) -> None:
    path = tmp_path / "tiny.toml"
    path.write_text(f"{limit}\n" + MINIMAL)
    assert read_study_file(path).study.trial_limit is None


def test_the_examples_are_accepted(study_file: Callable[..., Path]) -> None:
    examples = sorted((Path(__file__).parents[2] / "studies" / "examples").glob("*.toml"))
    assert [path.stem for path in examples] == ["question-sorted", "question", "sms-spam"]
    for path in examples:
        assert read_study_file(path).study.name == path.stem
    assert read_study_file(study_file()).study.name == "small"


def test_the_question_has_three_configurations_and_draws_nothing_else() -> None:
    file = read_study_file(Path(__file__).parents[2] / "studies" / "examples" / "question.toml")
    recipes = [_sampled(file.space, params) for params in file.enqueued]
    assert [recipe.used() for recipe in recipes] == [
        {
            "framework": "spark",
            "initialisation": "spark_uniform",
            "optimizer": "l-bfgs",
            "epochs": 10,
        },
        *(
            {
                "framework": "tensorflow",
                "initialisation": scheme,
                "optimizer": "sgd",
                "epochs": 100,
                "learning_rate": 0.01,
                "batch_size": 256,
                "shuffle": False,
                "drop_last_batch": True,
                "loss_scale": 0.5,
                "activation": "sigmoid",
                "class_weight": "none",
                "weight_decay": 0.0,
                "dropout": 0.0,
            }
            for scheme in ("seed_uniform", "truncated_normal")
        ),
    ]


_numbers = st.one_of(st.integers(1, 10**6), st.floats(1e-6, 1e6))
_ranges = st.tuples(st.floats(1e-6, 1.0), st.floats(0, 10), st.booleans()).map(
    lambda drawn: {"low": drawn[0], "high": drawn[0] + drawn[1], "log": drawn[2]}
)
_choices = st.lists(_numbers, min_size=1, max_size=4, unique=True)
_axes = st.one_of(_numbers, _choices, _ranges)


@given(
    learning_rate=st.one_of(_axes, st.fixed_dictionaries({"tensorflow": _axes, "spark": _axes})),
    batch_size=st.one_of(st.integers(1, 9), st.just({"low": 2, "high": 64, "step": 2})),
    limits=st.fixed_dictionaries(
        {}, optional={"trials": st.integers(1, 99), "timeout": st.just("1h30m"), "target": st.floats(0, 1)}
    ),
    enqueue=st.lists(st.fixed_dictionaries({"framework": st.just("spark")}), max_size=2),
)
def test_what_is_written_of_a_study_reads_as_the_same_study(
    learning_rate: Any, batch_size: Any, limits: dict[str, Any], enqueue: list[Any]
) -> None:
    space = {"learning_rate": learning_rate, "batch_size": batch_size}
    raw = {"name": "s", "data": {"source": "sms-spam"}, "space": space, "enqueue": enqueue, **limits}
    study = Study.model_validate(raw)
    written = json.dumps(study.model_dump(mode="json", exclude_unset=True), allow_nan=False)
    assert Study.model_validate(json.loads(written)) == study


def _sampled(space, params):  # type: ignore[no-untyped-def]
    from optuna.trial import FixedTrial

    return space.sample(FixedTrial(params))


@pytest.mark.parametrize(
    "text",
    [
        '[storage]\nurl = ["postgresql://me:s3cret@host/db"]',
        '[storage]\nurls = "postgresql://me:s3cret@host/db"',
        '[storage]\nurl = { password = "s3cret" }',
        '[cluster]\nkind = "address"\naddress = "HTTP://me:s3cret@host:8786"',
        '[checkpoints]\nurl = 1\nlimit = "sftp://me:s3cret@host/kept"',
    ],
)
def test_a_password_in_the_wrong_place_is_not_shown(text: str, tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    path.write_text(f"{MINIMAL}{text}\n")
    with pytest.raises(StudyFileError) as refused:
        read_study_file(path)
    assert "s3cret" not in str(refused.value)
