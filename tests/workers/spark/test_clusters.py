"""A cluster of the team's own: a master with a worker, and a Spark Connect server, from PySpark's jars."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyspark
import pytest

from studies.data.split import Rows, Split
from studies.errors import MachineError
from studies.space.configuration import Configuration
from workers.spark import session as spark_session
from workers.spark.settings import DEFAULTS, SparkSettings
from workers.spark.trainer import SparkTrainer
from workers.training.trainer import Deadline, State, TrainingFailed

pytestmark = pytest.mark.slow

LBFGS = Configuration("spark", "spark_uniform", "l-bfgs", epochs=5)
ENDLESS = Configuration("spark", "spark_uniform", "gd", epochs=10**6, learning_rate=0.1)
CLASS = "org.apache.spark.deploy"
HOST = "127.0.0.1"


class Servers:
    """Programs of Spark's own, ended on leaving."""

    def __init__(self, stack: ExitStack, directory: Path) -> None:
        self._stack, self._directory = stack, directory
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, program: str, *arguments: str) -> None:
        home = Path(pyspark.__file__).parent
        surroundings = {
            **os.environ,
            "SPARK_HOME": str(home),
            "SPARK_LOCAL_IP": HOST,
            "SPARK_WORKER_DIR": str(self._directory),
        }
        log = self._stack.enter_context((self._directory / f"{len(self.processes)}.log").open("wb"))
        process = subprocess.Popen(
            [home / "bin" / program, *arguments],
            env=surroundings,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        self.processes.append(process)
        self._stack.callback(process.wait)
        self._stack.callback(process.send_signal, signal.SIGTERM)

    def wait_for(self, port: int) -> None:
        while True:
            assert all(process.poll() is None for process in self.processes), "a server ended"
            try:
                socket.create_connection((HOST, port), 1.0).close()
                return
            except OSError:
                time.sleep(0.1)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    with ExitStack() as stack:
        yield Servers(stack, tmp_path)
        spark_session.stop()  # before its cluster


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def trainer_of(directory: Path, settings: SparkSettings) -> SparkTrainer:
    generator = np.random.default_rng(1)
    features = generator.normal(size=(300, 3)).astype(np.float32)
    rows = Rows(features, (features[:, 0] > 0).astype(np.int64))
    return SparkTrainer(Split(rows, rows, rows, ("no", "yes"), 1, "hash"), (4,), directory, settings)


def trained(trainer: SparkTrainer) -> State:
    return trainer.advance(LBFGS, 7, trainer.begin(LBFGS, 7), LBFGS.epochs, Deadline())


def assert_same(one: State, other: State) -> None:
    assert one.losses == other.losses
    assert all(np.array_equal(a, b) for a, b in zip(one.weights, other.weights, strict=True))


class Killing:
    """Kills a server in the middle of a fit, and never says that the trial must end."""

    def __init__(self, server: subprocess.Popen[bytes]) -> None:
        self._asked, self._server = 0, server

    def __call__(self) -> bool:
        self._asked += 1
        if self._asked == 3:  # once before the fit, then every moment during it
            self._server.kill()
        return False


@pytest.mark.faults
def test_a_master_elsewhere_gives_the_same_bits(tmp_path: Path, servers: Servers) -> None:
    expected = trained(trainer_of(tmp_path, DEFAULTS))
    port = free_port()
    place = ("--host", HOST, "--webui-port", "0")
    servers.start("spark-class", f"{CLASS}.master.Master", *place, "--port", str(port))
    servers.wait_for(port)
    master = f"spark://{HOST}:{port}"
    servers.start("spark-class", f"{CLASS}.worker.Worker", *place, "--cores", "2", master)
    trainer = trainer_of(tmp_path, SparkSettings(master=master, memory_mib=512))
    assert_same(trained(trainer), expected)
    assert trainer.device == f"Spark at {master}"
    assert spark_session.start().session.sparkContext.master == master


@pytest.mark.faults
def test_a_master_that_is_not_there_is_named(tmp_path: Path) -> None:
    master = f"spark://{HOST}:{free_port()}"
    quick = (("spark.deploy.appClient.registration.timeout", "1"),)
    trainer = trainer_of(tmp_path, replace(DEFAULTS, master=master, conf=quick))
    with pytest.raises(MachineError) as caught:
        trainer.begin(LBFGS, 7)
    assert master in caught.value.allowed


@pytest.mark.faults
def test_a_connect_server_gives_the_same_bits_obeys_and_may_die(tmp_path: Path, servers: Servers) -> None:
    expected = trained(trainer_of(tmp_path, DEFAULTS))
    port = free_port()
    servers.start(
        "spark-submit",
        "--class=org.apache.spark.sql.connect.service.SparkConnectServer",
        "--master=local[2]",
        f"--conf=spark.connect.grpc.binding.port={port}",
        f"--conf=spark.connect.grpc.binding.address={HOST}",
        "--conf=spark.ui.enabled=false",
        "spark-internal",
    )
    servers.wait_for(port)
    trainer = trainer_of(tmp_path, SparkSettings(master=f"sc://{HOST}:{port}"))
    assert_same(trained(trainer), expected)

    answers = iter([False, False])  # before the fit and once during it, and from then on yes
    begun = trainer.begin(ENDLESS, 7)
    with pytest.raises(TrainingFailed) as caught:
        trainer.advance(ENDLESS, 7, begun, ENDLESS.epochs, Deadline(stopped=lambda: next(answers, True)))
    assert caught.value.failure.cause == "timeout"
    assert_same(trained(trainer), expected)

    deadline = Deadline(stopped=Killing(servers.processes[0]))
    with pytest.raises(TrainingFailed) as caught:
        trainer.advance(ENDLESS, 7, begun, ENDLESS.epochs, deadline)
    assert caught.value.failure.cause == "spark died"
    with pytest.raises(MachineError, match="didn't take the session"):
        trainer.begin(LBFGS, 7)
    assert_same(trained(trainer_of(tmp_path, DEFAULTS)), expected)
