"""The scripted author: its answers pass every stage's rules, vary, and hang together."""

import asyncio
import json
import os
import random
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import pairwise
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from mcu import prompts
from mcu.author import grammar
from mcu.author.grammar import GrammarError, Voice, article, to_third, verb, verb_base
from mcu.author.sheet import library
from mcu.backends import ChatRequest, Dispatch
from mcu.backends.scripted import Scripted, answer
from mcu.config import Config
from mcu.records import (
    RELATIONS,
    AlbumEntry,
    Commonsense,
    Events,
    Narrative,
    Persona,
    PersonaSeed,
    Session,
    SharedImage,
    Turn,
)
from mcu.stages.album import Album
from mcu.stages.album import check as check_album
from mcu.stages.align import Planned, Slot, slots
from mcu.stages.align import check as check_plan
from mcu.stages.commonsense import Inferences
from mcu.stages.commonsense import check as check_inferences
from mcu.stages.dialogue import Script, _share, _speaker
from mcu.stages.dialogue import check as check_script
from mcu.stages.events import Graph, _event
from mcu.stages.events import check as check_graph
from mcu.stages.narrative import Story, keeps_facts
from mcu.stages.persona import Attributes, Duplicates, _check_all, _name, seeds, taxonomy
from mcu.stages.text import mentions, sentences, words

M = TypeVar("M", bound=BaseModel)
LAST = date(2024, 4, 30)
TASKS = ("persona", "commonsense", "narrative", "events", "album", "dialogue", "plan")


@dataclass
class Episode:
    persona: Persona
    inference: Commonsense
    narrative: Narrative
    graph: Graph
    album: list[AlbumEntry]
    sessions: list[Session]
    plans: list[tuple[Slot, Planned]]


def ask(prompt: str, reply: type[M], **variables: Any) -> M:
    template = prompts.load(prompt)
    if "language" in template.variables:
        variables["language"] = "English"
    return reply.model_validate_json(answer(template.fill(**variables), 0))


def personas(seed: PersonaSeed) -> list[Persona]:
    reply = ask("persona", Attributes, seed=seed)
    _check_all(reply, seed.count)
    shared = seed.model_dump(exclude={"id", "parent", "number", "count"})
    return [
        Persona(
            parent=seed.id,
            entity_value=item.value,
            sentence=item.sentence,
            name=_name(seed.birthplace, seed.gender, seed.id, number),
            **shared,
        )
        for number, item in enumerate(reply.personas)
    ]


def narratives(persona: Persona) -> Iterator[tuple[Commonsense, Narrative]]:
    reply = ask("commonsense", Inferences, persona=persona)
    check_inferences(reply)
    for relation in RELATIONS:
        clause = Commonsense(
            parent=persona.id, relation=relation, inference=getattr(reply, relation)
        )
        story = ask("narrative", Story, persona=persona, inference=clause).narrative
        keeps_facts(story, persona, clause)
        yield clause, Narrative(parent=clause.id, text=story)


def episode(
    persona: Persona, clause: Commonsense, narrative: Narrative, planned: bool = True
) -> Episode:
    given_facts = {"persona": persona, "inference": clause, "narrative": narrative}
    graph = ask("events", Graph, **given_facts, fewest=4, most=6, last_date="2024.04.30")
    check_graph(graph, 4, 6, LAST)
    images = ask("album", Album, persona=persona, narrative=narrative)
    check_album(images, persona)
    album = [
        AlbumEntry(number=number, description=image.description, category=image.category)
        for number, image in enumerate(images.images, 1)
    ]
    first, sessions = album, list[Session]()
    events = Events(parent=narrative.id, events=[_event(node) for node in graph.events])
    for event in events.events:
        script = ask(
            "dialogue",
            Script,
            **given_facts,
            album=first,
            earlier=sessions,
            event=event,
            total=len(events.events),
            turns=10,
            moments=2,
        )
        check_script(script, persona.name, album, 2)
        turns = []
        for line in script.turns:
            image = None
            if line.image is not None:
                image, album = _share(line.image, album)
            who = _speaker(line.speaker, persona.name)
            turns.append(Turn(speaker=who, utterance=line.utterance, image=image))
        shared = event.model_dump(exclude={"caused_by"})
        sessions.append(Session(parent=events.id, turns=turns, album=album, **shared))
    plans = [(slot, plan_of(slot, persona)) for slot in slots(sessions) if planned]
    return Episode(persona, clause, narrative, graph, first, sessions, plans)


