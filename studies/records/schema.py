"""Everything that a stored study carries: one list of the attributes of a study and of its trials. Pure.

``docs/stored.md`` is made from it (``make reference``), and a test holds it against studies that were really
made. Names of attributes are written here and nowhere else.

A field that is added to a record needs a default, so that earlier studies are read; readers ignore fields
that they don't know, so that later ones are. :data:`FORMAT` is raised only where earlier code would misread
what is stored now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal

from studies.errors import StorageError

FORMAT = 1
"""Of what this code stores. Samples of each are in ``tests/data``, see ``tools/stored_samples.py``."""

PACKAGE = "honest-search"

# A study's

STUDY_FORMAT = "format"
IDENTITY = "identity"
TOKEN = "token"
FOLDER = "folder"
MADE_FROM = "made from"
DATA = "data"
VERSIONS = "versions"
SECONDS = "seconds"
ENDED = "ended"
STOP = "stop"
STATUS = "status"
DRIVER = "driver."
REPLICA = "replica/"
FINALISTS = "finalists"
OPENINGS = "test_openings"
EXPLANATION = "explanation/"

METRIC_NAMES = "study:metric_names"
NOTE_VERSION = "dashboard:note_ver"
NOTE_PIECE = "dashboard:note_str:"
DASHBOARD = "dashboard:"

# A trial's

CONFIGURATION = "configuration"
ENQUEUED = "enqueued"
SEGMENT = "segment"
RESULT = "result"
OWNER = "driver"

FIXED = "fixed_params"


@dataclass(frozen=True)
class Attribute:
    """One attribute, or all whose names begin alike.

    Attributes:
        key: its name, or what the names begin with.
        rest: what follows in the names, for a person; empty where ``key`` is the whole name.
        of: whose it is.
        kind: ``user`` attributes are this project's, ``system`` ones are Optuna's and its dashboard's.
        writer: who writes it, and when.
        meaning: what its value is.
        since: the first format that has it.
    """

    key: str
    of: Literal["study", "trial"]
    writer: str
    meaning: str
    rest: str = ""
    kind: Literal["user", "system"] = "user"
    since: int = 1

    def covers(self, name: str) -> bool:
        """Whether an attribute of this name is it."""
        return name.startswith(self.key) if self.rest else name == self.key


_LAUNCH = "`search launch`"
_DRIVERS = "the driver"

STUDY = (
    Attribute(
        STUDY_FORMAT,
        "study",
        f"{_DRIVERS}, as it opens the study; never lowered",
        "`version`: the format, a whole number; `package`: the version of this package that wrote it. "
        "Without it, the format is 1.",
    ),
    Attribute(
        IDENTITY,
        "study",
        f"{_LAUNCH}, as it makes the study",
        "Every key of the study file that decides what a trial means, flat (`model.hidden`), and the hash of "
        "the rows (`data set`). A study without it was not made whole.",
    ),
    Attribute(
        TOKEN,
        "study",
        f"{_LAUNCH}, as it makes the study; any driver, where it is missing",
        "12 hexadecimal digits that tell the study from all others, of the same name too.",
    ),
    Attribute(
        FOLDER,
        "study",
        f"{_LAUNCH}, as it makes the study",
        "Name of the study's folder among checkpoints and outcomes. Without it, the study's name.",
    ),
    Attribute(
        MADE_FROM,
        "study",
        f"{_DRIVERS}, as it opens the study",
        "The study file that was used last: `file`, `host`, and `beside`, its path relative to the storage.",
    ),
    Attribute(
        DATA,
        "study",
        f"{_DRIVERS}, as it opens the study",
        "Classes, counts of rows, repeats and notes of the rows (`DataFacts`).",
    ),
    Attribute(
        VERSIONS,
        "study",
        f"{_DRIVERS}, as it opens the study",
        "Versions of the packages that it runs on, by name.",
    ),
    Attribute(
        SECONDS,
        "study",
        f"{_LAUNCH}, every few seconds",
        "How long the study has been searched, over all launches.",
    ),
    Attribute(
        ENDED,
        "study",
        f"{_DRIVERS}, at its beginning and its end",
        "Why the last launch ended; empty while one runs, or where it was killed.",
    ),
    Attribute(
        STOP,
        "study",
        "`search stop`; set to 0 by the driver at its beginning",
        "1: finish what runs and stop. 2: stop now.",
    ),
    Attribute(
        STATUS,
        "study",
        f"{_DRIVERS}, every few seconds",
        "What runs now: `at`, `host`, `pid`, `kernel`, `started`, `cluster`, `slots`, `running`, `doing`. "
        "On a server each driver has one of its own, under its name.",
        rest="`.DRIVER` on a server",
    ),
    Attribute(
        DRIVER,
        "study",
        "each driver of a study on a server, every second; removed as it leaves, or once it is silent",
        "What a driver says of itself, with a counter that beats (`DriverRecord`).",
        rest="its name",
    ),
    Attribute(
        REPLICA,
        "study",
        "`launch`, `finalists`, `explain` and `export`, as each training ends",
        "A training outside the search: its configuration, seed and report (`ReplicaRecord`).",
        rest="hash of what decides the training",
    ),
    Attribute(
        FINALISTS,
        "study",
        "`launch` and `finalists`, once the finalists' trainings have ended",
        "What the finalists are worth (`Finalists`).",
    ),
    Attribute(
        OPENINGS,
        "study",
        "`launch` and `finalists`, before the test rows are compared with predictions, and after it",
        "When the test rows were opened, for whom, and the scores of trials' own networks (`Opening`).",
    ),
    Attribute(
        EXPLANATION,
        "study",
        "`search explain`",
        "What makes up the gap between two sides, as reports show it (`KeptExplanation`).",
        rest="`A to B`",
    ),
    Attribute(
        METRIC_NAMES,
        "study",
        f"Optuna, as {_LAUNCH} makes the study",
        "What the values of trials are.",
        kind="system",
    ),
    Attribute(
        NOTE_VERSION,
        "study",
        f"{_LAUNCH}, and Optuna's dashboard",
        "Counts the changes of the note.",
        kind="system",
    ),
    Attribute(
        NOTE_PIECE,
        "study",
        f"{_LAUNCH}, and Optuna's dashboard",
        "The note that the dashboard shows, in pieces.",
        rest="number of the piece",
        kind="system",
    ),
    Attribute(
        DASHBOARD,
        "study",
        "Optuna's dashboard",
        "What a person arranged there.",
        rest="its own names",
        kind="system",
    ),
)
"""Every attribute of a study."""

TRIAL = (
    Attribute(
        CONFIGURATION,
        "trial",
        "the driver, before the trial is submitted",
        "The configuration's choices, `seed`, and `place`: that of its first segment among all of the study.",
    ),
    Attribute(
        ENQUEUED,
        "trial",
        f"{_LAUNCH}, as it opens the study",
        "The values that the study file names in an `[[enqueue]]` table.",
    ),
    Attribute(
        SEGMENT,
        "trial",
        "the driver, before a trial that waited at a rung is submitted again",
        "`rung`: the epoch that it trains to; `place` as above.",
    ),
    Attribute(
        RESULT,
        "trial",
        "the driver, at each rung and at the end; `search repair` takes test scores out of it",
        "The last segment's report (`SegmentReport`), and `stop`: what Optuna's pruner answered there.",
    ),
    Attribute(
        OWNER,
        "trial",
        "each driver of a study on a server, as it begins or takes over a trial",
        "Name of the driver that runs it.",
    ),
    Attribute(
        FIXED,
        "trial",
        f"Optuna, as {_LAUNCH} enqueues a configuration",
        "Parameters that are set before it is sampled.",
        kind="system",
    ),
)
"""Every attribute of a trial, but for the notes of Optuna's samplers and pruners: :data:`OPTUNA_NOTES`."""

