"""The note that a driver keeps on its study for Optuna's dashboard, in Markdown."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence

from search.output.markdown_text import code
from search.words import count_of, of_limit
from studies.records.ranking import failures_of
from studies.records.trials import TrialRecord

LONGEST = 2000
"""Characters; a note of more would lie in storage in pieces."""


def dashboard_note(
    file: str, metric: str, finished: Sequence[TrialRecord], *, limit: int | None, ended: str = ""
) -> str:
    """The state of a study, and how to read more of it. Depends only on the trials that ended.

    Args:
        file: name of the study file, for the commands.
        metric: what trials are scored by.
        finished: the trials that are complete, pruned or failed.
        limit: trials after which the study ends, if it has such a limit.
        ended: why the search ended; empty while it runs.
    """
    return "\n".join(_lines(file, metric, finished, limit, ended))[:LONGEST]


def _lines(
    file: str, metric: str, finished: Sequence[TrialRecord], limit: int | None, ended: str
) -> Iterator[str]:
    state = f"Ended: {ended}." if ended else "The search runs."
    yield f"**{of_limit(len(finished), limit)}** ({_states(finished)}). {state}"
    yield ""
    complete = [record for record in finished if record.value is not None]
    if complete:
        # As the report ranks: of equal ones the earlier trial.
        best = max(complete, key=lambda record: (record.value or 0.0, -record.number))
        what = best.configuration.describe() if best.configuration else "an unknown configuration"
        yield f"**Best so far: {best.value:.3f}**, trial {best.number}: {what}"
        yield ""
        yield (
            f"The score is {metric} on the validation rows. It chose the best trial and is therefore "
            "optimistic there; the report has its score on test rows that played no part in the choice."
        )
    else:
        yield "No trial is complete yet."
    yield ""
    for group in failures_of(finished):
        yield f"- {count_of(len(group.trials), 'trial')} failed: {group.cause}"
    yield ""
    report, status, dashboard = (
        code(f"search {name} {shlex.quote(file)}") for name in ("report", "status", "dashboard")
    )
    yield f"{report} prints the report, {status} what runs now, and"
    yield f"{dashboard} opens this page with each trial's curves and predictions."


def _states(finished: Sequence[TrialRecord]) -> str:
    states = Counter(record.state for record in finished)
    names = {"fail": "failed"}
    return (
        ", ".join(f"{count} {names.get(state, state)}" for state, count in sorted(states.items())) or "none"
    )