def plan_of(slot: Slot, persona: Persona) -> Planned:
    plan = ask(
        "plan",
        Planned,
        persona=persona,
        sharer=slot.sharer,
        source="mobile" if slot.album else "internet",
        category=slot.category,
        keywords=slot.keywords,
        description=slot.description,
    )
    check_plan(plan, slot, persona)
    return plan


@cache
def people(count: int, seed: int = 0) -> list[Persona]:
    config = Config.model_validate({"run": {"seed": seed}})
    return [personas(seed)[0] for seed in seeds(config, 0, count)]


@cache
def episodes() -> list[Episode]:
    return [episode(p, *pair) for p in people(20) for pair in narratives(p)]


def five_each() -> Iterator[list[Episode]]:
    """The episodes of each persona."""
    found = episodes()
    return (found[at : at + 5] for at in range(0, len(found), 5))


def shared(one: Episode, source: str = "internet") -> Iterator[tuple[int, SharedImage]]:
    """The pictures of one source with the numbers of their sessions."""
    for session in one.sessions:
        for turn in session.turns:
            if turn.image and turn.image.source == source:
                yield session.number, turn.image


def subject(picture: SharedImage) -> str:
    return picture.description.split(",")[0].casefold()


def texts(found: Episode) -> Iterator[str]:
    yield found.persona.sentence
    yield found.narrative.text
    yield from (picture.description for picture in found.album)
    for session in found.sessions:
        yield session.event
        yield session.experience
        for turn in session.turns:
            yield turn.utterance
            if turn.image:
                yield turn.image.description
                yield turn.image.rationale


BAD = re.compile(
    r"[{}<>|]|\s{2}|\s[,.!?;]|[,;:]{2}|(?<!\.)\.\.(?!\.)|[!?]\."
    r"|\b(?:a|an|the) (?:a|an|the|my|your|his|her) |\ba [aeio](?!ne\b|nce\b)|\ban [bcdfgjkmpqtvwz]"
    r"|\bme's\b|\b(?:my|your|his|her|their) (?:my|your|his|her|their|a|an|the)\b"
)


def test_attributes_fit_every_category() -> None:
    countries = taxonomy()["countries"]
    for number, (category, key) in enumerate(taxonomy()["categories"]):
        for age in (18, 27, 45, 62, 89):
            seed = PersonaSeed(
                number=number,
                category=category,
                entity_key=key,
                age=age,
                gender="female" if age % 2 else "male",
                birthplace=countries[number % 19],
                residence=countries[(number + age) % 19],
                count=30,
            )
            found = personas(seed)
            values = {person.entity_value.casefold() for person in found}
            assert len(found) == 30
            few = key in ("job status", "school status", "vehicle", "medicine", "profession")
            assert len(values) >= (9 if few else 28), key
            for person in found:
                assert len(words(person.sentence)) <= 25, person.sentence
                most = 9 if key == "country" else 5
                assert len(person.entity_value.split()) <= most, person.entity_value
                assert sentences(person.sentence) == 1, person.sentence
                assert not BAD.search(person.sentence), person.sentence
            if key == "country":
                assert all(seed.residence in person.entity_value for person in found)


