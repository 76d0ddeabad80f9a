"""Which Java PySpark would start, and whether it can.

Asked before the first trial: PySpark's own message, after ten seconds, is that the "Java gateway process
exited", and every trial of the study would fail with it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from studies.errors import MachineError

OLDEST = 17
"""The oldest Java that PySpark 4.3 runs on: its classes are compiled for it."""

MODULE = "jdk.incubator.vector"
"""The module that PySpark's launcher asks the JVM for; stripped runtimes lack it and don't start."""

ALLOWED = f"Java {OLDEST} or newer with the module {MODULE}, which every full JDK has"

REMEDY = (
    "install one with `apt install openjdk-17-jre-headless` (Debian, Ubuntu), `brew install openjdk@17` "
    "(macOS) or `conda install -c conda-forge openjdk=17` (conda), and see that it is the one in JAVA_HOME, "
    'or without JAVA_HOME the first on PATH. Or leave Spark out: space.framework = "tensorflow"'
)

OPTIONS = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")
"""Environment variables of which every Java reads options."""

PATIENCE = 20.0
"""Seconds that a Java may take to print its version. It takes 0.1; a loaded machine may take longer."""


@dataclass(frozen=True, slots=True)
class Java:
    """The Java that PySpark will start.

    Attributes:
        path: the program.
        version: as it prints it, e.g. ``17.0.15``.
        home: the folder that holds its ``bin``, links resolved.
    """

    path: Path
    version: str
    home: Path


def find_java() -> Java:
    """The Java that PySpark will start: that of ``JAVA_HOME`` where it is set, else the first on ``PATH``.

    Starts it once, which takes about a tenth of a second.

    Raises:
        MachineError: where there is none, it doesn't run, it is too old, or it lacks :data:`MODULE`.
    """
    path = _program()
    # With the module asked for, one start shows the version and whether the module is there.
    code, output = _ask(path, "--add-modules", MODULE, "-version")
    version = _version_in(output)
    if code == 0 and version and _feature_version(version) >= OLDEST:
        return Java(path, version, path.resolve().parent.parent)
    raise _refusal(path, output)


def options_in(variables: Mapping[str, str], option: str = "") -> tuple[str, ...]:
    """Those of :data:`OPTIONS` that are set, and have this option."""
    return tuple(name for name in OPTIONS if variables.get(name) and option in variables[name])


def _program() -> Path:
    home = os.environ.get("JAVA_HOME")
    if home:
        # PySpark takes this one or none: it doesn't fall back to PATH.
        program = shutil.which("java", path=str(Path(home, "bin")))
        if not program:
            raise MachineError(
                f"found no program bin/java in {home}",
                where="JAVA_HOME",
                allowed=f"the folder of {ALLOWED}; or no JAVA_HOME at all, and a Java on PATH",
                remedy=REMEDY,
            )
        return Path(program)
    program = shutil.which("java")
    if not program:
        raise MachineError(
            "found no Java, which Spark needs; JAVA_HOME is not set, and there is no `java` on PATH",
            allowed=ALLOWED,
            remedy=REMEDY,
        )
    return Path(program)


def _refusal(path: Path, first_output: str) -> MachineError:
    """Why this Java won't do; asks it once more, because the first answer may be about the module alone."""
    code, plain = _ask(path, "-version")
    version = _version_in(plain)
    if code != 0 or not version:
        lines = [line.strip("# ") for line in (plain or first_output).splitlines()]
        lines = [line for line in lines if line and not line.startswith("Picked up ")]
        problem = f"found a Java that doesn't run; it said: {lines[0] if lines else '(nothing)'}"
        names = options_in(os.environ)
        if names:
            raise MachineError(
                problem,
                where=f"environment variable {' and '.join(names)}",
                allowed="options that this Java knows and that don't contradict each other",
                remedy="correct it, or unset it",
            )
    elif _feature_version(version) < OLDEST:
        problem = f"found Java {version}, which is too old for Spark"
    else:
        problem = f"found Java {version} without the module {MODULE}, which Spark needs"
    where = f"{path} (from {'JAVA_HOME' if os.environ.get('JAVA_HOME') else 'PATH'})"
    return MachineError(problem, where=where, allowed=ALLOWED, remedy=REMEDY)


def _ask(path: Path, *arguments: str) -> tuple[int, str]:
    """Exit status and all that it printed; status -1 where it couldn't be started or didn't end."""
    try:
        answer = subprocess.run(
            [path, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return -1, f"nothing within {PATIENCE:g} seconds"
    except OSError as error:
        return -1, str(error)
    return answer.returncode, answer.stdout.decode(errors="replace")


def _version_in(output: str) -> str | None:
    match = re.search(r'version "([^"]+)"', output)
    return match[1] if match else None


def _feature_version(version: str) -> int:
    """17 of ``17.0.15``, 21 of ``21-ea``; 8 of ``1.8.0_402``, as it was written until Java 9."""
    numbers = [int(number) for number in re.findall(r"\d+", version)]
    if not numbers:
        return 0
    return numbers[1] if numbers[0] == 1 and len(numbers) > 1 else numbers[0]
