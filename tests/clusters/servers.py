"""An SSH server and a Slurm of one node, on free ports of this machine, with keys and files of their own."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.programs import PATIENCE, wait_until


@dataclass(frozen=True)
class SshServer:
    """A server that lets this user in with a key.

    Attributes:
        port: on 127.0.0.1.
        key: private key of the user.
        known: file with the host's key, as ``known_hosts``.
    """

    port: int
    key: Path
    known: Path

    def options(self) -> str:
        """The ``options`` of a study file."""
        user = getpass.getuser()
        return (
            f'options = {{ port = {self.port}, username = "{user}", client_keys = ["{self.key}"], '
            f'known_hosts = "{self.known}" }}'
        )


@contextmanager
def ssh_server() -> Iterator[SshServer]:
    """A server, ended on leaving."""
    with _own_directory() as directory:
        for name in ("host", "user"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", name]
            subprocess.run(command, cwd=directory, check=True)
        shutil.copy(directory / "user.pub", directory / "authorized")
        port = _free_port()
        host_key = (directory / "host.pub").read_text()
        (directory / "known").write_text(f"[127.0.0.1]:{port} {host_key}")
        settings = {
            "Port": port,
            "ListenAddress": "127.0.0.1",
            "HostKey": directory / "host",
            "AuthorizedKeysFile": directory / "authorized",
            "PidFile": "none",
            "UsePAM": "no",
            "StrictModes": "no",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "PermitRootLogin": "prohibit-password",
        }
        if "OPENBLAS_CORETYPE" in os.environ:
            # What comes over SSH has an environment of its own, and other kernels would sum in another order.
            settings["SetEnv"] = f"OPENBLAS_CORETYPE={os.environ['OPENBLAS_CORETYPE']}"
        _write(directory / "config", (f"{name} {value}" for name, value in settings.items()))
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # it refuses to start without
        # It starts itself anew for each connection, and so wants its whole path.
        command = [_program("sshd"), "-D", "-e", "-f", str(directory / "config")]
        with _running(directory, command):
            wait_until(lambda: _listens(port), "an SSH server")
            yield SshServer(port, directory / "user", directory / "known")


@contextmanager
def slurm(cpus: int = 4, memory_mb: int = 8000) -> Iterator[Mapping[str, str]]:
    """A Slurm whose only node is this machine; yields the environment in which its programs find it."""
    host = socket.gethostname().split(".")[0]
    with _own_directory() as directory, ExitStack() as stack:
        munge = directory / "munge"
        munge.mkdir(mode=0o755)
        key = munge / "key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        files = {"key": "key", "socket": "socket", "pid": "pid", "log": "log", "seed": "seed"}
        options = [f"--{name}-file={munge / file}" for name, file in files.items() if name != "socket"]
        options += [f"--socket={munge / 'socket'}", "--foreground", "--force"]
        stack.enter_context(_running(directory, [_program("munged"), *options]))
        wait_until((munge / "socket").exists, "munge")
        for name in ("state", "spool"):
            (directory / name).mkdir()
        settings = {
            "ClusterName": "search",
            "SlurmctldHost": f"{host}(127.0.0.1)",
            "SlurmctldPort": _free_port(),
            "SlurmdPort": _free_port(),
            "SlurmUser": getpass.getuser(),
            "AuthType": "auth/munge",
            "AuthInfo": f"socket={munge / 'socket'}",
            "CredType": "cred/munge",
            "StateSaveLocation": directory / "state",
            "SlurmdSpoolDir": directory / "spool",
            "SlurmctldPidFile": directory / "slurmctld.pid",
            "SlurmdPidFile": directory / "slurmd.pid",
            "ProctrackType": "proctrack/linuxproc",
            "TaskPlugin": "task/none",
            "SwitchType": "switch/none",
            "MpiDefault": "none",
            "ReturnToService": 2,
            "SelectType": "select/cons_tres",
            "SelectTypeParameters": "CR_CPU",
            # More processors than the machine may have: the workers mostly wait for one another here.
            "SlurmdParameters": "config_overrides",
        }
        node = f"NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory_mb} State=UNKNOWN"
        partition = "PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP"
        lines = [*(f"{name}={value}" for name, value in settings.items()), node, partition]
        configuration = directory / "slurm.conf"
        _write(configuration, lines)
        found = {"SLURM_CONF": str(configuration)}
        for daemon, more in (("slurmctld", []), ("slurmd", ["-N", host])):
            command = [_program(daemon), "-D", "-f", str(configuration), *more]
            stack.enter_context(_running(directory, command, found))
        wait_until(lambda: "idle" in _nodes(found), "a node")
        try:
            yield found
        finally:
            subprocess.run(["scancel", "--user", getpass.getuser()], env={**os.environ, **found}, check=False)


def jobs(environment: Mapping[str, str]) -> list[str]:
    """Ids of the jobs that Slurm runs or has waiting."""
    command = ["squeue", "--noheader", "--format=%i"]
    answer = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    return answer.stdout.split()


def _nodes(environment: Mapping[str, str]) -> str:
    command = ["sinfo", "--noheader", "--format=%t"]
    answer = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    return answer.stdout


@contextmanager
def _own_directory() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="search-cluster-"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _running(
    directory: Path, command: Sequence[str], variables: Mapping[str, str] | None = None
) -> Iterator[None]:
    log = directory / f"{Path(command[0]).name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(PATIENCE)


def _program(name: str) -> str:
    """Its whole path: a user's PATH may lack where the system's own programs lie."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise RuntimeError(f"{name} is not here; tools/setup-clusters installs it")
    return found


def _write(file: Path, lines: Iterator[str] | Sequence[str]) -> None:
    file.write_text("".join(f"{line}\n" for line in lines))


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as found:
        found.settimeout(1.0)
        return found.connect_ex(("127.0.0.1", port)) == 0
