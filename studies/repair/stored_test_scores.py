"""Test scores that earlier code stored with every trial, and their removal.

It scored each finished trial on the test rows. Nothing here reads those scores any more, but every other tool
of Optuna's shows them, and one line picks the trial that the test rows like best.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select, text, update

from studies.optuna_internals import (
    TrialModel,
    TrialUserAttributeModel,
    appending,
    study_id_of,
    trial_id_of,
)
from studies.records.schema import RESULT
from studies.repair.repair import Finding
from studies.storage.writers.journal_file import JournalFile
from studies.stored_study import StoredStudy
from studies.whole_files import write_whole


def repair_test_scores(stored: StoredStudy, *, mend: bool) -> list[Finding]:
    """Test scores among a study's trials; removed from the storage where ``mend`` is true.

    Only for who holds the driver's lock. In a database values are changed in one transaction. In a journal,
    which is only ever appended to, the lines that hold them are replaced by ones without them and as long, so
    that whoever has the journal open still finds every line where it was.
    """
    location = stored.location
    if location.kind == "journal" and location.file is not None:
        trials = {trial_id_of(trial) for trial in stored.study.get_trials(deepcopy=False)}
        count = _in_journal(location.file, trials, mend=mend)
    else:
        count = _in_database(stored, mend=mend)
    if not count:
        return []
    of = "trial" if count == 1 else "trials"
    return [
        Finding(
            f"{location.shown}: test scores of {count:,} {of}, which earlier versions stored with each; "
            "reports do not show them, other tools do",
            "removed; `search finalists` opens the test rows for the trials that are reported",
        )
    ]


def _in_database(stored: StoredStudy, *, mend: bool) -> int:
    engine = stored.storage.database

    def change() -> int:
        with engine.begin() as connection:
            changed = list(_rows(connection, study_id_of(stored.study)))
            if mend and changed:
                table = TrialUserAttributeModel.__table__
                key = table.c.trial_user_attribute_id
                for number, value in changed:
                    connection.execute(update(table).where(key == number).values(value_json=value))
        return len(changed)

    count = stored.storage.guard.write(change)
    if count and mend and engine.dialect.name == "sqlite":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            # What an update replaces stays in the file's free space until it is written again.
            connection.execute(text("VACUUM"))
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    return count


def _rows(connection: Connection, study: int) -> Iterator[tuple[int, str]]:
    """(attribute, its value without test scores) of each that has some."""
    model = TrialUserAttributeModel
    query = (
        select(model.trial_user_attribute_id, model.value_json)
        .join(TrialModel, TrialModel.trial_id == model.trial_id)
        .where(TrialModel.study_id == study, model.key == RESULT, model.value_json.contains('"test"'))
    )
    for number, value in connection.execute(query):
        result = json.loads(value)
        if _drop(result):
            yield number, json.dumps(result)


def _in_journal(file: Path, trials: Collection[int], *, mend: bool) -> int:
    backend = JournalFile(str(file))
    cleaned: set[int] = set()
    with appending(backend):
        lines = file.read_bytes().splitlines(keepends=True)
        for place, line in enumerate(lines):
            if b'"test"' not in line:
                continue
            record = json.loads(line)
            trial = record.get("trial_id")
            if trial in trials and _drop(record.get("user_attr", {}).get(RESULT)):
                cleaned.add(trial)
                lines[place] = json.dumps(record, separators=(",", ":")).encode().ljust(len(line) - 1) + b"\n"
        if mend and cleaned:
            write_whole(file, b"".join(lines), like=file.stat())
    return len(cleaned)


def _drop(result: Any) -> bool:
    """Take the test scores out of a trial's result; whether there were any."""
    scores = result.get("scores") if isinstance(result, dict) else None
    return isinstance(scores, dict) and scores.pop("test", None) is not None
