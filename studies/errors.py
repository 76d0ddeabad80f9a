"""Every error that this project raises on purpose.

::

    SearchError                 anything below; the command line prints it without a traceback
    ├── UserError               bad input, exit code 2; nothing was written
    │   ├── StudyFileError      the study file: file, key, found, allowed
    │   │   └── PluginError     a trainer, sampler or reader of one's own is missing, or not as it must be
    │   ├── DataError           the data that the study file names
    │   ├── StorageError        the study's storage can't be opened, is in use, or holds another study
    │   │   ├── NotStoredError  the storage is fine, and holds no such study
    │   │   └── StorageLostError   it refused a write or went away while the study ran, exit code 1
    │   ├── CheckpointError     a checkpoint can't be written, read or removed, exit code 1
    │   ├── OutputError         no result can be written where a person wants it; nothing was done yet
    │   │   └── UnwrittenError  the place refused it after the work, exit code 1
    │   └── MachineError        this machine lacks something that the study needs (Java, an extra, a slot)
    ├── StudyFailedError        the study ran and no trial finished, exit code 1
    └── ClusterLostError        the cluster went away while the study ran, exit code 1

A trial that fails is not an exception but a value: :class:`studies.records.reports.Failure`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from studies.printable import printable, printable_lines


class SearchError(Exception):
    """Base of all errors below."""

    exit_code = 1

    def __str__(self) -> str:
        # Labels, paths and other programs' messages are in it; a terminal obeys what they may hold.
        return printable_lines(super().__str__())


class UserError(SearchError):
    """Bad input: says what was found, where, what is allowed and what to do.

    Args:
        problem: one sentence, what was found.
        where: the file, and the key, column or row in it.
        allowed: what would have been accepted.
        remedy: what to do, where ``allowed`` doesn't say it.
    """

    exit_code = 2

    def __init__(self, problem: str, *, where: str = "", allowed: str = "", remedy: str = "") -> None:
        super().__init__(problem, where, allowed, remedy)
        self.problem = problem
        self.where = where
        self.allowed = allowed
        self.remedy = remedy

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions with keyword arguments do not survive pickling by themselves, and Dask pickles them.
        return (_rebuild, (type(self), self.problem, self.where, self.allowed, self.remedy))

    def within(self, file: str) -> UserError:
        """The same error for a key that only its reader knows the file of: ``small.toml: storage.url``."""
        return _rebuild(type(self), self.problem, f"{file}: {self.where}", self.allowed, self.remedy)

    def __str__(self) -> str:
        head = f"{self.where}: {self.problem}" if self.where else self.problem
        lines = [head]
        if self.allowed:
            lines.append(f"  allowed: {self.allowed}")
        if self.remedy:
            lines.append(f"  to do:   {self.remedy}")
        return printable_lines("\n".join(lines))


class StudyFileError(UserError):
    """The study file can't be read, parsed or accepted."""


class PluginError(StudyFileError):
    """A plug-in is missing, can't be imported, or isn't what its kind must be."""


class DataError(UserError):
    """The data that the study file names can't be used."""


class StorageError(UserError):
    """The study's storage can't be opened, is locked, or holds a study made differently."""


class NotStoredError(StorageError):
    """The storage holds no such study yet."""


class StorageLostError(StorageError):
    """The storage refused a write (disk full, read-only) or went away for good while the study ran.

    Finished trials are in it; the next launch resumes.
    """

    exit_code = 1


class CheckpointError(UserError):
    """A checkpoint can't be written, read or removed: disk full, read-only, its place gone.

    It costs time and no result: a segment without its checkpoint starts over and arrives at the same state.
    """

    exit_code = 1


class OutputError(UserError):
    """A result can't be written where a person wants it; found before any work."""


class UnwrittenError(OutputError):
    """The place refused a result after the work: disk full, a stream that takes nothing more."""

    exit_code = 1


class MachineError(UserError):
    """The machine lacks something that the study needs."""


class StudyFailedError(SearchError):
    """The study ran, and not one trial finished."""


class ClusterLostError(SearchError):
    """The cluster went away while the study ran."""


def nearest(found: str, known: Iterable[str]) -> str:
    """A hint ``did you mean 'x'?`` with the known word nearest to ``found``, in any case; or nothing."""
    by_form = {name.casefold(): name for name in reversed(list(known))}
    close = difflib.get_close_matches(found.casefold(), list(by_form), n=1, cutoff=0.6)
    return f"did you mean '{printable(by_form[close[0]])}'?" if close else ""


def _rebuild(kind: type[UserError], problem: str, where: str, allowed: str, remedy: str) -> UserError:
    return kind(problem, where=where, allowed=allowed, remedy=remedy)
