"""Finds what kills, full disks and other programs leave in a study's storage and cache, and mends it.

Every function here says what it found; it changes something only where ``mend`` is true, and only what
nobody uses: the caller holds the driver's lock.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from optuna.trial import TrialState

from studies.data.cache import is_whole
from studies.records.schema import OWNER
from studies.sections.sizes import describe_size
from studies.storage.locations import Location
from studies.storage.sharing.drivers import driver_records, is_dead_process
from studies.storage.sqlite_files import sqlite_uri
from studies.storage.storage import mend_journal
from studies.stored_study import StoredStudy

ABANDONED_SECONDS = 3600.0
"""A half written folder of the cache that nobody has touched for so long: other studies share the cache, and
one that is being made is touched within minutes."""


@dataclass(frozen=True)
class Finding:
    """Something that isn't as it should be.

    Attributes:
        what: what was found, and where.
        remedy: what mends it, or did.
        mendable: whether this program can; otherwise ``remedy`` is for a person.
    """

    what: str
    remedy: str
    mendable: bool = True


def repair_storage(location: Location, *, mend: bool) -> list[Finding]:
    """The file of a study's storage; a server looks after its own."""
    if location.file is None or not location.file.exists():
        return []
    look = _repair_journal if location.kind == "journal" else _repair_sqlite
    hide = location.hidden.out_of
    return [
        replace(finding, what=hide(finding.what), remedy=hide(finding.remedy))
        for finding in look(location.file, mend=mend)
    ]


def left_running(stored: StoredStudy) -> list[Finding]:
    """Trials that no driver runs any more. They are whole: nothing has to be mended."""
    beating = {record.id for record in driver_records(stored.study.user_attrs) if not is_dead_process(record)}
    running = stored.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    numbers = [str(trial.number) for trial in running if trial.user_attrs.get(OWNER) not in beating]
    if not numbers:
        return []
    trials = f"trial {numbers[0]} is" if len(numbers) == 1 else f"trials {', '.join(numbers)} are"
    return [Finding(f"{trials} running, and no driver is", "the next launch resumes them")]


def repair_cache(directory: Path, *, mend: bool) -> list[Finding]:
    """Folders of prepared rows that a kill left half written, or that were damaged since."""
    if not directory.is_dir():
        return []
    findings = []
    for folder in sorted(path for path in directory.iterdir() if path.is_dir()):
        if folder.name.startswith("."):
            if time.time() - folder.stat().st_mtime < ABANDONED_SECONDS:
                continue
            what = f"{folder}: prepared rows that were never finished"
        elif is_whole(folder, folder.name):
            continue
        else:
            what = f"{folder}: prepared rows that are damaged"
        if mend:
            shutil.rmtree(folder)
        findings.append(Finding(what, "removed; the next launch makes what it needs"))
    return findings


def _quoted(file: Path) -> tuple[str, str]:
    """A file, and the one that is to take its place, for a command line."""
    return shlex.quote(str(file)), shlex.quote(f"{file}.new")


def _repair_journal(file: Path, *, mend: bool) -> Iterator[Finding]:
    here, new = _quoted(file)
    lock = file.with_name(file.name + ".lock")
    if lock.is_symlink() or lock.exists():
        yield Finding(f"{lock}: the lock of a write that was killed", "removed")
    content = file.read_bytes()
    lines = content.split(b"\n")
    torn = len(lines.pop())
    if torn:
        yield Finding(f"{file}: the last line is torn, {torn} bytes of a write that was killed", "cut off")
    damaged = {number: line for number, line in enumerate(lines) if not _is_record(line)}
    for number, line in damaged.items():
        whole = _after_torn(line)
        if whole is None:
            yield Finding(
                f"{file}: line {number + 1} is damaged, and all that was written after it depends on it",
                f"to go back to what was written before it: head -n {number} {here} > {new} && "
                f"mv {new} {here}; to begin again: search launch --fresh",
                mendable=False,
            )
            return
        lines[number] = whole
        yield Finding(
            f"{file}: line {number + 1} begins with a torn write, which a later one was appended to",
            f"the torn part cut out; the file as it was is kept as {file.name}.damaged",
        )
    if mend:
        mend_journal(file)
        if damaged:
            _replace(file, content, b"".join(line + b"\n" for line in lines))


def _is_record(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:  # not JSON, or not even text
        return False


def _after_torn(line: bytes) -> bytes | None:
    """The whole record at the end of a line whose beginning is a torn one.

    A torn write was never acknowledged, and whoever appended to it had not read it: without it the journal
    says what both believed.
    """
    start = line.find(b'{"op_code"', 1)
    while start != -1:
        if _is_record(line[start:]):
            return line[start:]
        start = line.find(b'{"op_code"', start + 1)
    return None


def _replace(file: Path, before: bytes, after: bytes) -> None:
    """Put the mended content in the file's place at once, and keep what was there."""
    file.with_name(f"{file.name}.damaged").write_bytes(before)
    mended = file.with_name(f".{file.name}.mended")
    mended.write_bytes(after)
    mended.replace(file)


def _repair_sqlite(file: Path, *, mend: bool) -> Iterator[Finding]:
    here, new = _quoted(file)
    log = file.with_name(f"{file.name}-wal")
    left = log.stat().st_size if log.exists() else 0
    try:
        address = sqlite_uri(file, f"mode={'rw' if mend else 'ro'}")
        with closing(sqlite3.connect(address, uri=True)) as database:
            problems = [str(row[0]) for row in database.execute("PRAGMA integrity_check(3)")]
            if problems == ["ok"] and left:
                if mend:
                    database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                yield Finding(
                    f"{log}: {describe_size(left)} that were written and not yet moved into the database",
                    "moved into it",
                )
    except sqlite3.DatabaseError as error:
        problems = [str(error)]
    if problems != ["ok"]:
        first = problems[0].splitlines()[-1]
        yield Finding(
            f"{file}: the database is damaged: {first}",
            f"SQLite may save what is left: sqlite3 {here} .recover | sqlite3 {new}, look at "
            f"it with search report, and put it in the place of the old one; to begin again: remove {here}",
            mendable=False,
        )
