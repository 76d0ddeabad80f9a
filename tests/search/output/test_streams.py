"""Standard output and error that are closed, full, left by their reader, or not UTF-8, in every command."""

from __future__ import annotations

import ast
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from search.cli import main
from search.output import streams
from tests.faults.programs import PATIENCE, ROOT, environment, states

SOURCES = [
    path
    for path in (ROOT / "search").rglob("*.py")
    if path.name != "streams.py" and path.parent.name not in ("page", "charts", "sections")
]

LABELS = ("grün", "rot ✓")

STUDY = """
name = "streams"
trials = 12
[data]
path = "rows.csv"
label = "art"
[model]
hidden = [4]
epochs = 9
[space]
framework = "analytic"
learning_rate = { low = 0.001, high = 1.0, log = true }
batch_size = 16
[cluster]
slots = 2
[report]
finalists = 1
seeds = 2
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A launched study whose name and labels are not ASCII; launched as in a shell without a UTF-8 locale."""
    directory = tmp_path_factory.mktemp("größe")
    draw = np.random.default_rng(3)
    rows = [(index % 2, draw.normal() + index % 2, draw.normal()) for index in range(120)]
    table = "".join(f"{a:.4f},{b:.4f},{LABELS[label]}\n" for label, a, b in rows)
    (directory / "rows.csv").write_text("a,b,art\n" + table, encoding="utf-8")
    path = directory / "study.toml"
    path.write_text(STUDY, encoding="utf-8")
    code, out, err = run(["launch", str(path)], "ascii")
    assert code == 0, err
    assert "rot \\u2713" in out
    assert "gr\\xf6\\xdfe" in out  # the folder of the storage
    return path


def run(command: list[str], encoding: str) -> tuple[int, str, str]:
    """Exit code, and what the command writes to streams of an encoding."""
    with pytest.MonkeyPatch.context() as patch:
        found = {}
        for name in ("stdout", "stderr"):
            found[name] = io.BytesIO()
            patch.setattr(sys, name, io.TextIOWrapper(found[name], encoding=encoding))
        with pytest.raises(SystemExit) as ended:
            main(command)
        sys.stderr.flush()
        code = ended.value.code
        said = {name: raw.getvalue().decode(encoding) for name, raw in found.items()}
    return (code if isinstance(code, int) else 0), said["stdout"], said["stderr"]


COMMANDS = {
    "check": ["check", "STUDY"],
    "report": ["report", "STUDY"],
    "json": ["report", "STUDY", "--json"],
    "markdown": ["report", "STUDY", "--markdown"],
    "status": ["status", "STUDY"],
    "repair": ["repair", "STUDY"],
    "help": ["--help"],
    "unknown": ["launch"],
    "missing": ["report", "größer.toml"],
}


def test_a_line_of_standard_error_is_in_its_file_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "log").open("w") as log:  # as Python opens its own: nothing in it tells of lines
        for name in ("stderr", "__stderr__"):
            monkeypatch.setattr(sys, name, log)
        with streams.safe_streams():
            print("trials at once: 1", file=sys.stderr)
            assert (tmp_path / "log").read_text() == "trials at once: 1\n"


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_prints_in_any_encoding(name: str, encoding: str, study: Path) -> None:
    command = [str(study) if word == "STUDY" else word for word in COMMANDS[name]]
    code, out, err = run(command, encoding)
    assert code == (2 if name in ("unknown", "missing") else 0)
    assert "Traceback" not in out + err
    # Not through click's own streams, which would be UTF-8 whatever the terminal is.
    assert "\N{LATIN CAPITAL LETTER A WITH TILDE}" not in out + err
    if encoding == "ascii" and name in ("check", "report", "markdown"):
        assert "rot \\u2713" in out.replace("\\\\", "\\")


@pytest.mark.slow
def test_a_page_on_standard_output_is_utf_8_whatever_the_terminal_is(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    main(["report", str(study), "--html", "-"], standalone_mode=False)
    assert "größe" in raw.getvalue().decode("utf-8")


@pytest.mark.slow
def test_a_launch_needs_no_terminal(study_file: Callable[..., Path]) -> None:
    path = study_file()
    done = in_shell("launch small.toml >&- 2>/dev/full <&-", path.parent)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    # Were standard output the database's descriptor, nobody could read it.
    assert set(states(path).values()) == {"complete"}


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("--help >/dev/full", 1, "search: standard output: can't be written: No space left on device"),
        ("--help >&-", 0, ""),
        ("--help 2>&-", 0, ""),
        ("init unknown 2>&-", 2, ""),
        ("init unknown 2>/dev/full >&-", 2, ""),
        ("--help | false; exit ${PIPESTATUS[0]}", 141, ""),
    ],
)
def test_streams_that_take_nothing_end_no_command_with_a_traceback(
    command: str, code: int, said: str, tmp_path: Path
) -> None:
    done = in_shell(command, tmp_path)
    assert done.returncode == code
    assert done.stderr.splitlines()[:1] == ([said] if said else [])


def in_shell(command: str, directory: Path) -> subprocess.CompletedProcess[str]:
    python = f"{sys.executable} -c 'from search.cli import main; main()'"
    return subprocess.run(
        ["bash", "-c", f"{python} {command}"],
        cwd=directory,
        env=environment() | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_a_reader_that_left_in_the_middle_ends_the_command_as_others_end() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with (
        streams._text_stream(streams._Guarded(writing, streams._output_refuses, closes=True), None) as stream,
        pytest.raises(SystemExit) as ended,
    ):
        print("x" * 100_000, file=stream)
    assert ended.value.code == 141


def test_a_terminal_that_is_gone_is_written_to_no_more() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with streams.terminal(writing) as stream:
        for number in range(10_000):
            print(number, file=stream)


def test_own_signs_become_ascii_and_others_stay_apart() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", errors="honest-search-marks")
    stream.write("0.9 ± 0.1 × 3 ≤ … é \udcff █▁")
    stream.flush()
    assert raw.getvalue() == b"0.9 +- 0.1 x 3 <= ~ \\xe9 \\udcff #_"


def test_every_sign_that_is_printed_has_an_ascii_one() -> None:
    lacking = {
        (path.name, sign)
        for path in SOURCES
        for text in texts_of(ast.parse(path.read_text(encoding="utf-8")))
        for sign in text
        if not sign.isascii() and sign not in streams.MARKS
    }
    assert lacking == set()


def texts_of(tree: ast.AST) -> list[str]:
    """The string literals that are no documentation."""
    documentation = {
        id(node.value) for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }  # fmt: skip
    found: list[Any] = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and id(node) not in documentation
    ]
    return [text for text in found if isinstance(text, str)]
