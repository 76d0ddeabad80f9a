"""npz files: one array of features and one of labels."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.data.labelled_rows import LabelledRows, as_float32, listed
from studies.data.numbers import shown
from studies.errors import DataError, nearest
from studies.file_kinds import check_kind
from studies.sections.study import Data


def read_arrays(path: Path, data: Data) -> LabelledRows:
    """The arrays that ``data.features`` (one name, by default ``X``) and ``data.label`` (``y``) name.

    Features are (rows, features) of any real type, labels (rows,) strings or whole numbers.

    Raises:
        DataError: where the file isn't npz, an array is missing or has the wrong shape or type, or a
            feature isn't finite.
    """
    where = str(path)
    if data.features is not None and len(data.features) != 1:
        raise DataError(
            f"[data] features has {len(data.features)} entries",
            where=where,
            allowed="the name of one array of shape (rows, features)",
            remedy='features = ["X"]',
        )
    features_name = data.features[0] if data.features else "X"
    label_name = data.label or "y"
    if features_name == label_name:
        raise DataError(
            f"[data] features and label are both the array {shown(label_name)}",
            where=where,
            allowed="an array of features and another one of labels",
            remedy="name the array of features: a network that is fed the label learns nothing else",
        )
    check_kind(path, "npz")
    features, labels = _load(path, (features_name, label_name))
    if features.ndim != 2 or features.dtype.kind not in "biuf" or 0 in features.shape:
        raise _wrong_array(features, features_name, "(rows, features), of numbers", where)
    if labels.shape != features.shape[:1] or labels.dtype.kind not in "biufU":
        raise _wrong_array(labels, label_name, f"({len(features)},), of strings or whole numbers", where)

    def row_name(row: int) -> str:
        return f"row {row + 1}"

    columns = tuple(f"{features_name}[:, {index}]" for index in range(features.shape[1]))
    numbers = as_float32(features, columns, where, row_name)
    return LabelledRows(where, labels.tolist(), label_name, None, numbers, columns, row_name)


def _load(path: Path, names: tuple[str, str]) -> tuple[NDArray[Any], NDArray[Any]]:
    try:
        # NumPy opens files without an archive too, and leaves them open where they are torn.
        with zipfile.ZipFile(path):
            pass
        with np.load(path, allow_pickle=False) as archive:
            _check_names(archive.files, names, str(path))
            return archive[names[0]], archive[names[1]]
    except MemoryError as error:
        raise DataError(
            "an array takes more memory than there is",
            where=str(path),
            allowed="arrays that fit into memory",
            remedy="leave rows or columns out; or the file is torn: write it again",
        ) from error
    except (
        ValueError,
        OSError,
        EOFError,
        RuntimeError,
        zipfile.BadZipFile,
    ) as error:  # RuntimeError: a password
        # NumPy's message for arrays of objects advises to trust the file, which would run what it holds.
        pickled = "allow_pickle" in str(error)
        raise DataError(
            "holds Python objects" if pickled else f"can't be read as npz: {error}",
            where=str(path),
            allowed="arrays of numbers or strings in an archive that np.savez wrote",
            remedy="save the labels with dtype=str" if pickled else "write the file again with np.savez",
        ) from error


def _check_names(present: list[str], names: tuple[str, str], where: str) -> None:
    for name, key in zip(names, ("features", "label"), strict=True):
        if name not in present:
            raise DataError(
                f"there is no array {shown(name)}",
                where=where,
                allowed=listed(present),
                remedy=nearest(name, present) or f"name one of these as {key} in [data]",
            )


def _wrong_array(array: NDArray[Any], name: str, allowed: str, where: str) -> DataError:
    shape = "(" + ", ".join(str(size) for size in array.shape) + ("," if array.ndim == 1 else "") + ")"
    return DataError(
        f"array {shown(name)} has the shape {shape} and the type {array.dtype}",
        where=where,
        allowed=allowed,
        remedy="save it in that shape, or name other arrays as features and label in [data]",
    )
