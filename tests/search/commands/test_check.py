"""``search check``: what a launch would do, found out without doing it."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from search import launch
from search.commands.check import Plan, check, render_plan
from search.driving.display import SilentDisplay
from studies.errors import DataError, MachineError, StorageError, StudyFileError
from studies.records.reports import ROW_SETS
from tests.faults.programs import PATIENCE, ROOT, contents, environment

Writes = Callable[..., Path]

FRAMEWORKS = ("tensorflow", "keras", "pyspark", "py4j", "gensim", "sklearn", "distributed")
"""Dask itself is imported, because its configuration files are looked at; its scheduler takes a second."""


def rendered(plan: Plan, width: int = 100) -> str:
    stream = io.StringIO()
    render_plan(plan, Console(file=stream, width=width, highlight=False))
    return stream.getvalue()


def test_a_plan_counts_what_a_launch_then_finds(study_file: Writes) -> None:
    path = study_file()
    plan = check(path)
    result = launch(path, display=SilentDisplay())
    assert plan.facts == result.facts
    assert sum(map(sum, plan.facts.counts.values())) == 120
    assert plan.name == "small"
    assert plan.metric == "f1"
    assert plan.slots == 2
    assert plan.cluster == "2 threads of this machine"
    assert plan.limits == ("after 6 trials",)
    assert (plan.trials_stored, check(path).trials_stored) == (0, 6)
    assert plan.storage == result.storage


def test_axes_are_those_that_optuna_then_draws(study_file: Writes) -> None:
    path = study_file()
    plan = check(path)
    drawn = {name for record in launch(path, display=SilentDisplay()).records for name in record.params}
    assert set(plan.axes) == drawn


def test_configurations_are_counted_where_they_can_be(study_file: Writes) -> None:
    assert check(study_file()).configurations is None
    assert check(study_file(learning_rate="learning_rate = [0.1, 0.2, 0.3]")).configurations == 3 * 2 * 2 * 2


def test_every_limit_is_said(study_file: Writes) -> None:
    path = study_file(trials='trials = 6\ntimeout = "2m"\ntarget = 0.9')
    assert check(path).limits == ("after 6 trials", "after 120 s", "at a score of 0.9")
    assert "after 6 trials, or after 120 s, or at a score of 0.9" in rendered(check(path))


def test_finalists_are_said_where_there_will_be_some(study_file: Writes) -> None:
    closed = rendered(check(study_file()))
    assert "the test rows stay closed, until search finalists opens them" in closed
    text = rendered(check(study_file(append="\n[report]\nfinalists = 3\nseeds = 4\n")))
    assert "the best 3 configurations are retrained with 4 new seeds each" in text


def test_it_writes_nothing_but_the_cache_of_the_rows(study_file: Writes) -> None:
    path = study_file()
    before = contents(path.parent)
    check(path)
    after = contents(path.parent)
    assert {name: after[name] for name in before} == before
    assert all(name.startswith(".search") for name in after.keys() - before.keys())
    assert check(path) == check(path)
    assert contents(path.parent) == after


def test_a_plan_goes_to_json_with_the_baselines(study_file: Writes) -> None:
    plan = check(study_file())
    plain = json.loads(json.dumps(plan.to_dict(), allow_nan=False))
    assert plain["trials_stored"] == 0
    share = plan.facts.positives("test") / plan.facts.rows("test")
    assert plain["all_positive_f1"]["test"] == pytest.approx(2 * share / (1 + share))


def test_a_person_reads_rows_baselines_space_and_limits(study_file: Writes) -> None:
    plan = check(study_file(append="\n[[enqueue]]\nlearning_rate = 0.5\n"))
    text = rendered(plan, 300)
    for name in ROW_SETS:
        assert name in text
    assert f"always positive: F1 {plan.facts.all_positive_f1('validation'):.3f}" in text
    assert "learning_rate" in text
    assert "1 known configuration is tried first" in text
    assert "after 6 trials" in text
    assert "small.db, 0 trials there" in " ".join(text.split())


def test_how_spark_s_trials_run_is_said_where_there_are_any(study_file: Writes) -> None:
    assert check(study_file()).spark == ""
    both = {"framework": 'framework = ["analytic", "spark"]', "batch_size": ""}
    plan = check(study_file(append='\n[spark]\nmemory = "2g"\nmaster = "local[3]"\n', **both))
    assert plan.slots == 2
    assert (
        plan.spark
        == "1 trial at once in a slot of its own; local[3], 2,048 MiB of heap, rows in 2 partitions"
    )
    assert plan.spark in " ".join(rendered(plan, 200).split())


def test_a_study_of_spark_alone_has_spark_s_slot_and_no_other(study_file: Writes) -> None:
    alone = {"framework": 'framework = "spark"', "batch_size": ""}
    plan = check(study_file(append='\n[spark]\nmaster = "spark://there:7077"\npartitions = 5\n', **alone))
    assert plan.slots == 0
    assert "threads" not in rendered(plan)
    assert re.fullmatch(r".*; spark://there:7077, 1,0\d\d MiB of heap, rows in 5 partitions", plan.spark)


@pytest.mark.parametrize(
    ("lines", "error", "said"),
    [
        ({"framework": 'framework = "jax"'}, StudyFileError, "jax"),
        ({"path": 'path = "other.npz"'}, DataError, "other.npz"),
        ({"slots": 'slots = 2\n[storage]\nurl = "mysql://x"'}, StorageError, "mysql"),
        ({"slots": 'slots = 2\n[sampler]\nkind = "gp"'}, MachineError, r"honest-search\[gp\]"),
    ],
    ids=["study file", "data", "storage", "machine"],
)
def test_what_a_launch_would_refuse_is_refused(
    lines: dict[str, str],
    error: type[Exception],
    said: str,
    study_file: Writes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = study_file(**lines)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(error, match=said):
        check(path)
    with pytest.raises(error, match=said):
        launch(path, display=SilentDisplay())


@pytest.mark.slow
def test_of_cached_rows_it_imports_no_framework(tmp_path: Path) -> None:
    texts = [f"{label},{word} for number {number}" for number in range(40) for label, word in
             (("ham", "lunch"), ("ham", "dinner"), ("spam", "money"))]  # fmt: skip
    (tmp_path / "texts.csv").write_text("\n".join(["label,text", *texts]) + "\n")
    study = tmp_path / "texts.toml"
    study.write_text(
        '[data]\npath = "texts.csv"\ntext = "text"\n[features]\ndimensions = 3\niterations = 1\n'
        '[space]\nframework = ["tensorflow", "spark"]\n'
    )
    check(study)
    script = (
        "import sys\n"
        "from search.cli import main\n"
        "main(['check', 'texts.toml'], standalone_mode=False)\n"
        f"print(*sorted(set(sys.modules) & {set(FRAMEWORKS)!r}), file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment() | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        timeout=PATIENCE, check=True,
    )  # fmt: skip
    assert done.stderr.strip() == ""
    assert "ready to launch" in done.stdout
