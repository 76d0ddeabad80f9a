"""What is stored is what the schema lists; newer formats are refused with one message."""

from __future__ import annotations

import ast
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import optuna
import pytest
from click.testing import CliRunner

from search import launch
from search.cli import main
from search.driving.display import SilentDisplay
from studies.errors import StorageError
from studies.records import schema
from studies.records.schema import (
    FORMAT,
    STUDY,
    STUDY_FORMAT,
    TRIAL,
    check_format,
    format_of,
    format_written,
    is_listed,
    this_version,
)
from studies.records.schema_page import PAGE, stored_page
from studies.storage.locations import location_of
from studies.storage.storage import open_storage
from studies.stored_study import read_study
from studies.study_file import read_study_file

Writes = Callable[..., Path]

ROOT = Path(__file__).parents[3]
SAMPLES = ROOT / "tests" / "data"
ASHA = '\n[pruner]\nkind = "asha"\n\n[report]\nfinalists = 2\nseeds = 1\n\n[[enqueue]]\nlearning_rate = 0.1\n'


def attributes(study: optuna.Study) -> Iterator[tuple[Literal["study", "trial"], str, str]]:
    """(whose, kind, name) of each attribute that is stored."""
    system = study._storage.get_study_system_attrs(study._study_id)
    for kind, names in (("user", study.user_attrs), ("system", system)):
        yield from (("study", kind, name) for name in names)
    for trial in study.get_trials(deepcopy=False):
        for kind, names in (("user", trial.user_attrs), ("system", trial.system_attrs)):
            yield from (("trial", kind, name) for name in names)


def unlisted(study: optuna.Study) -> set[tuple[str, str, str]]:
    return {one for one in attributes(study) if not is_listed(*one)}  # type: ignore[arg-type]


def test_the_page_in_docs_is_the_one_that_the_schema_gives() -> None:
    assert (ROOT / PAGE).read_text(encoding="utf-8") == stored_page(), "run `make reference`"


@pytest.mark.parametrize("name", ["database", "journal", "network"])
def test_all_that_earlier_code_stored_is_listed(name: str, tmp_path: Path) -> None:
    for sample in SAMPLES.glob("made_by_*"):
        copy = shutil.copytree(sample, tmp_path / sample.name)
        stored = read_study(read_study_file(copy / f"{name}.toml"))
        assert unlisted(stored.study) == set()
        assert format_of(stored.study.user_attrs) == int(sample.name.removeprefix("made_by_"))


def test_there_are_samples_of_every_format() -> None:
    assert {path.name for path in SAMPLES.iterdir()} >= {f"made_by_{one}" for one in range(1, FORMAT + 1)}


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("more", [ASHA, '\n[pruner]\nkind = "hyperband"\n', '\n[sampler]\nkind = "qmc"\n'])
def test_all_that_a_launch_stores_is_listed(study_file: Writes, more: str) -> None:
    path = study_file(append=more)
    launch(path, display=SilentDisplay())
    stored = read_study(read_study_file(path))
    assert unlisted(stored.study) == set()
    assert stored.study.user_attrs[STUDY_FORMAT] == {"version": FORMAT, "package": this_version()}


def test_an_attribute_that_nobody_listed_is_seen() -> None:
    assert not is_listed("study", "user", "another")
    assert not is_listed("trial", "user", "replica/0")
    assert is_listed("study", "user", "replica/0")
    assert is_listed("study", "user", "status.3f")


def _named(tree: ast.AST) -> Iterator[str]:
    """Literals that name an attribute: keys that are written, and what is looked up in attributes."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="set_user_attr" | "set_study_user_attr"), args=[*given]):
                yield from (one.value for one in given[:2] if isinstance(one, ast.Constant))
            case (
                ast.Call(
                    func=ast.Attribute(value=holder, attr="get"), args=[ast.Constant(value=str(key)), *_]
                )
                | ast.Subscript(value=holder, slice=ast.Constant(value=str(key)))
            ):
                if ast.unparse(holder).endswith(("user_attrs", "system_attrs", "attributes", "raw", "made")):
                    yield key
            case ast.Compare(left=ast.Constant(value=str(key)), comparators=[other]):
                if ast.unparse(other).endswith(("user_attrs", "system_attrs", "attributes")):
                    yield key


@pytest.mark.parametrize("package", ["studies", "search", "workers"])
def test_names_of_attributes_are_written_in_the_schema_alone(package: str) -> None:
    keys = {one.key for one in (*STUDY, *TRIAL)}
    for path in (ROOT / package).rglob("*.py"):
        if path != Path(schema.__file__):
            literals = keys & set(_named(ast.parse(path.read_text(encoding="utf-8"))))
            assert not literals, f"{path}: {literals}; use the names of studies.records.schema"


def test_a_study_is_given_a_format_once_and_never_a_lower_one() -> None:
    written = format_written({})
    assert written == {"version": FORMAT, "package": this_version()}
    assert format_written({STUDY_FORMAT: written}) is None
    assert format_written({STUDY_FORMAT: {"version": FORMAT + 1, "package": "9.0.0"}}) is None
    assert format_of({}) == 1


def test_a_newer_format_without_its_writer_is_refused_too() -> None:
    with pytest.raises(StorageError) as refused:
        check_format({STUDY_FORMAT: {"version": FORMAT + 1}}, "small", "small.db")
    assert "pip install --upgrade honest-search" in str(refused.value)


COMMANDS = (
    ("report",),
    ("status",),
    ("stop",),
    ("launch", "--quiet"),
    ("launch", "--fresh", "--quiet"),
    ("finalists", "--quiet"),
    ("explain", "--quiet"),
    ("dashboard",),
    ("repair",),
    ("check",),
)


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = shutil.copytree(SAMPLES / "made_by_1", tmp_path_factory.mktemp("newer") / "samples")
    path = folder / "journal.toml"
    storage = open_storage(location_of(read_study_file(path)))
    study = optuna.load_study(study_name="journal", storage=storage.optuna)
    study.set_user_attr(STUDY_FORMAT, {"version": FORMAT + 1, "package": "9.1.0", "more": True})
    study.set_user_attr("identity", {"of": "another kind"})
    storage.close()
    return path


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_refuses_a_study_of_a_newer_format(newer: Path, command: tuple[str, ...]) -> None:
    name, *options = command
    journal = newer.with_name("journal.log")
    before = journal.read_bytes()
    done = CliRunner().invoke(main, [name, str(newer), *options])
    said = done.output
    assert done.exit_code == (1 if name == "repair" else 2), done.output
    assert f"the stored study 'journal' has format {FORMAT + 1}, which version 9.1.0 of honest-search" in said
    assert "pip install 'honest-search>=9.1.0'" in said
    assert journal.read_bytes() == before


def test_an_export_refuses_it(newer: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["export", str(newer), str(tmp_path / "model"), "--quiet"])
    assert done.exit_code == 2
    assert f"has format {FORMAT + 1}" in done.stderr
    assert not (tmp_path / "model").exists()


def test_a_launch_of_an_earlier_study_writes_its_own_format(tmp_path: Path) -> None:
    folder = shutil.copytree(SAMPLES / "made_by_1", tmp_path / "samples")
    path = folder / "journal.toml"
    assert STUDY_FORMAT not in read_study(read_study_file(path)).study.user_attrs
    launch(path, display=SilentDisplay())
    assert json.dumps(read_study(read_study_file(path)).study.user_attrs[STUDY_FORMAT])
