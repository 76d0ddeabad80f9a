"""The command line: parse, call, print. Results go to stdout, progress and errors to stderr.

Exit codes: 0 done, 1 the study failed, 2 bad input, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import csv
import importlib.resources
import io
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from search.output.streams import safe_streams, write_to_stdout
from studies.errors import SearchError, StudyFailedError, StudyFileError, nearest
from studies.printable import printable, printable_lines

# The modules that do the work are imported inside the commands: together they cost a second, and
# `search --help` answers in a quarter of one.

STUDY = click.argument("study", type=click.Path(path_type=Path))
VERBOSE = click.option(
    "--verbose", is_flag=True, help="Show what is logged in .search/launch.log: retries, waits, workers."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")


class _Group(click.Group):
    """Catches this project's errors once, at the edge; anything else is a bug and shows its traceback."""

    def main(self, *args: Any, **more: Any) -> Any:
        with safe_streams():
            try:
                try:
                    return super().main(*args, **more)
                finally:
                    sys.stdout.flush()  # otherwise it would fail at exit, too late for a message
            except (SearchError, ValueError) as error:
                known = error if isinstance(error, SearchError) else _of_dask(error)
                if known is None:
                    raise
                _announce(f"search: {known}")
                sys.exit(known.exit_code)

    def invoke(self, ctx: click.Context) -> Any:
        from search.driving.own_process import check_interpreter

        check_interpreter()
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _announce("search: interrupted")
            sys.exit(130)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="honest-search", prog_name="search")
def main() -> None:
    """Honest, fast hyperparameter search over TensorFlow and Spark networks.

    Start with `search init`, then `search launch sms-spam.toml`.
    """


@main.command()
@STUDY
@click.option("--fresh", is_flag=True, help="Remove what the storage holds of this study, and begin again.")
@click.option("--quiet", is_flag=True, help="No progress; only the report.")
@VERBOSE
@JSON
def launch(study: Path, fresh: bool, quiet: bool, verbose: bool, as_json: bool) -> None:
    """Run a study, or resume it, and print its report.

    Ctrl-C once: no new trials, those that run are finished. Twice: stop now. Nothing that was computed is
    lost: launch again to resume.

    .search/launch.log beside the study file has each decision, retry and wait, and what libraries print.
    """
    from search.commands.launch import launch as run
    from search.commands.launch_log import launch_log

    with launch_log(study, quiet=quiet, verbose=verbose) as display:
        result = run(study, fresh=fresh, display=display)
    _print_report(result, as_json)
    if result.interrupted:
        sys.exit(130)
    if result.best is None:
        if result.furthest is not None:
            raise StudyFailedError(
                f"not one of {len(result.records)} trials came to its last epoch, though some have scores: "
                "raise timeout and launch again, or lower model.epochs"
            )
        raise StudyFailedError(f"not one of {len(result.records)} trials finished; the causes are above")


@main.command()
@STUDY
@click.option(
    "--count",
    type=click.IntRange(min=0, max=50),
    help="Configurations that are retrained; by default report.finalists, or 5 where that is 0. With 0 only "
    "the best, the best of each framework and the enqueued trials are scored.",
)
@click.option("--quiet", is_flag=True, help="No progress; only the report.")
@VERBOSE
@JSON
def finalists(study: Path, count: int | None, quiet: bool, verbose: bool, as_json: bool) -> None:
    """Open the test rows: score the best configurations on them.

    The best configurations are retrained with seeds that the search didn't use, and the trials whose test
    scores are reported with their own. Then all are scored on the test rows, once, and the study records
    when. A launch does so by itself when its search has ended, unless report.finalists is 0. This command
    does it for one that was stopped or has 0 there, and trains only what is missing.
    """
    from search.commands.finalists import finalists as run
    from search.commands.launch_log import launch_log

    with launch_log(study, quiet=quiet, verbose=verbose) as display:
        result = run(study, count=count, display=display)
    _print_report(result, as_json)


@main.command()
@STUDY
@click.option("--html", metavar="FILE", help="Write one self-contained page.")
@click.option("--csv", metavar="FILE", help="Write a table of all trials; - is stdout.")
@click.option("--markdown", is_flag=True, help="Print Markdown to stdout.")
@JSON
def report(study: Path, html: str | None, csv: str | None, markdown: bool, as_json: bool) -> None:
    """Print the report of a study, during a run or after it.

    With --html or --csv the report goes to these files, and is printed only where --markdown or --json asks
    for it.
    """
    from search.reporting.files import markdown_of, targets, write_csv, write_html
    from search.reporting.report import report as read
    from studies.storage.collector import without_collector

    page, table = targets(study, html, csv)
    with without_collector():
        study_report = read(study)
        if page is not None:
            _announce(f"wrote {write_html(study_report, page)}")
        if table is not None:
            _announce(f"wrote {write_csv(study_report, table)}")
        if as_json or not (page or table or markdown):
            _print_report(study_report, as_json)
        elif markdown:
            print(markdown_of(study_report))