def test_ages_fit() -> None:
    def values(category: str, key: str, age: int) -> set[str]:
        return {
            person.entity_value
            for number in range(4)
            for person in personas(
                PersonaSeed(
                    number=number,
                    category=category,
                    entity_key=key,
                    age=age,
                    gender="male",
                    birthplace="Japan",
                    residence="Japan",
                    count=30,
                )
            )
        }

    assert not {"high school pupil", "ninth-grader"} & values(
        "School > Status", "school status", 80
    )
    assert "retired" in values("Employment > Job Status", "job status", 80)
    assert "retired" not in values("Employment > Job Status", "job status", 25)
    assert "dentist" not in values("Employment > Profession", "profession", 18)


def test_thousand_personas_repeat_little() -> None:
    duplicates = Duplicates()
    kept = sum(duplicates.add(person) for person in people(1000))
    assert kept > 850


def test_thousand_narratives_are_all_different() -> None:
    found = [narrative.text for person in people(200) for _, narrative in narratives(person)]
    assert len(found) == len(set(found)) == 1000


def test_hundred_episodes_have_the_papers_shape() -> None:
    found = episodes()
    sessions = [session for one in found for session in one.sessions]
    turns = [len(session.turns) for session in sessions]
    images = [turn.image for session in sessions for turn in session.turns if turn.image]
    assert 5.0 <= len(sessions) / len(found) <= 5.6
    assert 9 <= sum(turns) / len(turns) <= 11.5
    assert min(turns) >= 6 and max(turns) <= 17
    assert 1.5 <= len(images) / len(sessions) <= 3
    assert 0.34 <= sum(image.source == "mobile" for image in images) / len(images) <= 0.45
    ops = Counter(session.op for session in sessions if session.op)
    assert 0.12 <= ops["update"] / ops.total() <= 0.23
    units = Counter(session.interval.unit for session in sessions if session.interval)
    assert units["hour"] + units["day"] > 0.35 * units.total()
    assert units["year"] < 0.1 * units.total()
    years = Counter(session.date[:4] for session in sessions)
    assert sum(years[year] for year in ("2021", "2022", "2023", "2024")) > 0.85 * len(sessions)


def test_hundred_episodes_rarely_repeat_an_utterance() -> None:
    where: dict[str, set[int]] = defaultdict(set)
    count = Counter[str]()
    pairs: list[tuple[str, str]] = []
    for number, one in enumerate(episodes()):
        for session in one.sessions:
            for turn in session.turns:
                if turn.utterance:
                    where[turn.utterance].add(number)
                    count[turn.utterance] += 1
                if turn.speaker == one.persona.name:
                    said = re.findall(r"[a-z0-9']+", turn.utterance.lower())
                    pairs += pairwise(said)
    repeated = sum(n for text, n in count.items() if len(where[text]) > 1)
    assert repeated / count.total() <= 0.03
    assert len(set(pairs)) / len(pairs) >= 0.17


def test_five_episodes_of_a_persona_share_few_events() -> None:
    for five in five_each():
        about = len(words(five[0].persona.name))
        found = [tuple(words(s.event)[about : about + 3]) for one in five for s in one.sessions]
        assert len(set(found)) >= 0.8 * len(found), Counter(found)
        pictures = [subject(picture) for one in five for _, picture in shared(one)]
        assert len(set(pictures)) >= 0.8 * len(pictures), Counter(pictures)


def test_an_episode_shows_no_internet_picture_twice() -> None:
    for one in episodes():
        found = [subject(picture) for _, picture in shared(one)]
        assert len(set(found)) == len(found), found


def test_some_device_pictures_come_up_again() -> None:
    again = 0
    for one in episodes():
        found = {(picture.album, number) for number, picture in shared(one, "mobile")}
        again += len({album for album, _ in found}) < len(found)
    assert 0.15 <= again / len(episodes()) <= 0.4


def test_most_sessions_end_with_the_assistant() -> None:
    last = [s.turns[-1].speaker for one in episodes() for s in one.sessions]
    assert 0.05 <= sum(who != "AI Assistant" for who in last) / len(last) <= 0.2


