"""Makes small samples of all that is stored, as the code of this moment stores it: ``tests/data/made_by_N``.

::

    python tools/stored_samples.py tests/data/made_by_2

To be run once for each format, with the code that still has it; what is there is never made again. The tests
of ``tests/test_stored_before.py`` read every such folder. In it:

``database.toml``, ``journal.toml``
    The same study in a database and in a journal. The trainer is the analytic one. It was searched, its
    finalists were compared on the test rows, a gap was explained, and a second launch was killed: trials
    completed, failed, were pruned, wait at a rung with their checkpoints, and one was in a segment.
``network.toml``, ``model``
    Two trials of TensorFlow's, and the better one exported.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

STUDY = """\
seed = 3
trials = 14

[data]
path = "rows.npz"

[features]
scale = "standard"

[model]
hidden = [3]
epochs = 9

[pruner]
kind = "asha"
min_epochs = 3

[space]
framework = "analytic"
initialisation = ["glorot_uniform", "he_normal"]
learning_rate = [0.001, 0.01, 0.1, 20.0]
batch_size = [16, 32]

[[enqueue]]
learning_rate = 20.0

[recipe.slow]
framework = "analytic"
initialisation = "he_normal"
optimizer = "sgd"
learning_rate = 0.001
batch_size = 16

[cluster]
slots = 2

[report]
finalists = 2
seeds = 2
"""
"""A learning rate of 20 diverges."""

NETWORK = """\
seed = 3
trials = 2

[data]
path = "rows.npz"

[model]
hidden = [3]
epochs = 2

[space]
framework = "tensorflow"
optimizer = "sgd"

[storage]
url = "journal:network.log"

[report]
finalists = 1
seeds = 1
"""

JOURNAL = '\n[storage]\nurl = "journal:journal.log"\n'

LAUNCH_ON = "trials = 24"
KILLED_AT = 9
"""The epoch at which the second launch is killed: at the first checkpoint there, before its report."""

PROGRAM = """
import os, signal, socket, sys
from search.cli import main
from workers.checkpoints.checkpoints import Checkpoints

socket.gethostname = lambda: "a-machine"
killed_at, write = int(sys.argv.pop(1)), Checkpoints.write

def watched(checkpoints, trial, identity, state):
    dropped = write(checkpoints, trial, identity, state)
    if state.epoch == killed_at:
        os.kill(os.getpid(), signal.SIGKILL)
    return dropped

Checkpoints.write = watched
main()
"""


def make(folder: Path) -> None:
    """Make the samples in a folder that is there, and is empty."""
    draw = np.random.default_rng(5)
    y = (np.arange(200) < 60).astype(np.int64)
    X = (draw.normal(size=(200, 3)) + 1.2 * y[:, None]).astype(np.float32)
    order = draw.permutation(200)
    np.savez(folder / "rows.npz", X=X[order], y=y[order])
    for name, text in (("database", STUDY), ("journal", STUDY + JOURNAL)):
        study = folder / f"{name}.toml"
        study.write_text(text)
        run(folder, "launch", study.name)
        run(folder, "explain", study.name, "--from", "slow", "--to", "best", "--seeds", "2")
        study.write_text(text.replace("trials = 14", LAUNCH_ON))
        run(folder, "launch", study.name, killed_at=KILLED_AT)
    (folder / "network.toml").write_text(NETWORK)
    run(folder, "launch", "network.toml")
    run(folder, "export", "network.toml", "model")
    # What a killed driver left in the database's log, into the database.
    with contextlib.closing(sqlite3.connect(folder / "database.db")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for made_again in ("data", "launch.log", "outcomes/database-*", "outcomes/journal-*"):
        for path in (folder / ".search").glob(made_again):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def run(folder: Path, *arguments: str, killed_at: int = -1) -> None:
    """Run a command of `search` in a process of its own, which kills itself at an epoch's checkpoint."""
    command = [sys.executable, "-c", PROGRAM, str(killed_at), *arguments]
    ended = subprocess.run(command, cwd=folder, check=False).returncode
    if ended != (-9 if killed_at > 0 else 0):
        raise SystemExit(f"{' '.join(arguments)} ended with {ended}")


def main() -> None:
    """See the module."""
    target = Path(sys.argv[1])
    if target.exists():
        raise SystemExit(f"{target} is there already: samples are made once")
    os.environ.setdefault("PYTHONPATH", str(Path(__file__).resolve().parents[1]))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "samples"
        folder.mkdir()
        make(folder)
        shutil.copytree(folder, target)


if __name__ == "__main__":
    main()
