"""What a study was made from, so that a resumed one that no longer matches its file says what differs; and
what tells it from all others, of the same name too.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from typing import Any

from studies.errors import StorageError
from studies.records.schema import FOLDER
from studies.study_file import StudyFile

FREE_KEYS = (
    "trials",
    "timeout",
    "trial_timeout",
    "target",
    "patience",
    "retry",
    "cluster",
    "storage",
    "checkpoints",
    "report",
    "enqueue",
    "recipe",
)
"""Keys of the study file that may change between launches: they don't change what a trial means."""

FREE_INNER_KEYS = ("spark.master", "spark.memory", "spark.conf", "spark.native_blas")
"""The same, of sections whose other keys do. Where Spark computes and with which library may cost last bits,
as another machine may; with which memory, none."""


KEYS_ADDED: Mapping[str, Any] = {"data.repeats": "anywhere"}
"""Keys that a study which earlier code made doesn't have, with the values that it was made with."""


def new_token() -> str:
    """12 hexadecimal digits that nobody else has."""
    return secrets.token_hex(6)


def folder_of(attributes: Mapping[str, Any], name: str) -> str:
    """The folder that a stored study has for itself wherever it keeps files.

    Studies that earlier code made have that of their name, and may share it with others of that name.
    """
    return str(attributes.get(FOLDER, name))


def identity_of(file: StudyFile) -> dict[str, Any]:
    """Every key that decides what a trial means, flat: ``model.hidden`` → ``[600]``."""
    plain = file.study.model_dump(mode="json", exclude=set(FREE_KEYS))
    flat: dict[str, Any] = {}
    for key, value in plain.items():
        if isinstance(value, dict):
            flat |= {f"{key}.{inner}": item for inner, item in value.items()}
        else:
            flat[key] = value
    return {key: value for key, value in flat.items() if key not in FREE_INNER_KEYS}


def differences(stored: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """What differs between two identities, in words."""
    stored = {**{key: value for key, value in KEYS_ADDED.items() if key in now}, **stored}
    return tuple(
        f"{key} was {_shown(stored.get(key))}, is {_shown(now.get(key))}"
        for key in {**stored, **now}
        if stored.get(key) != now.get(key)
    )


def refuse(name: str, differing: tuple[str, ...], where: str, remedy: str) -> None:
    """Raise :class:`~studies.errors.StorageError` where anything differs.

    Args:
        remedy: what can be done about it, as :func:`studies.storage.ownership.remedy` says it.
    """
    if differing:
        more = f" and {len(differing) - 5} more" if len(differing) > 5 else ""
        raise StorageError(
            f"the stored study '{name}' was made differently: {'; '.join(differing[:5])}{more}",
            where=where,
            remedy=remedy_of(differing, remedy),
        )


def remedy_of(differing: tuple[str, ...], remedy: str) -> str:
    """What somebody can do whose stored study was made differently."""
    # The default of this key changed: a file without it means something else than it did.
    was_default = any(text.startswith('data.repeats was "anywhere"') for text in differing)
    go_on = 'to resume it, set repeats = "anywhere" in [data]; or ' if was_default else ""
    return f"{go_on}{remedy}"


def _shown(value: Any) -> str:
    """As in JSON; of a hash, as much as tells it from others."""
    is_hash = isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value)
    return json.dumps(value[:8] if is_hash else value)
