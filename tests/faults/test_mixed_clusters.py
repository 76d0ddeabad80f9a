"""Clusters of unlike workers, each started by hand in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from search import launch
from search.cluster import starting
from search.cluster.starting import start_cluster
from search.driving.display import SilentDisplay
from search.loop.slots import Slots
from search.loop.stopping import Limits
from studies.errors import MachineError
from studies.sections.cluster import Cluster
from tests.certificates import make_certificates
from tests.conftest import write_rows
from tests.faults.dask_programs import SEARCH, DaskPrograms, dask_programs
from tests.faults.histories import every_score_is_that_of_an_undisturbed_run
from tests.faults.programs import PATIENCE, stored, wait_until
from workers.machine.rows import CACHE, FILES

pytestmark = pytest.mark.slow

Writes = Callable[..., Path]


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[DaskPrograms]:
    with dask_programs(tmp_path / "dask") as found:
        yield found


def at(address: str, more: str = "") -> str:
    return f'kind = "address"\naddress = "{address}"\n{more}'


class Notes(SilentDisplay):
    """Keeps what a person would have been told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def used(study: Path, display: SilentDisplay | None = None) -> set[str]:
    """The workers that a launch's trials ran on, all of which completed."""
    result = launch(study, fresh=True, display=display or SilentDisplay())
    assert [record.state for record in result.records] == ["complete"] * len(result.records)
    return {record.report.worker for record in result.records if record.report}


def test_trials_go_to_gpus_as_the_study_file_says_while_workers_come_and_go(
    programs: DaskPrograms, study_file: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs.add_worker("--nthreads", "2", "--resources", "TRIAL=1 SPARK=1", "--name", "cpu")
    only_gpus = Cluster(kind="address", address=programs.address, gpu="require")
    monkeypatch.setattr(starting, "FIND_SECONDS", 8.0)
    with pytest.raises(MachineError) as refused, start_cluster(only_gpus, ("tensorflow",)):
        pass
    assert "no slot with a GPU" in str(refused.value)
    assert "its workers have 1 × TRIAL=1 SPARK=1" in str(refused.value)
    monkeypatch.undo()
    first, _ = (
        programs.add_worker(
            "--nthreads", "1", "--no-nanny", "--resources", "GPU=1", "--name", f"gpu-{number}"
        )
        for number in range(2)
    )
    section = Cluster(kind="address", address=programs.address)
    with start_cluster(section, ("tensorflow", "spark")) as running:
        wait_until(lambda: running.present() == Slots(1, 1, 2), "all slots")
    study = study_file(slots=at(programs.address), trials="trials = 12", epochs="epochs = 100")
    write_rows(study.parent, rows=5_000)
    text = study.read_text()
    assert used(study) == {"cpu", "gpu-0", "gpu-1"}
    study.write_text(text.replace('kind = "address"', 'kind = "address"\ngpu = "never"'))
    assert used(study) == {"cpu"}

    class Comes(SilentDisplay):
        """A GPU's worker dies while it trains, and another comes."""

        def update(self, loop: object, now: float) -> None:  # noqa: ARG002  the display's own signature
            if first.poll() is None and len(loop.running) == 2:  # type: ignore[attr-defined]
                first.kill()
                programs.add_worker("--nthreads", "1", "--resources", "GPU=1", "--name", "gpu-late")

    required = text.replace('kind = "address"', 'kind = "address"\ngpu = "require"')
    study.write_text(required.replace("trials = 12", "trials = 60"))
    assert {"gpu-1", "gpu-late"} <= used(study, Comes()) <= {"gpu-0", "gpu-1", "gpu-late"}


def test_workers_that_see_nothing_of_the_study_get_its_rows_once_a_machine(
    programs: DaskPrograms, study_file: Writes, tmp_path: Path
) -> None:
    home, late_home, directory = tmp_path / "machine", tmp_path / "late", tmp_path / "study"
    directory.mkdir()
    study = directory / "small.toml"
    made = study_file(slots=at(programs.address), trials="trials = 1000", epochs="epochs = 100")
    study.write_text(made.read_text())
    write_rows(directory, rows=20_000)

    def add(name: str, cache: Path) -> None:
        programs.add_worker("--nthreads", "1", "--name", name, blind_to=directory, **{CACHE: str(cache)})

    class LateComer(Notes):
        """A machine that has no copy comes in the middle; enough was seen when it has told a trial."""

        def update(self, loop: object, now: float) -> None:  # noqa: ARG002  the display's own signature
            told = {record.report.worker for record in loop.finished}  # type: ignore[attr-defined]
            if told and len(programs.workers) == 2:
                add("late", late_home)
            if "late" in told:
                loop.limits = Limits(trials=1)  # type: ignore[attr-defined]

    add("blind-0", home)
    add("blind-1", home)
    display = LateComer()
    assert "late" in used(study, display)
    (sent,) = [note for note in display.notes if "go to workers that don't see the study's directory" in note]
    assert "through the scheduler" in sent
    for cache in (home, late_home):
        (copy,) = cache.iterdir()
        assert {file.name for file in copy.iterdir()} == set(FILES)
        assert copy.stat().st_mode & 0o077 == 0
    every_score_is_that_of_an_undisturbed_run(study, stored(study)[-4:])


def test_who_has_no_certificate_of_the_authority_is_let_in_nowhere(
    study_file: Writes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, others = make_certificates(tmp_path / "ours"), make_certificates(tmp_path / "others")
    with dask_programs(tmp_path / "dask", "--protocol", "tls", *ours.for_dask()) as programs:
        assert programs.address.startswith("tls://")
        worker = [SEARCH, "worker", programs.address, "--slots", "1"]
        programs.add([*worker, *ours.for_search()], "search worker", {"JAVA_HOME": "/nowhere"})
        stranger = programs.add([*worker, *others.for_search()], "stranger")
        study = study_file(slots=at(programs.address, ours.in_study()))
        result = launch(study, display=SilentDisplay())
        assert [record.state for record in result.records] == ["complete"] * 6
        wait_until(lambda: "trials at once" in programs.said("search worker"), "what the worker offers")
        monkeypatch.setattr(starting, "FIND_SECONDS", 3.0)
        text = study.read_text()
        for wrong in (
            text.replace(ours.in_study(), others.in_study()),
            text.replace(ours.in_study(), "").replace("tls://", "tcp://"),
        ):
            study.write_text(wrong.replace('name = "small"', 'name = "another"'))
            with pytest.raises(MachineError, match="no Dask scheduler answers at"):
                launch(study, display=SilentDisplay())
        assert stranger.wait(PATIENCE) == 2
        said = programs.said("stranger")
        assert "no Dask scheduler answers" in said
        assert "Traceback" not in said
