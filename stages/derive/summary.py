"""Stage 9 and the task "summary": what the assistant keeps of each session (paper, App. F)."""

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, Literal

from mcu.context import Context
from mcu.contract import Reply, stage
from mcu.derive import Material, Message, Task
from mcu.errors import Fault, Reject
from mcu.ids import uuid4_of
from mcu.items import Item, ItemSource
from mcu.languages import ENGLISH, keeps_names, language_code, language_name, written_in
from mcu.records import Events, Persona, Record, Session
from mcu.release.episodes import Episode
from mcu.stages.text import bare, content_words, mentions, words
from mcu.transcript import transcript

Round = Literal["first", "next"]
_LENGTH = (20, 160)  # words of an English summary
_SIGNS = (30, 1_500)  # of one in another language, where words are not always parted
_RUN = 5  # words that follow each other alike
_COPIED = 0.5  # share of a summary's runs that may stand in the dialogue
_REPEATED = 0.25  # share that may stand in the summary before
_LONGEST = 24  # words in a row that may be the dialogue's
_TOLD = 2  # words of a picture's description that must come up
_DATE = re.compile(r"\b(\d{4})[./-](\d{1,2})[./-](\d{1,2})\b")
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")


class Summary(Record):
    """What is kept of one session; a "next" round was told the summary of the session before."""

    number: int
    text: str
    round: Round


class Memory(Reply):
    """The summary as the model writes it."""

    summary: str


@stage(
    9,
    takes=Events,
    makes=Summary,
    needs=(Persona, Session),
    uses=("chat", "checks"),
    prompts=("summary_first", "summary_next"),
    version=1,
)
async def summary(episode: Events, ctx: Context) -> list[Summary]:
    """One summary a session, each told what the one before says and how long ago that was.

    A session whose summary is lost is noted; the next one begins anew, as a first round.
    """
    persona = ctx.of(Persona)
    language = language_name(str(ctx.services.writing("dialogue").language))
    made: list[Summary] = []
    past: Session | None = None
    for session in sorted(ctx.all(Session), key=lambda session: session.number):
        before = made[-1] if made and past and made[-1].number == past.number else None
        given: dict[str, Any] = {"persona": persona, "session": session, "language": language}
        if before and past:
            given |= {"previous": before.text, "last_date": past.date}
        past = session
        try:
            reply = await ctx.ask(
                "summary_next" if before else "summary_first",
                Memory,
                check=_checker(session, before.text if before else "", persona.name, language),
                **given,
            )
        except Reject as loss:
            ctx.reject(loss.code, f"session {session.number}: {loss}", loss.raw)
            continue
        text = " ".join(reply.summary.split())
        kind: Round = "next" if before else "first"
        made.append(Summary(parent=episode.id, number=session.number, text=text, round=kind))
    return made


def _checker(session: Session, previous: str, name: str, language: str) -> Callable[[Memory], None]:
    return lambda reply: check(reply.summary, session, previous, name, language)


def check(text: str, session: Session, previous: str, name: str, language: str = ENGLISH) -> None:
    """Raise Fault for the first rule that a summary breaks.

    Args:
        text: the summary.
        session: what it is about.
        previous: the summary of the session before, empty in a first round.
        name: the person's.
        language: what it must be written in, as its English name.
    """
    dialogue = " ".join(turn.utterance for turn in session.turns)
    if language == ENGLISH:
        _check_english(text, session, name)
    else:
        _check_signs(text, name, language)
    _check_own_words(text, session, dialogue, previous)
    _check_dates(text, session.date, dialogue)


def _check_english(text: str, session: Session, name: str) -> None:
    fewest, most = _LENGTH
    if not fewest <= len(words(text)) <= most:
        raise Fault(f"the summary must have {fewest} to {most} words, not {len(words(text))}")
    if not written_in(text, ENGLISH, [name]):
        raise Fault(f"the summary must be written in {ENGLISH}")
    if not (mentions(text, name) or mentions(text, name.split()[0])):
        raise Fault(f"the summary must name {name!r}")
    if not mentions(text, "assistant"):
        raise Fault("the summary must tell what the AI Assistant said or did")
    kept = content_words(text)
    for turn in session.turns:
        shown = content_words(turn.image.description) - content_words(name) if turn.image else set()
        if len(shown & kept) < min(_TOLD, len(shown)):
            raise Fault(f"the summary must mention the picture of {turn.image.description!r}")  # type: ignore[union-attr]


def _check_signs(text: str, name: str, language: str) -> None:
    """What is told without a dictionary; pictures are described in English alone."""
    fewest, most = _SIGNS
    if not fewest <= len(text) <= most:
        raise Fault(f"the summary must have {fewest} to {most} characters, not {len(text)}")
    if not written_in(text, language, [name]):
        raise Fault(f"the summary must be written in {language}")
    # The last letter may give way to an ending of the language.
    if keeps_names(language) and bare(name)[:-1] not in bare(text):
        raise Fault(f"the summary must name {name!r}")


