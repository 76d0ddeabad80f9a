"""How a study was run, and what it takes to run it again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from studies.sections.addresses import without_passwords
from studies.sections.study import Study
from studies.stored_study import StoredStudy
from studies.study_file import StudyFile


@dataclass(frozen=True, slots=True)
class Provenance:
    """How a study was run.

    Attributes:
        file: name of the study file.
        text: the file as it is now, without passwords; empty where it can't be read any more.
        seed: of everything that is random.
        seconds: how long it was searched for, over every launch.
        cluster: where its trials ran, in words; empty where its driver never said.
        slots: how many of them at once; 0 where that isn't known.
        versions: of the packages that it ran with, by name.
        data: where the rows came from and how they were made, as (name, words).
        waits: whether trials wait at rungs to be promoted.
        search: who sampled configurations, and who pruned their trials, as (name, words).
    """

    file: str
    text: str
    seed: int
    seconds: float
    cluster: str
    slots: int
    versions: Mapping[str, str]
    data: tuple[tuple[str, str], ...]
    waits: bool
    search: tuple[tuple[str, str], ...]


def provenance_of(file: StudyFile, stored: StoredStudy) -> Provenance:
    """What the file and the storage tell."""
    try:
        text = file.path.read_text(encoding="utf-8-sig")
    except OSError:
        text = ""
    return Provenance(
        file=file.path.name,
        text=without_passwords(text),
        seed=file.study.seed,
        seconds=stored.seconds,
        cluster=str(stored.status.get("cluster", "")),
        slots=int(stored.status.get("slots", 0)),
        versions=dict(stored.versions),
        data=tuple(_data(file.study)),
        waits=file.study.pruner.kind == "asha",
        search=tuple(_search(file.study)),
    )


def _data(study: Study) -> Iterator[tuple[str, str]]:
    data, features = study.data, study.features
    repeats = "stay in one part" if data.repeats == "together" else "are placed one by one"
    yield "from", data.path or f"the built-in data set {data.source}"
    yield (
        "split",
        f"{data.validation:.0%} for validation, {data.test:.0%} for the test, by the study's seed; "
        f"rows that repeat each other {repeats}",
    )
    kind = features.kind or ("word2vec" if data.source or data.text else "none")
    if kind == "word2vec":
        made = (
            f"the mean of the words' vectors of {features.dimensions} numbers, trained on the training rows "
            f"(word2vec, {features.algorithm})"
        )
    elif kind == "vectors":
        made = f"the mean of the words' vectors, from {features.vectors}"
    else:
        made = "the columns as they are"
    scaled = (
        ", less their mean by their standard deviation on the training rows"
        if features.scale == "standard"
        else ""
    )
    yield "made", made + scaled


def _search(study: Study) -> Iterator[tuple[str, str]]:
    layers = ", ".join(f"{units:,}" for units in study.model.hidden)
    yield "network", f"hidden layers of {layers} units and a softmax over the classes"
    yield "sampled by", study.sampler.kind
    if study.pruner.kind != "none":
        yield "pruned by", study.pruner.kind
