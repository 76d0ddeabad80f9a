"""Canaries: what has moved in Dask, of all that ``workers/machine/dask_internals.py`` takes from its inside.

They start no cluster. What a scheduler answers is tried by ``tests/workers/test_tenants.py``.
"""

from __future__ import annotations

import inspect

import distributed
import pytest

from tests.canaries import Part, check, resolve

PARTS = (
    Part(
        "distributed:Client._run",
        "workers that come are met in the client's own loop",
        ("function", "workers", "on_error"),
    ),
    Part("distributed.deploy.ssh:Worker", "workers are started over SSH, each with its own options"),
    Part(
        "distributed:Scheduler.restart_workers",
        "a worker process that hangs is ended",
        ("workers", "timeout", "wait_for_workers", "on_error", "stimulus_id"),
    ),
    Part("distributed:Scheduler.identity", "a driver hears which workers there are"),
)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_dask_has_what_is_used_of_its_inside(part: Part) -> None:
    check(part, "distributed")


IN_TEXT = {
    "restart_workers": ("distributed.scheduler:Scheduler", "a client has a worker ended"),
    "set_metadata": ("distributed.scheduler:Scheduler", "rows are left with the scheduler"),
    "get_metadata": ("distributed.scheduler:Scheduler", "workers fetch rows from the scheduler"),
    "processing": ("distributed.scheduler:Scheduler", "a worker is replaced between two tasks"),
    "has_what": ("distributed.scheduler:Scheduler", "a worker is replaced once its results were fetched"),
    "events": ("distributed.scheduler:Scheduler", "it is known that a worker took too much memory"),
    "task_metadata": ("distributed.scheduler:SchedulerState", "rows of a killed driver are removed"),
    "worker-restart-memory": ("distributed.worker_memory", "it is known that a worker took too much memory"),
}
"""Names that are looked up by text: whose source has them, and what for."""


@pytest.mark.parametrize("name", IN_TEXT)
def test_dask_still_speaks_of_what_is_looked_up_by_name(name: str) -> None:
    path, purpose = IN_TEXT[name]
    assert f'"{name}"' in inspect.getsource(resolve(path)) or f".{name}" in inspect.getsource(
        resolve(path)
    ), (
        f"{path} of distributed {distributed.__version__} doesn't know {name} any more, by which {purpose}; "
        "docs/moving-versions.md says what to do"
    )


STATES = {
    "TaskState": {
        "key": "a driver's tasks are told apart",
        "state": "a task that waits is told from one that runs",
        "processing_on": "a hanging task's worker is found",
        "resource_restrictions": "slots that are taken are counted",
        "who_wants": "a task is known to be one driver's",
        "suspicious": "other drivers' tasks aren't blamed for a worker that is ended",
    },
    "WorkerState": {
        "processing": "slots that are taken are counted",
        "executing": "a task is known to have begun",
        "last_seen": "a silent worker is noticed",
        "address": "a task's worker is named",
        "resources": "slots are counted",
        "nanny": "a process that comes back is told from one that doesn't",
    },
    "ClientState": {"wants_what": "a driver's tasks are found", "client_key": "drivers are told apart"},
}
"""Attributes of the scheduler's own records, and what for."""


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in STATES for name in STATES[kind]])
def test_the_schedulers_records_have_what_is_read_of_them(kind: str, name: str) -> None:
    record = resolve(f"distributed.scheduler:{kind}")
    assert hasattr(record, name) or name in record.__slots__, (
        f"{kind} of distributed {distributed.__version__} has no {name}, by which {STATES[kind][name]}"
    )


@pytest.mark.parametrize("name", ["total_resources", "available_resources", "nthreads"])
def test_a_workers_state_has_what_is_read_of_it(name: str) -> None:
    fields = inspect.getsource(resolve("distributed.worker_state_machine:WorkerState"))
    assert f"{name}:" in fields, (
        f"the state of a worker of distributed {distributed.__version__} has no {name}, by which a worker "
        "says what it has for trials"
    )