def _check_own_words(text: str, session: Session, dialogue: str, previous: str) -> None:
    """What is said or shown once more may be told once more."""
    copied = _stands_in(text, said := _runs(dialogue))
    if _share(copied) > _COPIED or _longest(copied) > _LONGEST - _RUN:
        raise Fault("the summary must be in its own words, not a copy of what was said")
    shown = " ".join(turn.image.description for turn in session.turns if turn.image)
    if _share(_stands_in(text, _runs(previous) - _runs(shown) - said)) > _REPEATED:
        raise Fault("the summary must not repeat the previous summary")


def _check_dates(text: str, today: str, dialogue: str) -> None:
    """A date after the session's is of the future, unless both spoke of it."""
    day = tuple(int(part) for part in today.split("."))
    for found in _DATE.finditer(text):
        if tuple(int(part) for part in found.groups()) > day and found[0] not in dialogue:
            raise Fault(f"the summary must not tell of {found[0]}, which is after {today}")
    for found in _YEAR.finditer(text):
        if int(found[0]) > day[0] and found[0] not in dialogue:
            raise Fault(f"the summary must not tell of {found[0]}, which is after {today}")


def _in_order(text: str) -> list[tuple[str, ...]]:
    row = words(text)
    return [tuple(row[at : at + _RUN]) for at in range(len(row) - _RUN + 1)]


def _runs(text: str) -> set[tuple[str, ...]]:
    return set(_in_order(text))


def _stands_in(text: str, runs: set[tuple[str, ...]]) -> list[bool]:
    return [run in runs for run in _in_order(text)]


def _share(runs: list[bool]) -> float:
    return sum(runs) / len(runs) if runs else 0.0


def _longest(runs: list[bool]) -> int:
    """The most runs in a row that are so."""
    most = now = 0
    for run in runs:
        now = now + 1 if run else 0
        most = max(most, now)
    return most


class SummaryItem(Item):
    """One session, what was known before it, and its summary.

    `dialogue` has a line a turn, with a marker where a picture is shared. In a first round
    `previous_summary`, `time_interval` and `last_date` are empty.
    """

    name: str
    date: str
    session: int
    number_of_session: int
    round: Round
    previous_summary: str
    time_interval: str
    last_date: str
    dialogue: str
    summary: str


def items(material: Material) -> Iterator[SummaryItem]:
    """One item a session that has a summary."""
    for episode in material.episodes():
        kept = {summary.number: summary for summary in episode.of(Summary)}
        for past, session in pairwise([None, *episode.sessions]):
            if session is None or session.number not in kept:
                material.drop("no summary was kept of the session")
                continue
            yield _item(material, episode, session, past, kept)


def _item(
    material: Material,
    episode: Episode,
    session: Session,
    past: Session | None,
    kept: dict[int, Summary],
) -> SummaryItem:
    own = kept[session.number]
    source = episode.index(material.config.run.seed)
    told = past if own.round == "next" else None
    language = language_code(str(material.config.chat.of("dialogue").language))
    return SummaryItem(
        item_id=uuid4_of("summary", own.id),
        task=TASK.name,
        task_version=TASK.version,
        language=language,
        split=episode.split,
        split_group=episode.persona.id,
        source=ItemSource(unique_id=source, sessions=[session.number]),
        provenance=material.provenance(summary),
        checks={"copied": _copied(own.text, session)},
        name=episode.persona.name,
        date=session.date,
        session=session.number,
        number_of_session=len(episode.sessions),
        round=own.round,
        previous_summary=kept[told.number].text if told else "",
        time_interval=str(session.interval) if told and session.interval else "",
        last_date=told.date if told else "",
        dialogue=transcript(session.turns),
        summary=own.text,
    )


def _copied(text: str, session: Session) -> float:
    """The share of a summary's runs of five words that stand in the dialogue."""
    said = _runs(" ".join(turn.utterance for turn in session.turns))
    return round(_share(_stands_in(text, said)), 3)


def chat(item: SummaryItem) -> list[Message]:
    """What the summariser is trained on: the round's prompt, and the summary."""
    from mcu.export.templates import summariser

    return summariser(item)


def flat(item: SummaryItem) -> dict[str, Any]:
    """The JSON form: the fields of the round, without the envelope."""
    fields = ("name", "date", "session", "previous_summary", "time_interval", "last_date")
    row = {"id": item.item_id, "index": item.source.unique_id}
    return row | {name: getattr(item, name) for name in (*fields, "dialogue", "summary")}


TASK = Task(
    name="summary",
    folder="stark-summary",
    version=1,
    about="One summary a session of what both speakers said and showed, told from the one before.",
    makes=SummaryItem,
    items=items,
    stages=(summary,),
    chat=chat,
    forms={"json": flat},
)
