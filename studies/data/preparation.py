"""The whole way from ``[data]`` and ``[features]`` to a split on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from studies.data.cache import is_whole, open_split, store
from studies.data.features.features import FeatureStep, fit_features
from studies.data.labelled_rows import LabelledRows
from studies.data.labels import Labels, encode_labels
from studies.data.numbers import shown
from studies.data.readers.number_columns import gives_away, has_saved_index
from studies.data.repeats import Groups, count_repeats, describe, groups_of
from studies.data.sources import Source, digest_of, existing_file, locate, read
from studies.data.split import Rows, Split
from studies.data.splitting import Indices, farthest_from_shares, stratified_split, thinned
from studies.plugins import READERS, known
from studies.records.reports import ROW_SETS
from studies.sections.study import Data, Features

CODE_VERSION = 1
"""Goes up whenever the same source and settings would give other rows than before."""

UNEVEN = 0.1
"""A part that misses more than this of a class's share is worth a note."""


@dataclass(frozen=True)
class Prepared:
    """The rows of a study, ready to be opened by workers.

    Attributes:
        split: the rows, mapped read-only from ``directory``.
        directory: what workers pass to :func:`studies.data.cache.open_split`.
        cached: whether it was cached before.
    """

    split: Split
    directory: Path
    cached: bool


@dataclass(frozen=True)
class Located:
    """The files that a study's rows are made of, read once for their hashes, which takes minutes at 100 GB.

    Attributes:
        source: the labelled rows.
        vectors: the file of word vectors, where the study has one.
        content_hash: of the split that is made of them.
    """

    source: Source
    vectors: Path | None
    content_hash: str


def locate_rows(data: Data, features: Features, seed: int, base: Path) -> Located:
    """The files of a study's rows, and the hash of the split that :func:`prepare` makes of them.

    Args:
        data: the study file's ``[data]``.
        features: its ``[features]``.
        seed: the study's seed; the rows of each part and the word vectors follow from it.
        base: where relative paths of ``data`` and ``features`` start.

    Raises:
        DataError: where a file isn't there or can't be read.
        MachineError: where a built-in source isn't installed.
    """
    source = locate(data, base)
    vectors = existing_file(features.vectors, base, "[features] vectors") if features.vectors else None
    return Located(source, vectors, _content_hash(source, data, features, seed, vectors))


def prepare(
    data: Data, features: Features, seed: int, base: Path, cache: Path, located: Located | None = None
) -> Prepared:
    """The split that the study file asks for: from the cache, or made and cached.

    Args:
        data, features, seed, base: as :func:`locate_rows` takes them.
        cache: parent of the folders, one for each content hash; created if missing.
        located: what that returned, where it is known already.

    Raises:
        DataError: where the data can't be used; nothing was written then.
        MachineError: where a built-in source isn't installed or the cache can't be written.
    """
    located = located or locate_rows(data, features, seed, base)
    directory = cache / located.content_hash
    cached = is_whole(directory, located.content_hash)
    if not cached:
        rows = read(located.source, data, features.kind)
        split, step = _make(rows, data, features, seed, located.vectors, located.content_hash)
        store(directory, split, step)
    return Prepared(open_split(directory), directory, cached)


def source_of_parts(
    located: Located, data: Data, features: Features, seed: int
) -> tuple[LabelledRows, dict[str, Indices]]:
    """The source as it is read, and the numbers (from 0) of its rows in each set of the split, in its order.

    Args:
        located: what :func:`locate_rows` returned for these settings.
        data, features, seed: the study's.

    Raises:
        DataError, MachineError: as :func:`prepare`.
    """
    rows = read(located.source, data, features.kind)
    _, parts, _ = _parts_of(rows, data, seed)
    return rows, dict(zip(ROW_SETS, parts, strict=True))


def _content_hash(source: Source, data: Data, features: Features, seed: int, vectors: Path | None) -> str:
    """SHA-256 of all that decides the rows: bytes and settings, not names and places of files."""
    trains_words = features.kind in (None, "word2vec") and data.features is None
    made_from = {
        "code": CODE_VERSION,
        "source": source.digest,
        "format": source.format,
        "data": _plain(data),
        "features": features.model_dump(mode="json", exclude={"vectors"}),
        "vectors": digest_of(vectors) if vectors else None,
        "seed": seed,
        "gensim": version("gensim") if trains_words else None,
    }
    if data.reader is not None:
        made_from["reader"] = known(READERS, data.reader).origin.id  # other code may read other rows
    elif data.features is None and has_saved_index(source.path):
        made_from["saved index"] = "left out"  # a feature for earlier code
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()


def _plain(data: Data) -> dict[str, Any]:
    """The settings of ``[data]``; rows that are placed as without a key keep the hash that they had then."""
    unused = {"positive_share"} if data.positive_share is None else set()
    unused |= {"reader"} if data.reader is None else set()
    unused |= {"repeats"} if data.repeats == "anywhere" else set()
    return data.model_dump(mode="json", exclude={"source", "path", *unused})


def _make(
    rows: LabelledRows, data: Data, features: Features, seed: int, vectors: Path | None, content_hash: str
) -> tuple[Split, FeatureStep]:
    labels, parts, groups = _parts_of(rows, data, seed)
    step, matrix, notes = fit_features(rows, parts[0], features, seed, vectors)
    train, validation, test = (Rows(matrix[part], labels.indices[part]) for part in parts)
    repeats = count_repeats(groups, labels.indices, parts)
    sizes = {name: len(part) for name, part in zip(ROW_SETS, parts, strict=True)}
    split = Split(
        train=train,
        validation=validation,
        test=test,
        classes=labels.classes,
        positive=labels.positive,
        content_hash=content_hash,
        notes=rows.notes
        + labels.notes
        + _giveaway_notes(rows, labels)
        + notes
        + describe(repeats, sizes)
        + _uneven_note(labels, parts, data),
        repeats=repeats,
    )
    return split, step


def _giveaway_notes(rows: LabelledRows, labels: Labels) -> tuple[str, ...]:
    if rows.numbers is None:
        return ()
    return tuple(
        f"column {shown(name)} is the label in other words: each of its values stands for one class; leave "
        "it out of [data] features, unless it is known before the label is"
        for name, values in zip(rows.columns, rows.numbers.T, strict=True)
        if gives_away(values, labels.indices)
    )


def _parts_of(
    rows: LabelledRows, data: Data, seed: int
) -> tuple[Labels, tuple[Indices, Indices, Indices], Groups]:
    """The labels of all rows, which rows train, validate and test, and which repeat each other."""
    labels = encode_labels(rows, data.positive)
    column = f"{rows.where}, column '{rows.label_column}'"
    groups = groups_of(rows)
    together = groups if data.repeats == "together" else None
    parts = stratified_split(labels, data.validation, data.test, seed, column, together)
    if data.positive_share is not None:
        parts = thinned(parts, labels, data.positive_share, seed, column)
    return labels, parts, groups


def _uneven_note(labels: Labels, parts: Sequence[Indices], data: Data) -> tuple[str, ...]:
    """Where repeats that stay together cost a part its share of a class."""
    if data.repeats != "together" or data.positive_share is not None:
        return ()
    part, index, rows, expected = farthest_from_shares(labels, parts, data.validation, data.test)
    if abs(rows - expected) <= max(1, UNEVEN * expected):
        return ()
    return (
        f"rows that repeat each other stay together, so that there are {rows:,} {ROW_SETS[part]} rows of "
        f"class {shown(labels.classes[index])} instead of {expected:,}; "
        'with repeats = "anywhere" in [data] each row is placed by itself',
    )
