"""What the documents say must be so."""

from __future__ import annotations

import re
from collections.abc import Set
from pathlib import Path

import pytest

from search.cli import main
from studies.study_file import read_study_file

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTENTS = "docs/decisions/README.md"
DECISIONS = sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs" / "decisions").glob("*.md"))
MOST_LINES_OF_A_DECISION = 60
MOST_LINES_OF_THE_ARCHITECTURE = 170
NOT_OURS = {"add_done_callback", "expandvars", "stateless_apply"}
"""Names of libraries that decisions speak of because the code doesn't use them."""


def test_the_readme_names_every_command_and_no_other() -> None:
    table = README[README.index("## Commands") :]
    named = set(re.findall(r"^\| `search (\w+)", table, flags=re.MULTILINE))
    assert named == set(main.commands)


def test_every_command_in_a_code_block_of_the_readme_exists() -> None:
    for command in re.findall(r"^search (\w+)", README, flags=re.MULTILINE):
        assert command in main.commands
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    # At the start of a line or in backticks: reports have sentences with the word.
    for target in re.findall(r"(?:^|`)make (\w+)", README, flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_the_study_file_and_the_sections_in_the_readme_are_accepted(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", README, flags=re.DOTALL)
    whole = [block for block in blocks if "[data]" in block]
    assert len(whole) == 1
    path = tmp_path / "reviews.toml"
    for section in ("", *(block for block in blocks if block not in whole)):
        path.write_text(whole[0] + section)
        file = read_study_file(path)
        assert file.study.name == "reviews"
        assert len(file.enqueued) == 1


def test_the_python_in_the_readme_uses_names_that_there_are() -> None:
    import search
    from search.reporting.report import StudyReport

    assert callable(search.launch)
    assert callable(search.report)
    assert isinstance(StudyReport.best, property)
    assert isinstance(StudyReport.trials, property)


@pytest.mark.parametrize("page", ["README.md", "ARCHITECTURE.md", "docs/plugins.md", *DECISIONS])
def test_every_file_that_a_document_names_is_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    linked = [name.split("#")[0] for name in re.findall(r"\]\(([^):]+)\)", text)]
    named = re.findall(r"`((?:studies|workers|search|docs|tests|benchmarks|tools)/[\w/.-]*)", text)
    for path in (*((ROOT / page).parent / name for name in linked), *(ROOT / name for name in named)):
        assert path.exists(), path


@pytest.mark.parametrize("page", [page for page in DECISIONS if page != CONTENTS])
def test_a_decision_has_a_title_and_four_parts_and_is_listed_once_by_its_title(page: str) -> None:
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    headings = [line for line in lines if line.startswith("#")]
    assert headings[1:] == ["## Context", "## Decision", "## Cost", "## How to undo"]
    assert len(lines) <= MOST_LINES_OF_A_DECISION
    contents = (ROOT / CONTENTS).read_text(encoding="utf-8")
    assert contents.count(f"- [{lines[0].removeprefix('# ')}]({Path(page).name})") == 1


@pytest.fixture(scope="module")
def written() -> Set[str]:
    """Every word of the code, and the name of each of its files."""
    words: set[str] = set()
    for folder in ("search", "studies", "workers", "benchmarks", "tests", "tools"):
        for file in (ROOT / folder).rglob("*.py"):
            words |= {file.name, file.stem}
            if file != Path(__file__):
                words |= set(re.findall(r"\w+", file.read_text(encoding="utf-8")))
    return words | set(re.findall(r"\w+", (ROOT / "Makefile").read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", DECISIONS)
def test_every_name_that_a_decision_quotes_is_in_the_code(page: str, written: Set[str]) -> None:
    quoted = re.findall(r"`([^`]+)`", (ROOT / page).read_text(encoding="utf-8"))
    plain = [code for code in quoted if "/" not in code]
    names = {name for code in plain for name in re.findall(r"[A-Za-z_]\w*(?:\.py\b)?", code)}
    assert names <= written | NOT_OURS, names - written - NOT_OURS


def test_the_architecture_stays_short() -> None:
    lines = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MOST_LINES_OF_THE_ARCHITECTURE


def test_help_says_what_each_command_does() -> None:
    for name, command in main.commands.items():
        assert command.help, name
        assert len([p for p in command.params if p.param_type_name == "option"]) <= 6