@main.command()
@STUDY
@JSON
def status(study: Path, as_json: bool) -> None:
    """Show what a study's driver does, and how far its trials are."""
    from search.commands.status import render_status
    from search.commands.status import status as read

    study_status = read(study, _announce)
    if as_json:
        print(json.dumps(study_status.to_dict(), indent=2))
    else:
        render_status(study_status, _console())


@main.command()
@STUDY
@click.option("--now", is_flag=True, help="Don't finish what runs; the next launch resumes it.")
def stop(study: Path, now: bool) -> None:
    """Ask a running study to stop.

    From any machine that reaches its storage; as Ctrl-C does.
    """
    from search.commands.status import stop as ask

    _print(ask(study, now=now, announce=_announce))


@main.command()
@STUDY
@JSON
def check(study: Path, as_json: bool) -> None:
    """Validate a study, and print what a launch would do."""
    from search.commands.check import check as plan_of
    from search.commands.check import render_plan

    plan = plan_of(study)
    if as_json:
        print(json.dumps(plan.to_dict(), indent=2))
    else:
        render_plan(plan, _console())


@main.command()
@click.argument("study", type=click.Path(path_type=Path), required=False)
@JSON
def parity(study: Path | None, as_json: bool) -> None:
    """Prove that both frameworks train the same network.

    On the data, hidden layers and seed of STUDY, by default on the built-in text messages. Takes about two
    minutes. Nothing is stored. Exit code 1 where a comparison misses its bound.
    """
    from search.commands.library_output import library_output_to
    from search.commands.parity import parity as compare
    from search.commands.parity import render_parity

    with library_output_to(Path(os.devnull)) as terminal:
        comparison = compare(study, lambda text: print(f"{text} ...", file=terminal))
    if as_json:
        print(json.dumps(comparison.to_dict(), indent=2))
    else:
        render_parity(comparison, _console())
    if comparison.failed:
        single = len(comparison.failed) == 1
        missed = "comparison misses its bound" if single else "comparisons miss their bounds"
        raise StudyFailedError(f"{len(comparison.failed)} {missed}")


