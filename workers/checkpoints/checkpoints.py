"""States on disk: written whole or not at all, and read only by the configuration that wrote them.

One file a trial and epoch, ``trial-12-epoch-27.npz`` (:mod:`workers.checkpoints.format`), in one folder a
study (:mod:`workers.checkpoints.files`).

A checkpoint saves time and decides no result: without it a segment trains from the start and arrives at the
same state. So where a size is set, the checkpoints that are cheapest to make again are dropped first.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from studies.space.configuration import Configuration
from studies.study_file import StudyFile
from workers.checkpoints.files import Files, open_files, refusals
from workers.checkpoints.format import from_bytes, to_bytes
from workers.machine.places import address_of, literal
from workers.training.trainer import State

_NAME = re.compile(r"trial-(\d+)-epoch-(\d+)\.npz")
_LOOKS = 100
"""How often a folder whose files vanish is listed again, before the trial starts again from epoch 0."""

_TEMPORARY = re.compile(r"\.trial-(\d+)-.*\.tmp")


@dataclass(frozen=True, slots=True)
class Kept:
    """A checkpoint that is there: ``size`` in bytes, ``written`` in seconds."""

    trial: int
    epoch: int
    size: int
    written: float

    @property
    def name(self) -> str:
        """Of its file."""
        return f"trial-{self.trial}-epoch-{self.epoch}.npz"


class Size(NamedTuple):
    """What all checkpoints take."""

    bytes: int
    files: int


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The checkpoints of one study's trials in one folder, which is made when the first is written.

    Several processes may use it at once. Every method raises :class:`studies.errors.CheckpointError` where
    the place refuses: disk full, read-only, not there.

    Attributes:
        url: a directory, or a URL of fsspec's.
        limit: bytes that they may take together; those that are being written at the same time come on top.
    """

    url: str
    limit: int | None = None

    def write(self, trial: int, identity: str, state: State) -> tuple[Kept, ...]:
        """Keep the state, then remove the trial's checkpoints of earlier epochs.

        Whatever interrupts it, the newest checkpoint is either the one before or this one, and whole.

        Args:
            trial: its number.
            identity: of the trial, by :func:`trial_identity`; :meth:`newest` needs the same.
            state: what is kept.

        Returns:
            The checkpoints that :func:`dropped_for` dropped for the limit. This state may be among them, and
            then it isn't kept.

        Raises:
            CheckpointError: where it can't be written; nothing is left behind then.
            TypeError: where an array can't be kept bit by bit without a pickle.
        """
        content = to_bytes(trial, identity, state)
        new = Kept(trial, state.epoch, len(content), float("inf"))
        with refusals(self.url, "written"):
            files = open_files(self.url)
            present = list(_kept(files))
            others = [kept for kept in present if kept.trial != trial]
            dropped = dropped_for(new, others, self.limit)
            for kept in dropped:
                files.remove(kept.name)
            if new in dropped:
                return dropped
            files.write(new.name, content)
            for kept in present:
                if kept.trial == trial and kept.epoch < state.epoch:
                    files.remove(kept.name)
        return dropped

    def newest(self, trial: int, identity: str, at_most_epoch: int) -> State | None:
        """The state of the latest epoch not above ``at_most_epoch``, or ``None`` where there is none.

        Files of the trial that are torn, or that another identity wrote, are removed on the way.
        """
        with refusals(self.url, "read"):
            files = open_files(self.url)
            nothing = 0
            for _ in range(_LOOKS):
                # Another run of the trial may replace a file with a newer one while the folder is listed:
                # then neither is in the list, and only listing it again shows the newer one.
                with contextlib.suppress(FileNotFoundError):
                    state = _newest(files, trial, identity, at_most_epoch)
                    nothing += state is None
                    if state is not None or nothing == 2:
                        return state
        return None

    def remove(self, trial: int) -> None:
        """Remove all of a trial's files, also what a killed writer left half written."""
        with refusals(self.url, "removed"):
            files = open_files(self.url)
            for number, name in _names(files):
                if number == trial:
                    files.remove(name)

    def clear(self) -> None:
        """Remove the files of every trial, and the folder."""
        with refusals(self.url, "removed"):
            open_files(self.url).clear()

    def size(self) -> Size:
        """What they take now, half written ones not counted."""
        with refusals(self.url, "counted"):
            kept = list(_kept(open_files(self.url)))
        return Size(sum(checkpoint.size for checkpoint in kept), len(kept))

    def trials(self) -> frozenset[int]:
        """Numbers of the trials that have files, half written ones too."""
        with refusals(self.url, "counted"):
            return frozenset(number for number, _ in _names(open_files(self.url)))


def dropped_for(new: Kept, others: Sequence[Kept], limit: int | None) -> tuple[Kept, ...]:
    """Which checkpoints must go, so that ``new`` and the others stay below the limit together.

    Those of the fewest epochs go first, which cost the least to make again, and of these the oldest.
    """
    if limit is None:
        return ()
    total = new.size + sum(kept.size for kept in others)
    dropped = []
    for kept in sorted([*others, new], key=lambda kept: (kept.epoch, kept.written)):
        if total <= limit:
            break
        dropped.append(kept)
        total -= kept.size
    return tuple(dropped)


def checkpoints_of(file: StudyFile, folder: str) -> Checkpoints:
    """The checkpoints of a study, in its own folder at the place that its file names."""
    section = file.study.checkpoints
    if section.url is None:
        place = literal(file.work_directory / "checkpoints")
    else:
        place = address_of(section.url, file.directory)
    return Checkpoints(f"{place.rstrip('/')}/{folder}", section.limit)


def check_checkpoints(file: StudyFile) -> None:
    """Refuse a place for checkpoints that this machine can't reach.

    Raises:
        StudyFileError: where the protocol is unknown.
        MachineError: where its package isn't installed.
    """
    open_files(checkpoints_of(file, file.study.name).url)


def trial_identity(
    configuration: Configuration, seed: int, layers: Sequence[int], content_hash: str, code: str = ""
) -> str:
    """A text that is equal only where the same training on the same rows would give the same states.

    Args:
        layers: (features, *hidden, classes).
        content_hash: that of the split.
        code: identifies a plug-in's code among versions of the same name; empty for what is built in.
    """
    values: dict[str, Any] = {
        "configuration": configuration.used(),
        "seed": seed,
        "layers": list(layers),
        "split": content_hash,
    }
    if code:
        values["code"] = code
    return json.dumps(values, sort_keys=True)


def _newest(files: Files, trial: int, identity: str, at_most_epoch: int) -> State | None:
    mine = [kept for kept in _kept(files) if kept.trial == trial and kept.epoch <= at_most_epoch]
    for kept in sorted(mine, key=lambda kept: kept.epoch, reverse=True):
        state = from_bytes(files.read(kept.name), trial, identity, kept.epoch)
        if state is not None:
            return state
        files.remove(kept.name)
    return None


def _kept(files: Files) -> Iterator[Kept]:
    """The checkpoints that are there, in no order."""
    for entry in files.entries():
        match = _NAME.fullmatch(entry.name)
        if match:
            yield Kept(int(match[1]), int(match[2]), entry.size, entry.written)


def _names(files: Files) -> Iterator[tuple[int, str]]:
    """(trial, name) of each file of a trial's, also of those that are being written."""
    for entry in files.entries():
        match = _NAME.fullmatch(entry.name) or _TEMPORARY.fullmatch(entry.name)
        if match:
            yield int(match[1]), entry.name
