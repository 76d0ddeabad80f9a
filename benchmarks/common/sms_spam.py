"""The rows that benchmarks train on: the SMS Spam Collection, as its example study makes them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from search.driving.preflight import prepare_data
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


def example_study(changes: Mapping[str, str]) -> str:
    """The example study of SMS Spam without its known configurations and finalists, changed text by text.

    Raises:
        ValueError: where a text to change isn't there any more.
    """
    text = (files("studies") / "examples" / "sms-spam.toml").read_text()
    text = text[: text.index("# Known configurations")]
    for old, new in {"finalists = 3 ": "finalists = 0 ", **changes}.items():
        if old not in text:
            raise ValueError(f"the example study has no '{old}'")
        text = text.replace(old, new)
    return text


TENSORFLOW_ALONE = {
    'framework = ["tensorflow", "spark"]': 'framework = "tensorflow"',
    'optimizer.spark = ["l-bfgs", "gd"]\n': "",
    "epochs.spark = 20 ": "# ",
}
"""Changes after which Spark's session and its slots are no part of what is measured."""