def test_hours_bring_nothing_that_takes_longer() -> None:
    long = re.compile(r"\b(?:weeks?|months?|winter|days|nights|evenings|every)\b")
    for one in episodes():
        for session in one.sessions:
            if session.interval and session.interval.unit == "hour":
                assert not long.search(session.experience), session.experience


TAILS = ("tail_own", "tail_web", "tail_chart")
# What a picture's last words may not claim to see.
SEEN = re.compile(
    r"\b(?:background|edge|nearby|side|light|daylight|window|plant|tea|mug|scarf|white|plain back)"
)


def test_the_ends_of_descriptions_add_nothing_to_see() -> None:
    rules = library().talk["rules"]
    known = {tail for rule in TAILS for tail in rules[rule]}
    for tail in known | set(rules["tail_selfie"]):
        assert not SEEN.search(tail), tail
    for one in episodes():
        for _, picture in shared(one):
            assert len(words(picture.description)) >= 8, picture.description
            _, comma, tail = picture.description.partition(", ")
            assert not comma or tail in known, picture.description


def test_pictures_are_called_by_what_stands_before_a_comma() -> None:
    groups, scenes = library().groups.values(), library().scenes.values()
    patterns = [p for group in groups for p in (*group["pics"], *group["mob"])]
    patterns += [p for shelf in scenes for scene in shelf for p in (*scene.mob, *scene.web)]
    for pattern in [*patterns, *library().talk["pics"]]:
        assert "," not in pattern.split(" => ")[0], pattern


def test_scenes_are_told_apart_and_their_verbs_known() -> None:
    names = ("friend", "friend2", "kin", "spot", "topic", "value")
    voice = Voice(random.Random(1), {name: "someone" for name in names}, {})
    every = [scene for shelf in library().scenes.values() for scene in shelf]
    for scene in every:
        plain = voice.fill(scene.event)
        assert [other for other in every if other.pattern.match(plain)] == [scene], plain
        base = scene.event.split()[0]
        assert verb_base(verb(base, 0)) == base
        assert " or " not in scene.event, "only the first verb is inflected"


# Faults that were seen once: bad English, doubled words, and sense that depends on luck.
FAULTS = re.compile(
    r"\b(\w+) \1\b(?<!had had)(?<!that that)(?<!Ha ha)|\b(?:breaked|hanged|maked|dying)\b"
    r"|teabag|first own|in the head\b|about being someone who|doing it (?:alone|with)"
    r"|stopped going with|from the front|thought from me|it is hard to believe|must wait"
    r"|\b(?:a|an) (?:some|two|three)\b(?!-)|\ba (?:honest|hour)\b|\ba (?:balloons|fireworks)\b"
    r"|\b(?:he|she) (?:am|are|feel|have|want)\b|\bI (?:is|has|wants|feels)\b"
    r"|\b(?:whom|what) (?:he|she) (?:know|do|see|say|take|need|like|mean|read|cook|keep)\b"
    r"|wet little nose|\bkin\b|\bfriend2\b"
)


@pytest.mark.parametrize("quarter", range(4))
def test_five_hundred_episodes_speak_plain_english(quarter: int) -> None:
    for person in people(100, seed=1)[quarter::4]:
        for pair in narratives(person):
            one = episode(person, *pair, planned=False)
            greetings = 0
            for text in texts(one):
                assert not BAD.search(text), text
                assert not FAULTS.search(text), text
                greetings += bool(re.search(r"\b(?:[Gg]reet|hug) .{3,40} from me", text))
            assert greetings <= 2, person


def test_sessions_talk_of_their_event_and_look_back() -> None:
    for one in episodes():
        for session in one.sessions:
            said = " ".join(turn.utterance for turn in session.turns)
            rest = session.event.rstrip(".").split(" ", 2)[2]
            assert overlap(rest, said) >= 0.6, session.event
        looking_back = 0
        for number, session in enumerate(one.sessions[1:], 1):
            said = " ".join(turn.utterance for turn in session.turns)
            earlier = [s.event.rstrip(".").split(" ", 2)[2] for s in one.sessions[:number]]
            looking_back += any(overlap(event, said) >= 0.6 for event in earlier)
        assert looking_back, one.persona


