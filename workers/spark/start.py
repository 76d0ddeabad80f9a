"""Why a Spark session didn't start, from what its JVM wrote: the real cause, and what to do about it. Pure.

A JVM that fails ends its output in the middle of a stack trace. The cause is the exception that led to all
others, and what it means depends on the session: on this machine, or on a cluster.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from studies.errors import MachineError
from workers.machine.java import options_in
from workers.spark.settings import ENOUGH, LOOPBACK, SparkSettings, too_small


@dataclass(frozen=True)
class FailedStart:
    """A start that failed.

    Attributes:
        settings: of the session.
        memory_mib: heap that the JVM was given.
        output: all that it wrote, and the exception that Python met.
        variables: the environment.
    """

    settings: SparkSettings
    memory_mib: int
    output: str
    variables: Mapping[str, str]

    @property
    def reason(self) -> str:
        """The exception at the root, or else the last line of the output; in one line."""
        lines = [line.strip() for line in self.output.splitlines()]
        caused = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
        raised = [line for line in lines if _RAISED.match(line)]
        other = [line for line in lines if line and not _NOISE.match(line)]
        for candidates in (caused[-1:], raised[:1], other[-1:]):
            if candidates:
                text = re.sub(r"^(?:Exception in thread \S+ )?(?:[\w$]+\.)+([\w$]+)", r"\1", candidates[0])
                return text if len(text) <= 300 else f"{text[:300]} …"
        return "(nothing)"

    def line_of(self, match: re.Match[str]) -> str:
        """The line of a match in the output, without the time and the class that logged it."""
        line = next(line for line in self.output.splitlines() if match[0].splitlines()[0] in line)
        return re.sub(r"^\d\d/\d\d/\d\d \S+ \w+ [\w$]+: ", "", line.strip())


def explained(failed: FailedStart) -> MachineError:
    """The message for a start that failed."""
    for pattern, explain in _RULES:
        match = re.search(pattern, failed.output)
        if match:
            return explain(failed, match)
    allowed = f"free ports on {LOOPBACK}" if failed.settings.on_loopback else f"a way to {_master(failed)}"
    return MachineError(
        f"Spark didn't start; it said: {failed.reason}",
        where="spark",
        allowed=f"a JVM with {failed.memory_mib} MiB of heap, and {allowed}",
        remedy="see what it said; [spark] in the study file has its settings",
    )


def hung(failed: FailedStart, seconds: float) -> MachineError:
    """The message for a start that took too long, and was ended."""
    if not failed.settings.local:
        return _unreachable(failed, None)
    return MachineError(
        f"Spark hung while it started, and was killed after {seconds:g} s; it said: {failed.reason}",
        where="spark",
        allowed=f"a JVM that starts in {seconds:g} s; an idle machine takes 10",
        remedy="run fewer trials at once (cluster.slots), or free the machine",
    )


def _too_small(failed: FailedStart, _match: re.Match[str]) -> MachineError:
    for name in options_in(failed.variables, "-Xmx"):
        return MachineError(
            f"{name} gives Java less heap than Spark needs: {failed.variables[name]}",
            where=f"environment variable {name}",
            allowed=f"no -Xmx there, and {ENOUGH} or more in spark.memory",
            remedy=f"take -Xmx out of {name}",
        )
    return too_small(failed.memory_mib)


def _no_memory(failed: FailedStart, _match: re.Match[str]) -> MachineError:
    return MachineError(
        f"this machine can't give Spark's JVM {failed.memory_mib} MiB of heap",
        where="spark.memory",
        allowed="no more than the machine, its container and `ulimit -v` let a process have",
        remedy="free memory, run fewer trials at once (cluster.slots), or give less (spark.memory)",
    )


def _nameless(_failed: FailedStart, _match: re.Match[str]) -> MachineError:
    return MachineError(
        f"this user (number {os.getuid()}) has no name on this machine, and Spark's Hadoop asks for it",
        where="/etc/passwd",
        allowed="a user whom `whoami` knows",
        remedy="add the user to /etc/passwd, or run the container as one that is there (--user NAME)",
    )


def _no_port(failed: FailedStart, _match: re.Match[str]) -> MachineError:
    if not failed.settings.on_loopback:
        return _unreachable(failed, None)
    return MachineError(
        f"Spark couldn't open a port on {LOOPBACK}; it said: {failed.reason}",
        where=LOOPBACK,
        allowed="a loopback interface that is up, with free ports; those that [spark.conf] names, if any",
        remedy="see `ip addr show lo` and `ss -s`; end what holds the ports",
    )


def _unknown_host(failed: FailedStart, match: re.Match[str]) -> MachineError:
    # PySpark asks for localhost, and Python doesn't say which name it was.
    host = match[1] or "localhost"
    if host in (failed.settings.master or ""):
        return _unreachable(failed, match)
    return MachineError(
        f"the name {host} has no address on this machine, and Spark asks for it",
        where="/etc/hosts",
        allowed="an address for the machine's own name and for localhost",
        remedy=f"add the line `{LOOPBACK} localhost{'' if host == 'localhost' else f' {host}'}`",
    )


def _unreachable(failed: FailedStart, match: re.Match[str] | None) -> MachineError:
    reason = failed.reason if match is None else failed.line_of(match)
    return MachineError(
        f"no Spark master takes the session at {_master(failed)}; it said: {reason}",
        where="spark.master",
        allowed="the address of a master that runs, that this machine reaches, and of PySpark's version",
        remedy="start it, or correct spark.master; or leave it out, and Spark runs on this machine",
    )


def _bad_options(failed: FailedStart, match: re.Match[str]) -> MachineError:
    names = options_in(failed.variables)
    where = " and ".join(names) if names else "spark.conf, spark.driver.extraJavaOptions"
    return MachineError(
        f"Java refuses its options; it said: {failed.line_of(match)}",
        where=f"environment variable {where}" if names else where,
        allowed="options that this Java knows and that don't contradict each other",
        remedy="correct it, or leave it out",
    )


def _bad_property(failed: FailedStart, match: re.Match[str]) -> MachineError:
    named = next((name for name, value in failed.settings.conf if value and value in match[0]), "")
    return MachineError(
        f"Spark refuses a setting; it said: {failed.reason}",
        where=f"spark.conf, {named}" if named else "spark.conf",
        allowed="Spark's own properties and values: https://spark.apache.org/docs/latest/configuration.html",
        remedy="correct it, or leave it out",
    )


def _disk(failed: FailedStart, _match: re.Match[str]) -> MachineError:
    return MachineError(
        f"Spark can't write its temporary files; it said: {failed.reason}",
        where=f"TMPDIR={failed.variables['TMPDIR']}" if "TMPDIR" in failed.variables else "/tmp",
        allowed="a folder that can be written and has room",
        remedy="make room, or set TMPDIR to another folder",
    )


def _installation(failed: FailedStart, _match: re.Match[str]) -> MachineError:
    return MachineError(
        f"PySpark's own files can't be run; it said: {failed.reason}",
        where="pyspark",
        allowed="the package as pip installs it, and bash on PATH",
        remedy="pip install --force-reinstall pyspark; see `command -v bash`",
    )


def _other_version(failed: FailedStart, _match: re.Match[str]) -> MachineError:
    return MachineError(
        f"the cluster at {_master(failed)} runs another version of Spark; it said: {failed.reason}",
        where="spark.master",
        allowed="PySpark's own version: `python -m pip show pyspark`",
        remedy="install that version on one side",
    )


def _master(failed: FailedStart) -> str:
    return failed.settings.master or "spark.master"


_RAISED = re.compile(r"(?:Exception in thread \S+ )?(?:[\w$]+\.)+[\w$]*(?:Exception|Error)\b")

_NOISE = re.compile(
    r"at |\.\.\. \d+ more|WARNING: |Picked up |Using Spark's default|Setting (?:default|Spark) log level"
    r"|To adjust logging|\d\d/\d\d/\d\d \S+ (?:WARN|INFO)|#\s*$|SQLSTATE"
)
"""Lines that don't show the cause."""

