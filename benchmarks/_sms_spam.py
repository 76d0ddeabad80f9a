"""The rows that benchmarks train on: the SMS Spam Collection, as its example study makes them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from search.preflight import prepare_data
from studies.data import Prepared
from studies.data.split import Split
from studies.study_file import read_study_file


@contextmanager
def prepared() -> Iterator[Prepared]:
    """The split and its files, which are gone on leaving."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "sms-spam.toml"
        path.write_text((files("studies") / "examples" / "sms-spam.toml").read_text())
        yield prepare_data(read_study_file(path))


@contextmanager
def sms_spam() -> Iterator[Split]:
    """The split alone."""
    with prepared() as made:
        yield made.split
