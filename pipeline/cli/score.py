"""Scoring: a model's answers to the items of a task, and retrieval by descriptions."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mcu.cli.counting import counting
from mcu.cli.terminal import (
    OUTPUTS,
    ConfigFile,
    Json,
    Outputs,
    Profile,
    Setting,
    app,
    finished,
    put,
    put_json,
    say,
    settle,
)
from mcu.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mcu.derive import Task

score_app = typer.Typer(no_args_is_help=True, help="Scores of a model's answers.")
app.add_typer(score_app, name="score")

# Those of `mcu derive` whose items have options; a list of their own keeps `mcu --help` fast.
CHOICES = {
    "coref": "coreference items",
    "timeline-order": "items on the order of events",
    "image-recall": "items on pictures shown before",
    "timeline-qa": "items on what was told when",
    "image-choice-refine": "items on the right picture",
    "multi-image-qa": "items on several pictures",
}

Answers = Annotated[
    Path | None,
    typer.Argument(help="A .jsonl, .json, .csv or .parquet file: item_id, output, rotation."),
]
Set = Annotated[
    Path | None, typer.Option("--set", metavar="FOLDER", help="The set; a run's by default.")
]
RunName = Annotated[str, typer.Option("--run", help="The run; the newest complete by default.")]
Split = Annotated[
    Literal["train", "validation", "test", "all"], typer.Option(help="The items that are asked.")
]


def _choice(
    context: typer.Context,
    answers: Answers = None,
    folder: Set = None,
    run: RunName = "",
    split: Split = "test",
    by_group: Annotated[
        bool, typer.Option("--by-group", help="Intervals by a bootstrap over split groups.")
    ] = False,
    each: Annotated[
        Path | None, typer.Option("--each", metavar="FILE", help="Write every answer's score.")
    ] = None,
    write_prompts: Annotated[
        Path | None,
        typer.Option("--write-prompts", metavar="FILE", help="Write what to ask, and no score."),
    ] = None,
    rotations: Annotated[
        bool, typer.Option("--rotations", help="Prompts with the options in every rotation.")
    ] = False,
    view: Annotated[
        str, typer.Option(help="Prompts that show this part alone, such as 'last turn'.")
    ] = "",
    outputs: Outputs = OUTPUTS,
    as_json: Json = False,
) -> None:
    from mcu.derive import tasks_named
    from mcu.items import SPLITS

    task = str(context.info_name)
    if (answers is None) == (write_prompts is None):
        raise ConfigError(f"score {task} takes a file of answers, or --write-prompts with a file")
    (chosen,) = tasks_named(task)
    folder = folder or finished(outputs, run).root / "release" / chosen.folder
    splits = SPLITS if split == "all" else (split,)
    if write_prompts:
        _prompts(chosen, folder, splits, write_prompts, rotations, view)
    elif answers:
        _scores(chosen, folder, splits, answers, by_group, each, as_json)


for _task, _what in CHOICES.items():
    score_app.command(_task, help=f"Score answers to {_what}, or write the prompts.")(_choice)


@score_app.command()
def retrieval(
    file: Annotated[
        Path,
        typer.Argument(help=".jsonl, .json, .csv or .parquet: id, description, image or caption."),
    ],
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Of the images; that of FILE by default.")
    ] = None,
    run: Annotated[
        str, typer.Option("--run", help="The images are keys of this run's pictures.")
    ] = "",
    outputs: Outputs = OUTPUTS,
    config: ConfigFile = None,
    profile: Profile = "auto",
    set_: Setting = None,
    as_json: Json = False,
) -> None:
    """Find pictures by descriptions as for PhotoChat: R@1, R@5, R@10 and MRR.

    The encoder is that of the configuration.
    """
    from mcu.backends.build import open_encoder
    from mcu.run import Run
    from mcu.scores.retrieval import files_of, read_pairs, retrieve
    from mcu.scores.tables import retrieval_lines

    pairs = read_pairs(file)
    encoder = open_encoder(settle(profile, config, set_))
    keys = files_of(Run.open(outputs / run), pairs) if run else {}
    home = folder or file.parent
    with counting("rows") as tell:
        facts = retrieve(pairs, encoder, lambda name: keys.get(name, home / name), tell)
    if as_json:
        put_json(facts)
    else:
        put("\n".join(retrieval_lines(facts)))


def _scores(
    task: "Task",
    folder: Path,
    splits: tuple[str, ...],
    path: Path,
    by_group: bool,
    each: Path | None,
    as_json: bool,
) -> None:
    from mcu.scores.choice import read_answers, records, report, scored
    from mcu.scores.reading import questions_of
    from mcu.scores.tables import score_lines

    answers, rotations = read_answers(path)
    found = scored(questions_of(folder, task, splits), answers, rotations)
    facts = {"task": task.name, "splits": list(splits), **report(found, by_group)}
    if each:
        _write(each, records(found))
    if as_json:
        put_json(facts)
    else:
        put("\n".join([f"{task.name}, {' and '.join(splits)}", *score_lines(facts)]))


def _prompts(
    task: "Task",
    folder: Path,
    splits: tuple[str, ...],
    path: Path,
    rotations: bool,
    view: str,
) -> None:
    from mcu.scores.choice import prompts
    from mcu.scores.reading import items_of

    count = _write(path, prompts(items_of(folder, task, splits), task, rotations, view))
    say(f"wrote {count:,} prompts to {path}; answer them as JSONL of item_id and output")


def _write(path: Path, rows: "Iterable[dict[str, object]]") -> int:
    from mcu.store import dump

    count = 0
    try:
        with path.open("wb") as file:
            for row in rows:
                file.write(dump(row))
                count += 1
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}") from error
    return count