_RULES: tuple[tuple[str, Callable[[FailedStart, re.Match[str]], MachineError]], ...] = (
    (r"INVALID_(?:DRIVER|EXECUTOR)_MEMORY|must be at least 471859200", _too_small),
    (r"Initial heap size set to a larger value|Too small (?:maximum|initial) heap", _too_small),
    (r"insufficient memory for the Java|Could not reserve enough space|Not enough space", _no_memory),
    (r"Invalid maximum heap|Cannot allocate memory|exceeds the maximum representable size", _no_memory),
    (r"OutOfMemoryError", _no_memory),
    (r"Unrecognized (?:VM )?option\b|Conflicting collector|Improperly specified VM option", _bad_options),
    (r"Could not create the Java Virtual Machine|agent library failed", _bad_options),
    # Java's home of a user without a name is "?".
    (r"invalid null input: name|LoginException|KerberosAuthException|absolute: \?/", _nameless),
    (r"All masters are unresponsive|Could not parse Master URL|Failed to connect to master", _unreachable),
    (r"InvalidClassException|local class incompatible", _other_version),
    (r"UnknownHostException: ([\w.-]+)", _unknown_host),
    (r"()(?:Name or service not known|failure in name resolution|nodename nor servname)", _unknown_host),
    (r"BindException|failed after \d+ retries|Cannot assign requested address", _no_port),
    (r"Network is unreachable", _no_port),
    (r"No space left on device|Read-only file system|Permission denied|Disk quota exceeded", _disk),
    (r"Failed to find Spark jars directory|No such file or directory: .*spark-submit", _installation),
    (
        r"bash: No such file|UnsupportedClassVersionError|NoClassDefFoundError: org/apache/spark",
        _installation,
    ),
    (r"(?:ClassNotFoundException|IllegalArgumentException|NumberFormatException)[^\n]*", _bad_property),
    (r"(?:FileNotFoundException|URISyntaxException)[^\n]*", _bad_property),
    (r"SparkException: (?:Failed|Invalid|Could not parse)[^\n]*", _bad_property),
)
"""Patterns in a JVM's output, and what they mean; the first that matches counts."""
