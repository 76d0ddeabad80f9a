"""What Optuna's dashboard shows of a trial and of a study beyond Optuna's own: names that a person reads.

Test scores are not among it. A dashboard shows every trial, and who chooses by test scores has none left.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from search.words import score_label
from studies.data.facts import DataFacts
from studies.printable import printable
from studies.records.openings import Opening, openings_of
from studies.records.schema import ENDED, SECONDS, VERSIONS
from studies.records.trials import TrialRecord
from studies.stored_study import statuses_of

SHOWN = ("f1", "f1_weighted", "f1_macro", "precision", "recall", "average_precision", "mcc", "log_loss")
"""Validation scores, in this order."""


def trial_attributes(record: TrialRecord, facts: DataFacts) -> dict[str, Any]:
    """Of a trial, by readable name; numbers stay numbers, so that trials can be sorted by them."""
    return {
        name: printable(value) if isinstance(value, str) else value
        for name, value in _trial(record, facts)
        if value is not None and value != ""
    }


def study_attributes(
    raw: Mapping[str, Any], facts: DataFacts, metric: str, limit: int | None
) -> dict[str, Any]:
    """Of a study, by readable name.

    Args:
        raw: its user attributes as the driver writes them.
        facts: of its rows.
        metric: that trials are scored by.
        limit: trials after which it ends, if it has such a limit.
    """
    share = facts.positives("train") / facts.rows("train")
    ended, versions = raw.get(ENDED, ""), raw.get(VERSIONS, {})
    return {
        "scored by": f"{score_label(metric, facts)}, validation rows",
        "rows": ", ".join(f"{facts.rows(name):,} {name}" for name in facts.counts),
        "classes": printable(", ".join(facts.classes)),
        "positive class": f"{printable(facts.positive)}, {share:.1%} of the training rows",
        "features": facts.features,
        "notes on the data": printable("; ".join(facts.notes)) or "none",
        "trials in all": "no limit" if limit is None else limit,
        "state": f"ended: {ended}" if ended else "not ended",
        "test rows": _test_rows(openings_of(raw)),
        "seconds searched": round(float(raw.get(SECONDS, 0.0)), 1),
        "cluster": ", ".join(dict.fromkeys(status["cluster"] for status in statuses_of(raw))) or "none yet",
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }


def _test_rows(openings: Sequence[Opening]) -> str:
    if not openings:
        return "not opened yet"
    times = "once" if len(openings) == 1 else f"{len(openings)} times"
    return f"opened {times}: {', '.join(opening.at for opening in openings)}"


def _trial(record: TrialRecord, facts: DataFacts) -> Iterator[tuple[str, Any]]:
    yield "configuration", record.configuration.describe() if record.configuration else None
    validation = record.scores_on("validation")
    for name in SHOWN:
        value = getattr(validation, name) if validation is not None else None
        yield (
            f"validation {score_label(name, facts)}",
            None if value is None or math.isnan(value) else round(value, 4),
        )
    yield "seed", record.seed
    yield "enqueued", "yes" if record.enqueued else None
    report = record.report
    if report is None:
        return
    yield "epochs done", report.epoch
    seconds = record.seconds
    yield "seconds of work", None if seconds is None else round(seconds, 2)
    yield "seconds of training", round(report.ledger.train, 2)
    yield "seconds queued", round(report.ledger.queued, 2)
    yield "attempts", report.attempts
    yield "device", report.device
    yield "worker", report.worker
    yield "notes", "; ".join(report.notes)
    if report.failure is not None:
        yield "failed of", f"{report.failure.cause}: {report.failure.message}"
