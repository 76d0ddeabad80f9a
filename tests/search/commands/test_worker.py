"""What `search worker` says, and the address that it listens at; it starts workers in tests/faults."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from search.cli import main
from search.commands.worker import _own_address, described
from workers.machine.gpus import Gpu
from workers.machine.resources import offers

GPUS = [Gpu("0", 24576), Gpu("1", 24576)]


def test_it_says_what_the_machine_has() -> None:
    assert described(offers(GPUS, 2, 8, 1), GPUS) == (
        "trials at once: 4 on 2 GPUs, 8 on the CPU, 1 of Spark's"
    )
    assert described(offers([], 2, 8, 0), []) == (
        "trials at once: no GPU found, 8 on the CPU, none of Spark's: no suitable Java found"
    )


def test_workers_of_a_scheduler_on_this_machine_let_nobody_else_in() -> None:
    assert _own_address("tcp://127.0.0.1:8786") == "127.0.0.1"
    assert _own_address("tls://localhost:8786") == "127.0.0.1"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["10.0.0.7"], "tcp://HOST:8786"),
        (["tls://10.0.0.7:8786"], "tls_ca, tls_cert and tls_key go together"),
        (["tcp://10.0.0.7:8786", "--tls-ca", "ca.pem"], "tls_ca, tls_cert and tls_key go together"),
        (
            ["tls://h:1", "--tls-ca", "no.pem", "--tls-cert", "no.pem", "--tls-key", "no.pem"],
            "there is no file",
        ),
    ],
)
def test_an_address_without_what_goes_with_it_is_refused(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(main, ["worker", *arguments, "--slots", "1", "--host", "127.0.0.1"])
    assert result.exit_code == 2
    assert said in result.output
