"""`search repair`: finds and mends what kills and full disks did to a study, under the driver's lock."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from studies.errors import NotStoredError, StorageError
from studies.repair.repair import Finding, left_running, repair_cache, repair_storage
from studies.repair.stored_test_scores import repair_test_scores
from studies.sections.sizes import describe_size
from studies.storage.locations import location_of
from studies.stored_study import read_study
from studies.study_file import StudyFile, read_study_file
from workers.checkpoints.checkpoints import checkpoints_of
from workers.machine.places import shown


@dataclass(frozen=True)
class Repair:
    """What was found, and whether it was mended or only looked at."""

    findings: tuple[Finding, ...]
    mended: bool

    @property
    def is_fine(self) -> bool:
        """Whether nothing is left that this program can't mend."""
        return all(finding.mendable for finding in self.findings)

    def lines(self) -> list[str]:
        """For a person, two lines a finding."""
        if not self.findings:
            return ["nothing is wrong"]
        lines = []
        for finding in self.findings:
            verb = "to do" if not finding.mendable else "mended" if self.mended else "would be"
            lines += [finding.what, f"  {verb}: {finding.remedy}"]
        return lines


def repair(path: str | Path, *, mend: bool = True) -> Repair:
    """Look for what is wrong with a study's storage, checkpoints and cache, and mend it.

    Args:
        path: the study file.
        mend: change something; otherwise only report what would change.

    Raises:
        StorageError: where a driver is running the study, or its server can't be reached.
    """
    file = read_study_file(path)
    location = location_of(file)
    if location.file is not None and not location.file.exists():
        return Repair(tuple(repair_cache(file.work_directory / "data", mend=mend)), mend)
    with location.lock():
        findings = repair_storage(location, mend=mend)
        findings += _repair_trials(file, findings, mend=mend)
        findings += repair_cache(file.work_directory / "data", mend=mend)
    return Repair(tuple(findings), mend)


def _repair_trials(file: StudyFile, before: list[Finding], *, mend: bool) -> list[Finding]:
    """Trials without a driver, test scores of earlier code, and checkpoints without an unfinished trial."""
    try:
        # Listed before the trials are read: a driver beside this one stores a trial before it is trained.
        checkpoints = checkpoints_of(file, read_study(file).folder)
        numbers, size = checkpoints.trials(), checkpoints.size()
        stored = read_study(file)
    except NotStoredError:
        return []  # nor is there a folder that is known to be its own
    except StorageError as error:
        if before:  # reported already, and without it the checkpoints' owners are unknown
            return []
        return [Finding(f"{error.where}: {error.problem}", error.remedy, mendable=False)]
    running = {record.number for record in stored.records if record.state == "running"}
    orphans = sorted(numbers - running)
    findings = left_running(stored) + repair_test_scores(stored, mend=mend)
    if orphans:
        if mend:
            for number in orphans:
                checkpoints.remove(number)
        freed = f", {describe_size(size.bytes - checkpoints.size().bytes)}" if mend else ""
        findings.append(
            Finding(
                f"{shown(checkpoints.url)}: checkpoints of trials that have ended or are not stored: "
                f"{', '.join(map(str, orphans))}",
                f"removed{freed}",
            )
        )
    return findings