OPTUNA_NOTES = ("tpe:", "cma:", "grid_id", "search_space", "completed_rung_", "hyperband_", "nsga2:", "qmc:")
"""What names of system attributes begin with that Optuna's samplers and pruners keep for themselves."""


def is_listed(of: Literal["study", "trial"], kind: Literal["user", "system"], name: str) -> bool:
    """Whether an attribute is in the lists above."""
    if kind == "system" and name.startswith(OPTUNA_NOTES):
        return True
    listed = STUDY if of == "study" else TRIAL
    return any(attribute.kind == kind and attribute.covers(name) for attribute in listed)


def this_version() -> str:
    """That of this package."""
    return version(PACKAGE)


def reader_of(package: str) -> str:
    """What to do where something has a newer format than this code reads.

    Args:
        package: the version of this package that wrote it; empty where it isn't known.
    """
    return f"pip install '{PACKAGE}>={package}'" if package else f"pip install --upgrade {PACKAGE}"


def newer_words(written: int, package: str) -> str:
    """``has format 3, which version 1.2.0 of honest-search wrote``."""
    wrote = f"version {package} of {PACKAGE}" if package else f"a newer version of {PACKAGE}"
    return f"has format {written}, which {wrote} wrote"


def formats_read(newest: int) -> str:
    """What this code reads, for a person."""
    return f"formats up to {newest}, which this version, {this_version()}, reads"


def format_written(attributes: Mapping[str, Any]) -> dict[str, Any] | None:
    """The value of :data:`STUDY_FORMAT` that a driver writes as it opens a study; ``None`` for no change."""
    if STUDY_FORMAT in attributes and format_of(attributes) >= FORMAT:
        return None
    return {"version": FORMAT, "package": this_version()}


def format_of(attributes: Mapping[str, Any]) -> int:
    """The format of a stored study."""
    return int(attributes.get(STUDY_FORMAT, {}).get("version", 1))


def check_format(attributes: Mapping[str, Any], name: str, where: str) -> None:
    """Refuse a study of a newer format than this code reads.

    Raises:
        StorageError: where it is one.
    """
    written = format_of(attributes)
    if written > FORMAT:
        package = str(attributes[STUDY_FORMAT].get("package", ""))
        raise StorageError(
            f"the stored study '{name}' {newer_words(written, package)}",
            where=where,
            allowed=formats_read(FORMAT),
            remedy=f"{reader_of(package)}, or give this study another name",
        )
