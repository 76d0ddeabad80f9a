"""Passwords of a real server: they let in, and nobody sees them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from search.cli import main
from tests.hostile import PASSWORD as SIGNS
from tests.postgres import Server

PASSWORD = f"hunter2{SIGNS}@nowhere.example/{{y}}"


@pytest.mark.slow
def test_a_password_of_every_sign_lets_in_and_is_shown_nowhere(
    postgres: Server, study_file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.user("keeper", PASSWORD)
    host, database = re.split(r"[@/]", postgres.database().removeprefix("postgresql://"))[1:]
    monkeypatch.setenv("STUDY_PASSWORD", PASSWORD)
    url = f"postgresql://keeper:${{STUDY_PASSWORD}}@{host}/{database}"
    path = study_file(append=f'\n[storage]\nurl = "{url}"\n[report]\nfinalists = 0\n')
    seen = ""
    page = f"{tmp_path}/page.html"
    for command, *options in (["launch"], ["report", "--json"], ["status"], ["report", "--html", page]):
        result = CliRunner().invoke(main, [command, str(path), *options])
        assert result.exit_code == 0, result.output
        seen += result.output
    assert json.loads(CliRunner().invoke(main, ["report", str(path), "--json"]).stdout)["storage"] == url
    seen += (tmp_path / "page.html").read_text()
    seen += "".join(file.read_text(errors="replace") for file in (tmp_path / ".search").glob("*.log"))

    monkeypatch.setenv("STUDY_PASSWORD", f"{PASSWORD}-wrong")
    refused = CliRunner().invoke(main, ["report", str(path)])
    assert refused.exit_code == 2
    assert "password authentication failed" in refused.output
    monkeypatch.setenv("STUDY_HOST", "no-such-host.invalid")
    path.write_text(path.read_text().replace(host, "${STUDY_HOST}"))
    away = CliRunner().invoke(main, ["report", str(path)])
    assert away.exit_code == 2
    assert "${STUDY_HOST}" in away.output
    assert "no-such-host" not in away.output
    for word in ("hunter2", "s3cret", "nowhere", "{y}"):
        assert word not in seen + refused.output + away.output
