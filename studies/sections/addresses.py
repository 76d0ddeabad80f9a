"""Addresses of the study file, with ``${NAME}`` for what only the environment knows.

An address is taken apart first and filled in part by part, so that a value may hold any character: a password
with an ``@`` in it stays a password. What was filled in, and every password, is never shown:
:class:`Hidden` removes it from others' messages too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from studies.errors import MachineError

_VARIABLE = re.compile(r"\$\{(\w+)\}")

_SECRET = r"[\w.-]*(?:password|passwd|secret|token|credential)[\w.-]*"

_SECRET_OPTION = re.compile(rf"([?&;]{_SECRET}=)[^&;\s\"']*", re.IGNORECASE)

_PASSWORD = re.compile(r"(://[^:/]*:)(?!\$\{\w+\}@[^@]*$).*@")
"""To the last ``@``: one that belongs to the password must not end it. A variable's name is no secret."""

_TOKEN = re.compile(r"\"(?:\\.|[^\"\\\n])*\"|'[^'\n]*'|[^\s\"']+")
"""A quoted text of a TOML file, or a word."""

_ASSIGNED = re.compile(
    rf"(?<![?&;\w.-])({_SECRET}[\"']?\s*=\s*)(\"[^\"]*\"|'[^']*'|[^\s,}}]+)", re.IGNORECASE
)

HIDDEN = "***"


def variables(text: str) -> tuple[str, ...]:
    """The variables that a text has as ``${NAME}``."""
    return tuple(_VARIABLE.findall(text))


def fill_in(text: str, where: str, literal: Callable[[str], str] = str) -> str:
    """The text with each ``${NAME}`` taken from this process's environment.

    Args:
        text: one part of an address, or a text that is no address.
        where: its key, for the message.
        literal: what is done to the text around the values, such as taking ``%20`` for a space.

    Raises:
        MachineError: where the environment lacks one.
    """
    pieces = _VARIABLE.split(text)
    return "".join(_value(piece, where) if at % 2 else literal(piece) for at, piece in enumerate(pieces))


def fill_in_decoded(part: str, where: str) -> str:
    """The same of a part in which ``%40`` is an ``@``; values are taken as they are."""
    return fill_in(part, where, unquote)


def shown_address(address: str) -> str:
    """An address as it may be shown: its own variables, and no password."""
    return _SECRET_OPTION.sub(rf"\1{HIDDEN}", _PASSWORD.sub(rf"\1{HIDDEN}@", address))


def without_passwords(text: str) -> str:
    """A study file that can be shown to others: passwords in addresses, and what is called a secret, cut."""
    return _ASSIGNED.sub(rf'\1"{HIDDEN}"', _TOKEN.sub(lambda token: shown_address(token.group()), text))


def is_secret(name: str) -> bool:
    """Whether an option's value is a secret, judged by its name."""
    return re.fullmatch(_SECRET, name, re.IGNORECASE) is not None


@dataclass(frozen=True)
class Hidden:
    """What must not be shown, and what is shown instead; its own value is never printed.

    Attributes:
        values: (value, what is shown instead).
    """

    values: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"Hidden({len(self.values)})"

    @classmethod
    def of(cls, text: str, extra: Iterable[tuple[str, str]] = ()) -> Hidden:
        """The values of a text's variables, as far as there are such, and others."""
        filled = ((os.environ.get(name, ""), f"${{{name}}}") for name in variables(text))
        return cls(tuple({pair: None for pair in (*filled, *extra) if pair[0]}))

    def out_of(self, text: str) -> str:
        """A text without any of the values, longest first, each as a word of its own."""
        forms = {form: label for value, label in reversed(self.values) for form in _forms(value)}
        if not forms:
            return text
        words = "|".join(_word(form) for form in sorted(forms, key=len, reverse=True))
        return re.sub(words, lambda match: forms[match.group()], text)


NOTHING_HIDDEN = Hidden()


def _forms(value: str) -> Iterator[str]:
    """How programs print a value: as it is, in Python's quotes, and an item of a list of hosts."""
    yield value
    yield repr(value)[1:-1]
    yield from (item for item in value.split(",") if item)


def _word(form: str) -> str:
    """Not within a longer word: a password ``a`` isn't every letter a."""
    before = r"(?<!\w)" if re.match(r"\w", form) else ""
    after = r"(?!\w)" if re.search(r"\w\Z", form) else ""
    return f"{before}{re.escape(form)}{after}"


def _value(name: str, where: str) -> str:
    if name not in os.environ:
        raise MachineError(f"the environment has no variable {name}", where=where, remedy=f"export {name}=…")
    return os.environ[name]
