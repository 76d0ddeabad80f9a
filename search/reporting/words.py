"""Numbers and configurations in words, as the page says them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from search.reporting.report import StudyReport
from search.words import score_label
from studies.frameworks import Titles
from studies.records.trials import TrialRecord
from studies.space.configuration import FULL_BATCH, Configuration

FRAMEWORKS = Titles()
"""Frameworks as they write themselves."""


def metric_label(report: StudyReport) -> str:
    """``F1 of spam``: what ranks the trials."""
    return score_label(report.metric, report.facts)


def framework_name(configuration: Configuration | None) -> str:
    """``TensorFlow``."""
    return "?" if configuration is None else FRAMEWORKS.get(configuration.framework, configuration.framework)


def in_words(configuration: Configuration) -> str:
    """A configuration as a sentence's end: "a TensorFlow network, trained with rmsprop at …"."""
    name = framework_name(configuration)
    article = "an" if name[:1].lower() in "aeiou" else "a"
    parts = [f"{article} {name} network trained"]
    if configuration.optimizer:
        parts.append(f"with {configuration.optimizer}")
    if configuration.learning_rate is not None:
        parts.append(f"at a learning rate of {configuration.learning_rate:.3g}")
    if configuration.batch_size is not None:
        parts.append(f"in batches of {configuration.batch_size:,} rows")
    length = "iterations" if configuration.optimizer in FULL_BATCH else "epochs"
    parts.append(f"for {configuration.epochs:,} {length}")
    begun = f", from {configuration.initialisation} weights" if configuration.initialisation else ""
    return " ".join(parts) + begun


def as_toml(configuration: Configuration) -> str:
    """The configuration as an ``[[enqueue]]`` table that a study file takes."""
    lines = (f"{name} = {_toml(value)}" for name, value in configuration.used().items())
    return "\n".join(["[[enqueue]]", *lines])


def date_text(when: datetime) -> str:
    """``24 November 2026, 14:15``."""
    return f"{when.day} {when:%B %Y, %H:%M}"


def moments_of(records: Sequence[TrialRecord]) -> list[datetime]:
    """When trials began and ended, in order."""
    found = (moment for record in records for moment in (record.started, record.completed))
    return sorted(moment for moment in found if moment is not None)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value)
