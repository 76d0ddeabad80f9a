"""Packages that a plain installation lacks, and the one message about them."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from studies.errors import MachineError


def check_packages(
    what: str, modules: Sequence[str], extra: str, *, where: str = "", otherwise: str = ""
) -> None:
    """Refuse what needs modules that aren't installed.

    Args:
        what: needs them, for a person: the start of a sentence.
        modules: by the names that are imported.
        extra: of this project, that brings them.
        where: it was asked for.
        otherwise: what can be done instead, as the end of a sentence.

    Raises:
        MachineError: where one of them isn't installed.
    """
    missing = [module.replace("_", "-") for module in modules if not _is_there(module)]
    if missing:
        raise lacking(what, missing, f"'honest-search[{extra}]'", where=where, otherwise=otherwise)


def lacking(
    what: str, packages: Sequence[str], install: str, *, where: str = "", otherwise: str = ""
) -> MachineError:
    """The message that packages are not installed.

    Args:
        what: needs them, for a person: the start of a sentence.
        packages: by their names.
        install: what to give pip.
        where: it was asked for.
        otherwise: what else can be done, or where to install them, as the end of a sentence.
    """
    named, are = f"the package {packages[0]}", "is"
    if len(packages) > 1:
        named, are = f"the packages {', '.join(packages)}", "are"
    remedy = f"pip install {install}" + (f", {otherwise}" if otherwise else "")
    return MachineError(f"{what} needs {named}, which {are} not installed", where=where, remedy=remedy)


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of a package that isn't there either
        return False
