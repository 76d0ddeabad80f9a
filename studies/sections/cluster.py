"""The study file's ``[cluster]``: the only section that moves a study from a laptop to a data centre."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, model_validator

from studies.printable import as_toml
from studies.sections.section import Section

QueueKind = Literal["slurm", "pbs", "sge", "lsf"]

DeployedKind = Literal["ssh", "slurm", "pbs", "sge", "lsf", "kubernetes", "cuda"]
"""Clusters that one of Dask's deployers starts."""

GpuPolicy = Literal["prefer", "require", "never"]

QUEUES: tuple[str, ...] = get_args(QueueKind)

DEPLOYED: tuple[str, ...] = get_args(DeployedKind)

_LOCAL = ("threads", "processes", "cuda")
"""Kinds whose trials never leave this machine."""

_TAKES_OPTIONS = ("ssh", *QUEUES, "kubernetes")

LOOPBACKS = ("127.0.0.1", "localhost", "::1")


def parse_address(raw: Any) -> str:
    """The address of a Dask scheduler.

    Raises:
        ValueError: with one sentence for a person, where it is none.
    """
    if isinstance(raw, str) and re.match(r"[a-z]+://.", raw):
        return raw
    raise ValueError(f'found {as_toml(raw)}; allowed: an address such as "tcp://HOST:8786"')


Address = Annotated[str, BeforeValidator(parse_address)]


