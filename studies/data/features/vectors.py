"""Files of word vectors: word2vec (text or binary) and GloVe (text without a header).

Formats, from the tools' own sources (word2vec.c, glove.c): text has ``word number number …`` lines, after
a header ``words dimensions`` in word2vec's case; binary has that header, then for each word its bytes, a
space, and float32 numbers, little-endian.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Set
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studies.data.labelled_rows import counted
from studies.data.numbers import is_number, shown
from studies.errors import DataError

_PROBE = 4096
_LONGEST_WORD = 4096
_BUFFER = 2**20

Vectors = dict[str, NDArray[np.float32]]
Readable = gzip.GzipFile | io.BufferedReader


def read_vectors(path: Path, wanted: Set[str]) -> Vectors:
    """Vectors, (dimensions,) float32, of those ``wanted`` words (lower case) that the file has.

    A word that the file has in other cases only (``Paris``) gets the first of them. Files ending in ``.gz``
    are unpacked on the way.

    Raises:
        DataError: where a line or record isn't as wide as the others, or a number isn't one.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            header, first = _header(file, path)
            if header is not None and _is_binary(file):
                vectors = _read_binary(file, path, wanted, *header)
            else:
                vectors = _read_text(file, path, wanted, first, header)
    except (OSError, EOFError, zlib.error) as error:
        raise _broken(f"can't be read: {error}", path) from error
    exact = {word: vector for word, vector in vectors.items() if word in wanted}
    for word, vector in vectors.items():
        exact.setdefault(word.lower(), vector)
    return exact


def _header(file: Readable, path: Path) -> tuple[tuple[int, int] | None, bytes]:
    """``(words, dimensions)`` where the first line is a header; otherwise that line, the first vector."""
    line = file.readline(_BUFFER)
    if not line.strip():
        raise _broken("found no vector", path)
    fields = line.split()
    if len(fields) == 2 and fields[0].isdigit() and fields[1].isdigit() and int(fields[1]) > 0:
        return (int(fields[0]), int(fields[1])), b""
    return None, line


def _is_binary(file: Readable) -> bool:
    """Whether the first record isn't a text line: a word and any count of numbers."""
    line, end, _ = file.peek(_PROBE).partition(b"\n")
    numbers = line.split()[1:]
    if not end:
        numbers = numbers[:-1]  # it may be cut
    return not numbers or not all(_is_number(number) for number in numbers)


def _read_binary(file: Readable, path: Path, wanted: Set[str], count: int, dimensions: int) -> Vectors:
    vectors: Vectors = {}
    for record in range(1, count + 1):
        word = _binary_word(file)
        numbers = file.read(4 * dimensions)
        if word is None or len(numbers) < 4 * dimensions:
            raise _broken(f"ends within vector {record} of {count}, {dimensions} float32 numbers each", path)
        if word.lower() in wanted and word not in vectors:
            vectors[word] = np.frombuffer(numbers, dtype="<f4").astype(np.float32)
            _check_numbers(vectors[word], f"{path}, vector {record}")
    return vectors


def _binary_word(file: Readable) -> str | None:
    letters = bytearray()
    while (letter := file.read(1)) != b" ":
        if not letter or len(letters) > _LONGEST_WORD:
            return None
        letters += letter
    return letters.lstrip(b"\n").decode(
        "utf-8", errors="replace"
    )  # word2vec.c ends each record with a newline


def _read_text(
    file: Readable, path: Path, wanted: Set[str], first: bytes, header: tuple[int, int] | None
) -> Vectors:
    vectors: Vectors = {}
    dimensions = header[1] if header else len(first.split()) - 1
    if dimensions < 1:
        raise _broken("found a word without numbers", path, 1)
    lines = [first] if first else []
    number = 1 if header else 0
    while line := (lines.pop() if lines else file.readline()):
        number += 1
        fields = line.rstrip().replace(b"\t", b" ")
        if not fields:
            continue
        word, numbers = _text_record(fields, dimensions, path, number)
        if word.lower() in wanted and word not in vectors:
            vectors[word] = _parsed(numbers, path, number)
    read = number - 1
    if header and read < header[0]:
        raise _broken(
            f"ends after {counted(read, 'vector')} of the {header[0]} that its header announces", path
        )
    return vectors


def _text_record(fields: bytes, dimensions: int, path: Path, line: int) -> tuple[str, bytes]:
    """Word and numbers. GloVe has words with spaces (``. . .``), so the numbers are the last fields."""
    if fields.count(b" ") == dimensions:
        word, numbers = fields.split(b" ", 1)
        return word.decode("utf-8", errors="replace"), numbers
    parts = fields.split()
    surplus = len(parts) - 1 - dimensions
    if surplus < 0 or (surplus > 0 and all(_is_number(part) for part in parts[1 : surplus + 1])):
        raise _broken(f"found {len(parts) - 1} numbers where the others have {dimensions}", path, line)
    return b" ".join(parts[: surplus + 1]).decode("utf-8", errors="replace"), b" ".join(parts[surplus + 1 :])


def _parsed(numbers: bytes, path: Path, line: int) -> NDArray[np.float32]:
    vector: NDArray[np.float32] | None
    try:
        vector = np.array(numbers.split(), dtype=np.float32)
    except ValueError:
        vector = None
    if vector is None or b"_" in numbers:  # Python reads 1_0 as ten
        fields = [field.decode("utf-8", errors="replace") for field in numbers.split()]
        strange = next(field for field in fields if not is_number(field))
        raise _broken(f"found {shown(strange)}, which is no number", path, line)
    _check_numbers(vector, f"{path}, line {line}")
    return vector


def _check_numbers(vector: NDArray[np.float32], where: str) -> None:
    if not np.isfinite(vector).all():
        raise DataError("found a number that isn't finite", where=where, allowed="finite float32 numbers")


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _broken(problem: str, path: Path, line: int | None = None) -> DataError:
    return DataError(
        problem,
        where=f"{path}, line {line}" if line else str(path),
        allowed="word2vec vectors, text or binary, or GloVe's text: equally many numbers for every word",
        remedy="download or write the file again",
    )
