"""What a training keeps beyond its report: final weights, and probabilities of the rows it wasn't trained on.

One file a training, named by a hash of all that decides it, written whole or not at all
(:mod:`workers.checkpoints.files`). An outcome can always be made again: where its file is gone, the same
training is run once more and arrives at the same numbers.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.errors import CheckpointError
from studies.records.schema import this_version
from studies.space.configuration import Configuration
from studies.study_file import StudyFile
from workers.checkpoints.checkpoints import trial_identity
from workers.checkpoints.files import open_files, refusals
from workers.checkpoints.format import check_newer
from workers.machine.places import address_of, literal
from workers.training.trainer import Weights

FORMAT = 1
"""Raised whenever the files change, so that older ones are made again instead of misread, and newer ones are
refused.
"""

PREDICTED = ("validation", "test")
"""The row sets whose probabilities are kept; those of the training rows follow from the weights."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one training keeps.

    Attributes:
        weights: the network's, see :data:`workers.training.trainer.Weights`.
        activation: what its hidden layers apply.
        probabilities: (rows, classes) float64 by row set, see :data:`PREDICTED`. Those of the test rows are
            compared with nothing before somebody opens the test rows.
    """

    weights: Weights
    activation: str
    probabilities: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The outcomes of one study in one folder, which is made when the first is written.

    Several processes may use it at once. Every method raises :class:`studies.errors.CheckpointError` where
    the place refuses: disk full, read-only, not there.

    Attributes:
        url: a directory, or a URL of fsspec's.
    """

    url: str

    def write(self, key: str, outcome: Outcome) -> None:
        """Keep an outcome under what :func:`outcome_key` names it."""
        with refusals(self.url, "written", "outcome"):
            open_files(self.url).write(_name(key), _to_bytes(key, outcome))

    def read(self, key: str) -> Outcome | None:
        """The outcome of this name, or ``None`` where there is none or its file is damaged."""
        with refusals(self.url, "read", "outcome"):
            try:
                content = open_files(self.url).read(_name(key))
            except FileNotFoundError:
                return None
        return _from_bytes(content, key)

    def keys(self) -> frozenset[str]:
        """What there are outcomes under, whole or damaged."""
        with refusals(self.url, "counted", "outcome"):
            entries = open_files(self.url).entries()
        return frozenset(entry.name.removesuffix(".npz") for entry in entries)

    def clear(self) -> None:
        """Remove all of them, and the folder."""
        with refusals(self.url, "removed", "outcome"):
            open_files(self.url).clear()


def outcome_key(
    configuration: Configuration, seed: int, layers: Sequence[int], content_hash: str, code: str = ""
) -> str:
    """32 hexadecimal digits that are equal only for the same training on the same rows.

    Args:
        layers: (features, *hidden, classes).
        content_hash: that of the split.
        code: as :func:`workers.checkpoints.checkpoints.trial_identity` has it.
    """
    identity = trial_identity(configuration, seed, layers, content_hash, code)
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def outcomes_of(file: StudyFile, folder: str) -> Outcomes:
    """The outcomes of a study, beside its checkpoints, in its own folder there."""
    url = file.study.checkpoints.url
    if url is None:
        place = literal(file.work_directory / "outcomes")
    else:
        # No study's name begins with a dot, so that this is the folder of none.
        place = f"{address_of(url, file.directory).rstrip('/')}/.outcomes"
    return Outcomes(f"{place}/{folder}")


def predictions_of(file: StudyFile, folder: str) -> Outcomes:
    """The outcomes of the search's own trials, for a person to look at: without weights, and with the
    probabilities of the validation rows alone.
    """
    return Outcomes(f"{outcomes_of(file, folder).url}/predictions")


def _name(key: str) -> str:
    return f"{key}.npz"


def _to_bytes(key: str, outcome: Outcome) -> bytes:
    header = {
        "format": FORMAT,
        "package": this_version(),
        "key": key,
        "activation": outcome.activation,
        "weights": len(outcome.weights),
        "row_sets": list(outcome.probabilities),
    }
    arrays: dict[str, NDArray[Any]] = {"header": np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)}
    arrays |= {f"weights_{index}": np.asarray(array) for index, array in enumerate(outcome.weights)}
    arrays |= {f"probabilities_{name}": array for name, array in outcome.probabilities.items()}
    # To memory first: an archive that fails halfway tries to write its end once more when it is closed.
    archive = io.BytesIO()
    np.savez(archive, allow_pickle=False, **arrays)
    return archive.getvalue()


def _from_bytes(content: bytes, key: str) -> Outcome | None:
    """The outcome, or ``None`` where the content is torn or another's: it is then made again.

    Raises:
        CheckpointError: where its format is newer than this code reads.
    """
    try:
        return _parse(content, key)
    except (MemoryError, CheckpointError):
        raise
    except Exception:
        return None  # a damaged archive raises whatever its parts do


def _parse(content: bytes, key: str) -> Outcome | None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        # Checked before any header in it is believed: a damaged one could ask for all the memory there is.
        if archive.testzip() is not None:
            return None
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        header = json.loads(arrays["header"].tobytes())
        check_newer(header, FORMAT, f"the outcome {key}")
        if (header["format"], header["key"]) != (FORMAT, key):
            return None
        return Outcome(
            weights=tuple(arrays[f"weights_{index}"] for index in range(header["weights"])),
            activation=header["activation"],
            probabilities={name: arrays[f"probabilities_{name}"] for name in header["row_sets"]},
        )
