"""Files of another format: newer ones are refused and stay, and fields of later code are ignored."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies.errors import CheckpointError
from studies.space.configuration import Configuration
from workers.checkpoints import format as checkpoint_format
from workers.checkpoints import outcomes
from workers.checkpoints.checkpoints import Checkpoints, trial_identity
from workers.checkpoints.format import from_bytes, to_bytes
from workers.checkpoints.outcomes import Outcome, Outcomes
from workers.training.trainer import State

STATE = State(epoch=3, weights=(np.ones((2, 2), np.float32), np.zeros(2, np.float32)), losses=(0.5, 0.4, 0.3))
IDENTITY = trial_identity(Configuration("analytic", "he_normal", "sgd", 9), 3, (2, 2), "rows")


def with_header(content: bytes, **more: Any) -> bytes:
    """The same file with other fields in its header; ``None`` takes one out."""
    with np.load(io.BytesIO(content)) as arrays:
        found = dict(arrays)
    header = {**json.loads(found["header"].tobytes()), **more}
    header = {name: value for name, value in header.items() if value is not None}
    found["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    archive = io.BytesIO()
    np.savez(archive, **found)
    return archive.getvalue()


def test_fields_of_later_code_are_ignored_and_optional_ones_may_lack() -> None:
    content = to_bytes(1, IDENTITY, replace(STATE, notes=("a note",)))
    read = from_bytes(with_header(content, device="GPU", package=None), 1, IDENTITY, 3)
    assert read is not None
    assert read.notes == ("a note",)
    bare = from_bytes(with_header(content, notes=None, best=None), 1, IDENTITY, 3)
    assert bare is not None
    assert (bare.notes, bare.best) == ((), None)


def test_a_checkpoint_of_a_newer_format_is_refused_and_stays(tmp_path: Path) -> None:
    newer = with_header(
        to_bytes(1, IDENTITY, STATE), format=checkpoint_format.FORMAT + 1, package="9.1.0", epoch=None
    )
    path = tmp_path / "trial-1-epoch-3.npz"
    path.write_bytes(newer)
    with pytest.raises(CheckpointError) as refused:
        Checkpoints(str(tmp_path)).newest(1, IDENTITY, 9)
    assert str(refused.value) == (
        "the checkpoint of trial 1 after epoch 3 has format 4, which version 9.1.0 of honest-search wrote\n"
        "  allowed: formats up to 3, which this version, 0.1.0, reads\n"
        "  to do:   pip install 'honest-search>=9.1.0', on every worker too; or name another place in "
        "checkpoints.url"
    )
    assert path.read_bytes() == newer


def test_a_checkpoint_of_an_earlier_format_is_foreign(tmp_path: Path) -> None:
    older = with_header(to_bytes(1, IDENTITY, STATE), format=checkpoint_format.FORMAT - 1)
    (tmp_path / "trial-1-epoch-3.npz").write_bytes(older)
    assert Checkpoints(str(tmp_path)).newest(1, IDENTITY, 9) is None


def test_an_outcome_of_a_newer_format_is_refused_and_stays(tmp_path: Path) -> None:
    kept = Outcomes(str(tmp_path))
    kept.write("k", Outcome(STATE.weights, "sigmoid", {"validation": np.ones((3, 2))}))
    path = tmp_path / "k.npz"
    path.write_bytes(with_header(path.read_bytes(), added=[1]))
    assert kept.read("k") is not None
    path.write_bytes(with_header(path.read_bytes(), format=outcomes.FORMAT + 1, key=None))
    with pytest.raises(CheckpointError, match="the outcome k has format 2, which version"):
        kept.read("k")
    assert path.exists()
