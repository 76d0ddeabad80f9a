"""Somebody who may read a study's folder and not write it."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from search.commands.launch import launch
from tests.readers import may_only_read, run

COMMANDS = """
import json, sys, threading, urllib.request
from click.testing import CliRunner
from search.cli import main
from search.dashboard.dashboard import dashboard

said = {}
for command, *options in (["report", "--json"], ["status", "--json"], ["check"], ["stop"], ["launch"]):
    result = CliRunner().invoke(main, [command, sys.argv[1], *options])
    said[command] = [result.exit_code, result.output]
with dashboard(sys.argv[1]) as (server, address):
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base, _, study = address.partition("/dashboard/studies/")
    study = f"{base}/api/studies/{study}"
    with urllib.request.urlopen(f"{study}?after=0") as answer:
        said["dashboard"] = [answer.status, len(json.load(answer)["trials"])]
    note = json.dumps({"version": 3, "body": "mine"}).encode()
    kind = {"Content-Type": "application/json"}
    try:
        urllib.request.urlopen(urllib.request.Request(f"{study}/note", note, kind, method="PUT"))
    except urllib.error.HTTPError as error:
        said["note"] = [error.code, error.read().decode()]
        error.close()
    server.shutdown()
print(json.dumps(said))
"""


@pytest.mark.slow
@pytest.mark.parametrize("url", ["sqlite:///small.db", "journal:small.log"])
def test_who_may_only_read_a_closed_study_can_read_it(
    url: str, study_file: Callable[..., Path], tmp_path: Path
) -> None:
    path = study_file(append=f'\n[storage]\nurl = "{url}"\n')
    found = launch(path)
    gc.collect()  # which closes what the report read by
    names = sorted(each.name for each in tmp_path.iterdir())
    assert not any(name.endswith("-wal") for name in names)
    with may_only_read(tmp_path):
        result = run(COMMANDS, [str(path)])
    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout)
    code, report = said["report"]
    assert (code, json.loads(report)["best"]) == (0, found.to_dict()["best"])
    code, status = said["status"]
    assert (code, json.loads(status)["states"]) == (0, {"complete": 6})
    assert said["dashboard"] == [200, 6]
    assert said["note"][0] == 403
    assert "you may read this study and not write it" in said["note"][1]
    assert said["stop"] == [0, "nothing to stop: the study is not running\n"]
    for command in ("check", "launch"):
        code, output = said[command]
        assert code == 2
        assert "the file or its directory can't be written" in output
        assert "a study that is there can be read: search report" in output
    assert sorted(each.name for each in tmp_path.iterdir()) == names