def overlap(event: str, said: str) -> float:
    wanted = {word for word in words(event) if len(word) > 3 and word != "their"}
    return len(wanted & set(words(said))) / max(1, len(wanted))


def test_text_is_well_formed() -> None:
    for one in episodes():
        for text in texts(one):
            assert not BAD.search(text), text
            assert not text or text[0].isupper() or not text[0].isalpha(), text
        for picture in [t.image for s in one.sessions for t in s.turns if t.image]:
            assert 5 <= len(words(picture.description)) <= 32, picture.description


def test_plans_take_the_route_that_suits() -> None:
    routes = Counter[str]()
    for one in episodes():
        for slot, plan in one.plans:
            routes[plan.route] += 1
            if slot.album:
                shown = mentions(re.sub(r"\S+'s\b", "", slot.description), one.persona.name)
                assert plan.route == ("p-t2i" if shown else "t2i"), slot.description
                if not shown:
                    assert not mentions(plan.prompt, one.persona.name)
            else:
                assert plan.route in ("web", "retrieval")
                assert 2 <= len(plan.prompt.split()) <= 10
            if re.search(r"\b(?:chart|diagram|plot)\b", slot.description):
                assert plan.route in ("retrieval", "t2i")
    assert min(routes[route] for route in ("p-t2i", "t2i", "web", "retrieval")) > 20
    assert 0.12 <= routes["web"] / (routes["web"] + routes["retrieval"]) <= 0.22


@pytest.mark.parametrize(
    ("turns", "moments", "fewest", "most"), [(2, 0, 1, 1), (6, 3, 2, 3), (40, 6, 6, 6)]
)
def test_other_sizes_are_met(turns: int, moments: int, fewest: int, most: int) -> None:
    person = people(20)[7]
    clause, narrative = next(narratives(person))
    facts = {"persona": person, "inference": clause, "narrative": narrative}
    for last in (date(1990, 6, 1), date(2024, 4, 30)):
        asked = {"fewest": fewest, "most": most, "last_date": f"{last:%Y.%m.%d}"}
        graph = ask("events", Graph, **facts, **asked)
        check_graph(graph, fewest, most, last)
    album = [AlbumEntry(number=1, description="A red bench by the river", category="place")]
    script = ask(
        "dialogue",
        Script,
        **facts,
        album=album,
        earlier=[],
        event=_event(graph.events[0]),
        total=1,
        turns=turns,
        moments=moments,
    )
    check_script(script, person.name, album, moments)
    assert len(script.turns) >= turns - 3


def messages_of(task: str) -> list[dict[str, str]]:
    """A small conversation for a task, whatever the template's other fields are."""
    fields = "Name: Mary\nAge: 33\nGender: female\nBirthplace: Japan\nResidence: Japan\n"
    fields += "Category: Preference > Food\nEntity key: food\nEntity value: lasagna\n"
    fields += "Relation: goal\nInference: open a small place\nNarrative: I'm Mary.\n"
    fields += "Event: Mary cooks.\nSession: 1 of 4\nTurns: 10\nFewest pictures: 2\n"
    return [
        {"role": "system", "content": f"Task: {task}\nMore words."},
        {"role": "user", "content": fields},
    ]


@pytest.mark.parametrize("task", TASKS)
def test_a_repair_is_another_answer(task: str) -> None:
    first = messages_of(task)
    text = answer(first, 0)
    repair = {"role": "user", "content": "Your reply cannot be used: too short"}
    again = answer([*first, {"role": "assistant", "content": text}, repair], 0)
    assert json.loads(again).keys() == json.loads(text).keys()
    assert again != text