@main.command()
@STUDY
@click.option("--from", "start", default="default", metavar="A", help="Where the path begins.")
@click.option("--to", "end", default="best", metavar="B", help="Where it ends.")
@click.option("--seeds", default=3, type=click.IntRange(1, 100), help="Trainings of each configuration: 3.")
@click.option(
    "--orders",
    default=10,
    type=click.IntRange(2, 1000),
    help="Beyond 6 changes, orders that are sampled in pairs: 10.",
)
@click.option("--quiet", is_flag=True, help="No progress; only the explanation.")
@JSON
def explain(study: Path, start: str, end: str, seeds: int, orders: int, quiet: bool, as_json: bool) -> None:
    """Show which change moved the score by how much, from A to B.

    A and B are the number of a trial, best, worst, default (the first enqueued trial) or the name of a
    [recipe.NAME] in the study file; by default, from default to best. Every mixture of the two that is
    needed is trained with the same seeds, and kept: Ctrl-C loses nothing, and nothing is trained twice. The
    test rows are not touched.
    """
    from search.commands.launch_log import launch_log
    from search.explaining.explain import Effort
    from search.explaining.explain import explain as run
    from search.explaining.terminal import render_explanation
    from search.explaining.words import to_json

    with launch_log(study, quiet=quiet) as display:
        effort = Effort(seeds, pairs=(orders + 1) // 2)
        explanation = run(study, start, end, effort=effort, display=display)
    if as_json:
        print(json.dumps(to_json(explanation), indent=2))
    else:
        render_explanation(explanation, _console())


@main.command()
@STUDY
@click.option("--dry-run", is_flag=True, help="Only show what would be mended.")
def repair(study: Path, dry_run: bool) -> None:
    """Show what is wrong with a study's files, and mend it.

    Its storage, checkpoints and cache.

    Exit code 1 where something remains that a person has to mend.
    """
    from search.commands.repair import repair as look_and_mend

    result = look_and_mend(study, mend=not dry_run)
    _print("\n".join(result.lines()))
    if not result.is_fine:
        sys.exit(1)


@main.command()
@click.argument("address")
@click.option("--slots", type=click.IntRange(min=0), help="Trials at once on the CPU; by default one a core.")
@click.option(
    "--trials-per-gpu",
    type=click.IntRange(min=1, max=64),
    default=1,
    help="Processes that share each GPU and its memory.",
)
@click.option("--host", help="Address at which the workers listen; by default that towards the scheduler.")
@click.option("--tls-ca", help="Certificate of the authority, for a tls:// address; PEM.")
@click.option("--tls-cert", help="Certificate of these workers; PEM.")
@click.option("--tls-key", help="Its private key; PEM.")
def worker(address: str, slots: int | None, trials_per_gpu: int, host: str | None, **tls: str | None) -> None:
    """Start workers on this machine for the scheduler at ADDRESS.

    One process for each GPU, one for each slot on the CPU, and one for Spark where there is a Java. They end
    with the scheduler, or with Ctrl-C.
    """
    from search.commands.worker import WorkerOptions, run_workers, section_of

    section = section_of(address, tls)
    run_workers(WorkerOptions(section, slots, trials_per_gpu, host), _announce)


@main.command()
@STUDY
@click.option("--port", default=0, show_default="any free one", help="Port to listen on.")
def dashboard(study: Path, port: int) -> None:
    """Open a study in Optuna's dashboard, during a run or after it.

    On this machine alone; prints the link and serves until Ctrl-C. Each trial's page has its learning curve,
    confusion matrix, precision-recall curve and predictions. Notes can be written there; the study can't be
    changed.
    """
    from search.dashboard.dashboard import dashboard as opened

    with opened(study, port) as (server, address):
        print(address, flush=True)
        _announce("Ctrl-C ends it.")
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


@main.command()
@STUDY
@click.argument("directory", metavar="DIR")
@click.option("--trial", type=int, help="Number of the trial; by default the best.")
@click.option("--quiet", is_flag=True, help="No progress.")
@VERBOSE
def export(study: Path, directory: str, trial: int | None, quiet: bool, verbose: bool) -> None:
    """Write the winner as a model that works without this project.

    DIR gets a .keras file or a Spark ML model, the feature step, labels, threshold, a model card and an
    example that runs. The trial is retrained for it, with its own seed.
    """
    from search.commands.launch_log import launch_log
    from search.exporting.export import export as write

    with launch_log(study, quiet=quiet, verbose=verbose) as display:
        written = write(study, directory, trial=trial, display=display)
    _print("\n".join(written.lines()))


@main.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    help="Predict the positive class above this probability; by default the model's own, 0.5.",
)
@JSON
def predict(directory: Path, file: Path, threshold: float | None, as_json: bool) -> None:
    """Score the rows of a file with an exported model.

    DIR is what `search export` wrote. Prints csv to stdout, a row for each of FILE's: the predicted label,
    and the probability of each label.
    """
    from search.exporting.predict import predict as score

    predictions = score(directory, file, threshold)
    for note in predictions.notes:
        _announce(note)
    if as_json:
        rows = [dict(zip(predictions.columns, row, strict=True)) for row in predictions.rows()]
        print(json.dumps(rows, indent=2))
    else:
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        cells: list[Sequence[Any]] = [predictions.columns, *predictions.rows()]
        if sys.stdout.isatty():  # what a program reads is left as it is
            cells = [[printable(cell) if isinstance(cell, str) else cell for cell in row] for row in cells]
        writer.writerows(cells)
        write_to_stdout(table.getvalue().encode(errors="backslashreplace"))


@main.command()
@click.argument("example", default="sms-spam")
def init(example: str) -> None:
    """Write a commented study file to start from.

    EXAMPLE is sms-spam (the default), question or question-sorted.
    """
    from search.output.files import new_file

    examples = importlib.resources.files("studies") / "examples"
    names = sorted(entry.name.removesuffix(".toml") for entry in examples.iterdir())
    if example not in names:
        raise StudyFileError(
            f"there is no example '{example}'", allowed=", ".join(names), remedy=nearest(example, names)
        )
    target = Path(f"{example}.toml")
    new_file(target, (examples / target.name).read_bytes())
    print(f"wrote {target}\nnext: search check {target}\n      search launch {target}")


def _of_dask(error: ValueError) -> SearchError | None:
    """The error of importing Dask where a file of its configuration is no YAML."""
    from search.cluster.dask_settings import refusal_of

    return refusal_of(error)


def _announce(text: str) -> None:
    print(printable_lines(text), file=sys.stderr)


def _print(text: str) -> None:
    print(printable_lines(text))


def _print_report(result: Any, as_json: bool) -> None:
    if as_json:
        from search.reporting.plain import plain_report

        print(json.dumps(plain_report(result), indent=2))
    else:
        from search.reporting.terminal import render_report

        render_report(result, _console())


def _console() -> Any:
    from search.output.terminal import Console

    # A pipe has no width of its own. 100 columns hold every column of the tables, and logs don't wrap.
    return Console(width=None if sys.stdout.isatty() else 100)
