"""Compares workers' environments with the driver's: pure, and one table for a person.

What would break a trial, or give another study's results, is refused; what may change a score's last digits
gives a warning. A refused worker gets no trial, and the others work without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from studies.frameworks import any_in_spark, packages_of, plugin_packages
from workers.machine.environment import BLAS, PROJECT, Environment

MISSING = "none"

_ALWAYS_ALIKE = (PROJECT, "distributed", "dask")
"""Segments and reports are pickled by one and read by the other, and Dask's own messages change."""


@dataclass(frozen=True)
class Difference:
    """One thing in which a worker is not like the driver.

    Attributes:
        worker: its address.
        host: its machine's name.
        what: ``python``, a package, ``java`` or :data:`workers.machine.environment.BLAS`.
        there, here: the worker's version and the driver's; :data:`MISSING` for none.
        refused: whether the worker gets no trial for it.
    """

    worker: str
    host: str
    what: str
    there: str
    here: str
    refused: bool


def differences(
    worker: str, theirs: Environment, ours: Environment, frameworks: Iterable[str]
) -> tuple[Difference, ...]:
    """Where a worker differs from the driver, as far as that matters to a study of these frameworks."""
    frameworks, differing = tuple(frameworks), []
    code = (*_ALWAYS_ALIKE, *plugin_packages(frameworks))
    needed = [name for name in packages_of(frameworks) if name != "numpy"]
    needed += ["java"] if any_in_spark(frameworks) else []
    for name in ("python", *_ALWAYS_ALIKE, "numpy", *needed):
        other, own = theirs.versions.get(name, MISSING), ours.versions.get(name, MISSING)
        if other == own and not (name in needed and other == MISSING):
            continue
        refused = other == MISSING or name in code or _another_python(name, other, own)
        differing.append(Difference(worker, theirs.host, name, other, own, refused))
    kernels, own_kernels = theirs.versions.get(BLAS), ours.versions.get(BLAS)
    if kernels and own_kernels and kernels != own_kernels:
        differing.append(Difference(worker, theirs.host, BLAS, kernels, own_kernels, refused=False))
    return tuple(differing)


def without_the_project(worker: str, here: Environment, why: str) -> Difference:
    """The difference of a worker that can't even be asked: it can't import this project."""
    return Difference(worker, "", PROJECT, f"{MISSING} ({why})", here.versions[PROJECT], True)


def table(differences: Sequence[Difference]) -> str:
    """The differences in one table, workers that differ alike in one line; empty where there are none."""
    if not differences:
        return ""
    alike: dict[tuple[str, str, str, bool], list[str]] = {}
    for difference in differences:
        alike.setdefault((difference.what, difference.there, difference.here, difference.refused), []).append(
            difference.host or difference.worker
        )
    rows = [("what", "there", "here", "", "workers")]
    for (what, worker_has, driver_has, refused), hosts in alike.items():
        rows.append((what, worker_has, driver_has, "refused" if refused else "warning", _counted(hosts)))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join((*map(str.ljust, row[:4], widths), row[4])).rstrip() for row in rows]
    return "\n".join(f"  {line}" for line in lines)


def _counted(hosts: Sequence[str]) -> str:
    names = list(dict.fromkeys(hosts))
    shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return shown if len(hosts) == 1 else f"{len(hosts)}: {shown}"


def _another_python(name: str, theirs: str, ours: str) -> bool:
    """Whether these Pythons can't read each other's functions: 3.11 and 3.12 can't, 3.11.2 and 3.11.9 can."""
    return name == "python" and theirs.split(".")[:2] != ours.split(".")[:2]
