"""Ultron records: portrait, name, date and history up to a turn, and the picture shared there."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mcu import __version__
from mcu.errors import ConfigError, Incomplete
from mcu.export.answers import plain, share
from mcu.export.files import ExportFiles
from mcu.export.templates import Template, own_template
from mcu.ids import uuid4_of
from mcu.records import Picture, Session, SharedImage, Turn
from mcu.release.episodes import Episode
from mcu.release.rows import key_of
from mcu.release.sign import open_signer
from mcu.transcript import MARKER, transcript

if TYPE_CHECKING:
    from mcu.run import Run

History = Literal["turns", "merged"]
Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class Options:
    """How the records are made.

    Attributes:
        negatives: one record for each turn without a picture, too; its answer is the text.
        summaries: the summaries of all earlier sessions come before the history.
        history: "turns" keeps each turn on a line of its own; "merged" joins what one speaker says
            in a row, up to a picture, and asks for all of it.
        marker: stands for an earlier picture in the history; `{description}` is the picture's.
        template: the user message; None for ours.
    """

    negatives: bool = False
    summaries: bool = False
    history: History = "turns"
    marker: str = MARKER
    template: Template | None = None


def export_ultron(
    run: "Run", folder: Path, options: Options, tell: Tell | None = None
) -> dict[str, Any]:
    """Write the records of a complete run; gives what `export.json` tells.

    Equal runs and options give equal bytes, but for signatures where pictures are signed.

    Raises:
        ConfigError: the run is not complete, has no summaries where they are asked for, or the
            folder, the template or the marker will not do.
        Incomplete: there is not one record.
        StoreError: the disk is full.
    """
    from mcu.export.ready import material

    template = options.template or own_template("ultron")
    _check(options, template)
    signer = open_signer(run.config.release)
    found = material(run, options.summaries)
    with ExportFiles(folder) as files:
        for number, episode in enumerate(found.episodes(), 1):
            name = f"images/{episode.face.key}.jpg"
            for record in records(episode, run.config.run.seed, options):
                if not files.has_picture(name):
                    data = run.store.image(episode.face.image)
                    files.add_picture(name, signer.sign(data) if signer else data)
                files.add(episode.split, record)
            if tell:
                tell(number, 0)
        if not files.counts:
            raise Incomplete("no picture is shared in this run, so that there is no record")
        about = {"kind": "ultron", "mcu": __version__, **vars(options)}
        return files.finish(about | {"template": template.hash})


def _check(options: Options, template: Template) -> None:
    if "{description}" not in options.marker or "\n" in options.marker:
        raise ConfigError("--marker must be one line and hold {description}")
    if options.summaries and "summary" not in template.slots:
        raise ConfigError("the template has no slot {summary}, where --summaries would go")


def records(episode: Episode, seed: int, options: Options) -> Iterator[dict[str, Any]]:
    """The records of one episode, in order of its turns."""
    known = _summaries(episode) if options.summaries else {}
    pictures = episode.shown
    for session in episode.sessions:
        before = [text for number, text in sorted(known.items()) if number < session.number]
        lines = _lines(session, options.history)
        for number, (turn, at) in enumerate(lines):
            if turn.image is None and not options.negatives:
                continue
            past = [line for line, _ in lines[:number]]
            yield _record(
                episode, session, turn, at, pictures.get((session.number, at)), seed
            ) | _messages(episode, session, turn, past, before, options)


def _lines(session: Session, history: History) -> list[tuple[Turn, int]]:
    """What is said and shown, message by message, each with the number of its (last) turn.

    A turn with words and a picture is two messages, words first; merged ones are one.
    """
    parts: list[tuple[Turn, int]] = []
    for number, turn in enumerate(session.turns, 1):
        if turn.utterance:
            parts.append((turn.model_copy(update={"image": None}), number))
        if turn.image is not None:
            parts.append((turn.model_copy(update={"utterance": ""}), number))
    if history == "turns":
        return parts
    merged: list[tuple[Turn, int]] = []
    for _, group in groupby(parts, key=lambda part: part[0].speaker):
        merged += _joined(list(group))
    return merged


def _joined(parts: list[tuple[Turn, int]]) -> Iterator[tuple[Turn, int]]:
    said: list[str] = []
    for turn, number in parts:
        said += [turn.utterance] if turn.utterance else []
        if turn.image is not None or (turn, number) == parts[-1]:
            yield turn.model_copy(update={"utterance": " ".join(said)}), number
            said = []


def _record(
    episode: Episode,
    session: Session,
    turn: Turn,
    at: int,
    picture: Picture | None,
    seed: int,
) -> dict[str, Any]:
    image: SharedImage | None = turn.image
    source = episode.index(seed)
    kind = "share" if image else "text"
    return {
        "id": uuid4_of("ultron", source, session.number, at, kind),
        "unique_id": source,
        "split_group": episode.persona.id,
        "session": session.number,
        "turn": at,
        "speaker": turn.speaker,
        "shares": image is not None,
        "description": plain(image.description) if image else "",
        "image_key": key_of(picture) if image else "",
        "face_key": f"face:{episode.face.key}",
    }


def _messages(
    episode: Episode,
    session: Session,
    turn: Turn,
    past: list[Turn],
    before: list[str],
    options: Options,
) -> dict[str, Any]:
    history = transcript(past, options.marker)
    prompt = (options.template or own_template("ultron")).fill(
        name=episode.persona.name,
        date=session.date,
        dialogue=f"{history}\n{turn.speaker}:".lstrip("\n"),
        summary="\n".join(before),
        negatives=options.negatives,
    )
    words = plain(turn.utterance)
    target = " ".join([words, share(turn.image.description)] if turn.image else [words]).strip()
    asked = [{"type": "text", "text": prompt}, {"type": "image"}]
    return {
        "images": [f"images/{episode.face.key}.jpg"],
        "messages": [
            {"role": "user", "content": asked},
            {"role": "assistant", "content": [{"type": "text", "text": target}]},
        ],
    }


def _summaries(episode: Episode) -> dict[int, str]:
    """What is told of each session, with its date, by number."""
    from mcu.stages.derive.summary import Summary

    dates = {session.number: session.date for session in episode.sessions}
    return {s.number: f"{dates[s.number]}: {s.text}" for s in episode.of(Summary)}
