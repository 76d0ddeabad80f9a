"""The plug-ins of ``docs/plugins.md``, as files beside a study file and as an installed package."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "plugins.md"

PACKAGE = "honest-search-example"
VERSION = "1.2"


def page_files() -> dict[str, str]:
    """The files that the page shows, by the name in their first line."""
    blocks = re.findall(r"```(?:python|toml)\n(# ([\w.]+)\n.*?)```", PAGE.read_text("utf-8"), flags=re.DOTALL)
    return {name: text for text, name in blocks}


def write_page_files(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All of them and the rows, in the current directory from now on; the study file."""
    for name, text in page_files().items():
        (directory / name).write_text(text)
    monkeypatch.chdir(directory)
    runpy.run_path("make_rows.py")
    return directory / "own.toml"


def install_package(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's plug-ins as a distribution with entry points, importable from now on in this process."""
    package, info = (
        directory / "example_plugins",
        directory / f"{PACKAGE.replace('-', '_')}-{VERSION}.dist-info",
    )
    package.mkdir(parents=True)
    info.mkdir()
    for name, text in page_files().items():
        if name.startswith("my_"):
            (package / name).write_text(text.replace("my_trainer:SAVED", "example_plugins.my_trainer:SAVED"))
    (package / "__init__.py").touch()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: {VERSION}\n")
    (info / "entry_points.txt").write_text(
        "[honest_search.trainers]\ncentroids = example_plugins.my_trainer:Centroids\n"
        "[honest_search.samplers]\ndice = example_plugins.my_sampler:make\n"
        "[honest_search.readers]\njsonl = example_plugins.my_reader:read\n"
    )
    monkeypatch.syspath_prepend(str(directory))