class Cluster(Section):
    """Where trials run."""

    kind: Literal[
        "threads", "processes", "address", "ssh", "slurm", "pbs", "sge", "lsf", "kubernetes", "cuda"
    ] = "threads"
    """`threads` of this process, `processes` of this machine, or a Dask cluster that runs at an `address`.
    Or a cluster that one of Dask's deployers starts: `ssh` on `hosts`, jobs of a queue (`slurm`, `pbs`,
    `sge`, `lsf`), pods of `kubernetes` (with its Dask operator), or `cuda`: a worker for each GPU of this
    machine. They need the extras `ssh`, `slurm` (all queues) and `kubernetes`; `cuda` needs none."""
    slots: int | None = Field(default=None, ge=1)
    """Trials at once: of `threads` and `processes` together, by default one a core; of the others in each
    worker without a GPU, by default one. Not for `cuda`, which has `trials_per_gpu`, nor for `address`:
    there, it is what the workers offer."""
    workers: int | None = Field(default=None, ge=1)
    """Workers that a deployer starts: processes on each host of `ssh`, jobs, pods. By default one."""
    adaptive: dict[str, int] | None = None
    """`{ minimum = 1, maximum = 40 }` instead of `workers`: queues start more jobs while all slots are busy,
    and end those that are idle."""
    address: Address | None = None
    """`address`: that of the scheduler, `"tcp://HOST:8786"`, or `"tls://HOST:8786"` with the keys below. A
    worker offers one slot a thread, or the Dask resources that it was started with: `TRIAL`, `GPU` for
    TensorFlow's trials, and `SPARK` for Spark's. `search worker ADDRESS` starts workers that offer what their
    machine has. Workers that don't see the study's directory are sent the rows.
    The scheduler needs the project installed too. Others' studies may run there at the same time; all share
    the slots equally."""
    hosts: list[str] | None = Field(default=None, min_length=1)
    """`ssh`: machines that this one may log in to without a password, with the project installed under the
    same path. Their names must resolve on the machines themselves too."""
    gpu: GpuPolicy = "prefer"
    """`prefer`: TensorFlow's trials use a free GPU first; where all are busy, a CPU, unless waiting for a GPU
    is faster. `require`: they wait for a GPU, and a cluster without one is refused. `never`: GPUs stay idle.
    Spark's trials never use one."""
    trials_per_gpu: int = Field(default=1, ge=1, le=64)
    """Processes that share each GPU, each with its share of the memory, in clusters that are started here."""
    host: str = "127.0.0.1"
    """Address of this machine at which the scheduler that is started here listens. The default accepts no
    connections from outside. Workers on other machines need an address that they reach; give the keys for
    TLS then too: whoever reaches a scheduler without TLS can run anything on its workers."""
    tls_ca: str | None = None
    """Certificate of the authority that signs scheduler, workers and driver; PEM, relative to the study file.
    Give all three `tls_` keys or none. With them everything sent is encrypted, and only processes that the
    authority signed are accepted."""
    tls_cert: str | None = None
    """Certificate of the driver, and of the scheduler and the workers that are started here; PEM."""
    tls_key: str | None = None
    """Its private key; PEM."""
    rows: str | None = None
    """A URL of fsspec's, such as `"s3://bucket/rows"`, where the prepared rows are put for workers that don't
    see the study's directory. By default the scheduler holds them in its memory while the study runs, and
    each worker's machine is sent them once. `${NAME}` in it comes from the environment, here and on each
    worker; passwords can be given only so."""
    options: dict[str, Any] = Field(default={})
    """Further options of the kind's deployer, by its own names, such as
    `{ queue = "long", cores = 8, memory = "16GB", walltime = "04:00:00" }` for dask-jobqueue, or
    `{ image = "…" }` for dask-kubernetes; for `ssh` asyncssh's `connect_options`, in which `${NAME}` comes
    from the environment."""

    @model_validator(mode="after")
    def _goes_together(self) -> Cluster:
        for wrong, message in (*self._of_address(), *self._of_deployers(), *self._of_rows(), *self._of_tls()):
            if wrong:
                raise ValueError(message)
        return self

    def _of_address(self) -> list[tuple[bool, str]]:
        at = self.kind == "address"
        tls = (self.address or "").startswith("tls://")
        return [
            (
                at != (self.address is not None),
                'kind = "address" and an address go together: address = "tcp://HOST:8786"',
            ),
            (at and self.slots is not None, "slots is what the workers at the address offer: leave it out"),
            (
                at and self.trials_per_gpu > 1,
                "trials_per_gpu is for GPUs of workers that are started here: at an address, start them with "
                "`search worker --trials-per-gpu`",
            ),
            (
                at and tls != (self.tls_ca is not None),
                "an address tls://… and tls_ca, tls_cert and tls_key go together",
            ),
        ]

    def _of_deployers(self) -> list[tuple[bool, str]]:
        kind, adaptive = self.kind, self.adaptive
        return [
            ((kind == "ssh") != (self.hosts is not None), 'kind = "ssh" and hosts = ["…"] go together'),
            (
                self.workers is not None and kind not in _TAKES_OPTIONS,
                f"workers is for {', '.join(_TAKES_OPTIONS)}; found kind = {as_toml(kind)}",
            ),
            (
                bool(self.options) and kind not in _TAKES_OPTIONS,
                f"options is for {', '.join(_TAKES_OPTIONS)}; found kind = {as_toml(kind)}",
            ),
            (
                adaptive is not None and kind not in QUEUES,
                f"adaptive is for {', '.join(QUEUES)}; found kind = {as_toml(kind)}",
            ),
            (
                adaptive is not None and self.workers is not None,
                "found both workers and adaptive; allowed: one of them",
            ),
            (
                adaptive is not None and not _is_range(adaptive),
                f"found adaptive = {adaptive}; allowed: {{ minimum = 0 or more, maximum = minimum or more }}",
            ),
            (kind == "cuda" and self.gpu == "never", 'kind = "cuda" starts GPU workers; found gpu = "never"'),
            (kind == "cuda" and self.slots is not None, "slots is not for cuda, which has trials_per_gpu"),
        ]

    def _of_rows(self) -> list[tuple[bool, str]]:
        local = self.kind in _LOCAL
        # A password in the address would be sent to the scheduler with it.
        secret = re.search(r"://[^/@]*:(?!\$\{\w+\}@)[^/@]*@", self.rows or "")
        return [
            (
                local and self.rows is not None,
                f"rows is for workers elsewhere; found kind = {as_toml(self.kind)}",
            ),
            (secret is not None, "rows holds a password; allowed: `${NAME}` in its place, and NAME exported"),
        ]

    def _of_tls(self) -> list[tuple[bool, str]]:
        given = [key is not None for key in (self.tls_ca, self.tls_cert, self.tls_key)]
        local = self.kind in _LOCAL
        return [
            (any(given) and not all(given), "tls_ca, tls_cert and tls_key go together; found only some"),
            (
                local and (any(given) or self.host not in LOOPBACKS),
                f"kind = {as_toml(self.kind)} never leaves this machine: leave host and the tls_ keys out",
            ),
            (
                self.kind == "kubernetes" and any(given),
                "the tls_ keys are not for kubernetes, whose operator starts the scheduler; its "
                "traffic stays in the cluster's own network and in the tunnel of the Kubernetes API",
            ),
        ]


def _is_range(adaptive: dict[str, int]) -> bool:
    if set(adaptive) != {"minimum", "maximum"}:
        return False
    return 0 <= adaptive["minimum"] <= adaptive["maximum"] and adaptive["maximum"] >= 1