def test_what_it_does_not_know_gets_a_sentence() -> None:
    for content in ("hello", "Task: cooking\nDo it.", ""):
        assert answer([{"role": "user", "content": content}], 0).endswith(".")
        assert answer([{"role": "system", "content": content}], 1).endswith(".")
    assert answer([], 0)


def test_a_request_has_one_answer_in_any_process() -> None:
    code = "import sys,json;from mcu.backends.scripted import answer;"
    code += "sys.stdout.buffer.write(answer(json.loads(sys.argv[1]), 5).encode())"
    message = json.dumps(messages_of("dialogue"))
    found = {
        subprocess.run(
            [sys.executable, "-c", code, message],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("0", "1", "77")
    }
    assert found == {answer(messages_of("dialogue"), 5).encode()}
    assert answer(messages_of("dialogue"), 6).encode() not in found


def test_the_backend_counts_tokens() -> None:
    request = ChatRequest(
        messages=messages_of("album"), schema_name="album", schema={}, model="m", seed=3
    )

    async def run() -> None:
        chat = Scripted()
        reply = await chat.complete(request, Dispatch())
        await chat.close()
        assert reply.text == answer(request.messages, 3)
        assert reply.model == "m" and reply.finish == "stop"
        assert reply.completion_tokens == -(-len(reply.text) // 4)
        assert reply.prompt_tokens > 50

    asyncio.run(run())


HOSTILE = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ["{value|<name>}", "$HOME {", "<touch>", "a\x00b", "img", "\ud800", "x" * 9999]
    ),
    st.sampled_from([" => ", "'s", "...", "9" * 400, "\u2028", "]:", "Task: album", "(", "\\"]),
)
LABELS = (
    "Name", "Age", "Gender", "Birthplace", "Residence", "Category", "Entity key", "Entity value",
    "Relation", "Inference", "Narrative", "Fact", "Event", "Session", "Date", "Turns", "Source",
    "Fewest pictures", "Number of attributes", "Last date", "Fewest events", "Most events",
    "Description", "Keywords", "Shared by", "Device picture 1 [x]", "Experience since then",
    "Earlier session 1 on 2024.01.01", "Picture shared in session 1",
    "Time since the session before",
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(TASKS), st.dictionaries(st.sampled_from(LABELS), HOSTILE, max_size=25))
def test_hostile_fields_never_raise(task: str, fields: dict[str, str]) -> None:
    user = "\n".join(f"{label}: {text}" for label, text in fields.items())
    system = {"role": "system", "content": f"Task: {task}\n"}
    text = answer([system, {"role": "user", "content": user}], 0)
    assert isinstance(json.loads(text), dict)
    text.encode()


def test_the_grammar_agrees_and_refuses() -> None:
    voice = Voice(random.Random(1), {"x": "{a|b} <y>", "thing": "apple"}, {"r": ["an <thing>"]})
    assert voice.fill("a <thing>, an {red|red} one, <x>") == "an apple, a red one, {a|b} <y>"
    assert voice.say("<r> is  here. is it ? yes .") == "An apple is here. Is it? Yes."
    assert grammar.sentences("for M. was it. so was I. then") == "For M. was it. So was I. Then"
    for broken in ("<none>", "{a|b", "a}", "<thing.size>"):
        with pytest.raises((GrammarError, KeyError)):
            voice.fill(broken)
    phrases = ("an hour", "a unit", "an umbrella", "an MBA", "a UK flag", "an 8", "the sea")
    for phrase in phrases:
        assert article(phrase.removeprefix("an ").removeprefix("a ")) == phrase
    assert [verb("try", 0), verb("go", 1), verb("make", 2)] == ["tries", "went", "making"]
    for base in ("try", "watch", "go", "practise", "survive", "finish", "play", "be", "enter"):
        assert verb_base(verb(base, 0)) == base
    assert to_third("saw my sister and I thanked myself", "she") == (
        "saw her sister and she thanked herself"
    )
