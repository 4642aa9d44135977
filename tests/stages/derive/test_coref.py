"""Coreference items from one offline run: balanced, sound, twinned, and told by no part alone."""

import json
import re
from collections import Counter

import pytest

from mcu.author.coref import coref_solve
from mcu.author.sheet import Sheet
from mcu.config import parse_config
from mcu.derive import Material
from mcu.ids import rng_of
from mcu.languages import written_in
from mcu.run import Run
from mcu.scores.audit import audit
from mcu.stages.derive.coref import TASK
from mcu.stages.derive.coref_item import CorefItem
from mcu.stages.derive.coref_scene import Coref
from mcu.stages.derive.coref_view import chat, lines, question, seed
from mcu.stages.derive.coref_words import same_but, words_of

SETTINGS = {
    "run": {"episodes": 40},
    "derive": {"languages": ["en", "ko"]},
    "release": {"validation": 0.3, "test": 0.3},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    found = Run.create(tmp_path_factory.mktemp("coref") / "run", parse_config(SETTINGS))
    found.execute()
    found.derive(TASK.stages)
    return found


@pytest.fixture(scope="module")
def items(run: Run) -> list[CorefItem]:
    return [item for item in TASK.items(Material(run, TASK)) if isinstance(item, CorefItem)]


def test_there_are_many_in_both_languages_and_the_same_twice(
    run: Run, items: list[CorefItem]
) -> None:
    counts = Counter(item.language for item in items)
    assert min(counts.values()) > 120
    assert list(TASK.items(Material(run, TASK))) == items
    assert len({item.item_id for item in items}) == len(items)
    assert len({item.split for item in items}) == 3


def test_places_of_the_answer_are_balanced_in_each_split_and_language(
    items: list[CorefItem],
) -> None:
    places = Counter((item.language, item.split, item.answer) for item in items)
    for language in ("en", "ko"):
        for split in ("train", "validation", "test"):
            found = [places[language, split, label] for label in "ABCD"]
            assert max(found) - min(found) <= 1


def test_every_object_of_a_whole_chat_is_the_answer_once(run: Run) -> None:
    chats = [c for e in Material(run, TASK).episodes() for c in e.of(Coref)]
    whole = [c for c in chats if len(c.endings) == 2]
    assert len(whole) > 30
    for one in whole:
        assert sorted(last.gold for pair in one.endings for last in pair) == [1, 2, 3, 4]


def test_a_pair_differs_in_its_topic_and_its_answer_alone(items: list[CorefItem]) -> None:
    known = {item.item_id: item for item in items}
    for item in items:
        twin = known[item.twin_id]
        assert twin.twin_id == item.item_id
        assert (twin.split, twin.language, twin.turns[:-1]) == (
            item.split,
            item.language,
            item.turns[:-1],
        )
        topics = item.target.topic, twin.target.topic
        assert same_but(item.target.text, twin.target.text, topics, item.language)
        answers = {(i.answer_text) for i in (item, twin)}
        assert len(answers) == 2


def test_items_hold_together(items: list[CorefItem]) -> None:
    for item in items:
        target, gold = item.target, item.options[item.gold]
        assert target.text[target.start : target.end].casefold() == target.demonstrative.casefold()
        assert item.turns[target.turn - 1].text == target.text
        assert item.turns[target.turn - 2].speaker != target.speaker
        assert item.answer_text == gold.text
        assert len({option.text for option in item.options}) == 4
        assert Counter(option.image_key for option in item.options) == {
            image.key: 2 for image in item.images
        }
        assert [item.turns[image.turn - 1].speaker for image in item.images] == [
            image.owner for image in item.images
        ]
        assert {image.owner for image in item.images} == {"A", "B"}
        assert item.source.image_keys == [image.key for image in item.images]
        for image in item.images:
            for thing in image.objects:
                assert thing.name_in(item.language) in image.caption
        assert [label for label in "ABCD" if label != item.answer] == sorted(item.rationale.wrong)
        lengths = [len(option.object.split()) for option in item.options]
        assert max(lengths) - min(lengths) <= 1


def test_the_talk_names_all_or_none_and_never_whose(items: list[CorefItem]) -> None:
    for item in items:
        forms = item.words
        talk = [line.text for line in item.turns]
        for option in item.options:
            named = sum(forms.names(text, option.object) for text in talk)
            assert named == item.difficulty.named
        assert not any(forms.whose.search(text) for text in talk)
        assert written_in(" ".join(talk), forms.language)
    assert 0.1 < sum(item.difficulty.named for item in items) / len(items) < 0.5


def test_reasons_speak_of_what_was_said(items: list[CorefItem]) -> None:
    for item in items:
        said = {mention.topic: mention for mention in item.mentions}
        evidence = said[item.target.topic]
        assert evidence.words in item.turns[evidence.turn - 1].text
        assert evidence.words in item.rationale.answer
        assert item.options[item.gold].object in item.rationale.answer
        for label, why in item.rationale.wrong.items():
            option = item.options["ABCD".index(label)]
            assert option.object in why
            assert any(m.words in why and m.topic in why for m in item.mentions)
        assert "[" not in item.rationale.answer + "".join(item.rationale.wrong.values())


def test_nothing_gives_an_answer_away(items: list[CorefItem]) -> None:
    found = audit([question(item) for item in items])
    assert found.passed, found.lines()


def test_the_whole_item_is_enough_and_a_part_is_not(items: list[CorefItem]) -> None:
    right: Counter[bool] = Counter()
    for item in items[:80]:
        for captions in (True, False):
            rows = lines(item, captions=captions).split("\n")
            sheet = Sheet(
                "\n".join(
                    [
                        f"Language: {item.words.language}",
                        *(f"Line {n}: {row}" for n, row in enumerate(rows, 1)),
                        *(f"Option {o.label}: {o.text}" for o in item.options),
                    ]
                )
            )
            answer = coref_solve(sheet, rng_of("test"))["answer"]
            right[captions] += answer == item.answer
    assert right[True] == 80
    assert right[False] == 0


def test_views_hold_what_they_say(items: list[CorefItem]) -> None:
    item = next(i for i in items if i.language == "en" and not i.difficulty.named)
    views = question(item).views
    captions = [image.caption.rstrip(".") for image in item.images]
    for name, has in {
        "full": True,
        "captions": True,
        "no captions": False,
        "last turn": False,
    }.items():
        assert all((caption in views[name]) is has for caption in captions)
    assert item.target.text in views["full"]
    assert item.target.text not in views["no last turn"]
    assert item.target.text not in views["captions"]
    assert not any(option.object in views["no captions"] for option in item.options)


def test_forms(items: list[CorefItem]) -> None:
    for item in (next(i for i in items if i.language == code) for code in ("en", "ko")):
        system, user, answer = chat(item)
        assert (system["role"], user["role"], answer["role"]) == ("system", "user", "assistant")
        assert answer["content"] == f"{item.answer}) {item.answer_text}"
        assert lines(item) in user["content"]
        assert re.findall(r"^([A-D])\) ", user["content"], re.MULTILINE) == list("ABCD")
        made = json.loads(json.dumps(seed(item), ensure_ascii=False))
        assert made["answer"] in made["choices"]
        assert sorted([made["answer"], *made["reasons_against"]]) == made["choices"]
        assert words_of(item.language).demonstratives.count(item.target.demonstrative) == 1


def test_a_limit_keeps_pairs_whole(run: Run, items: list[CorefItem]) -> None:
    material = Material(run, TASK)
    derive = run.config.derive.model_copy(update={"items": 7})
    material.config = run.config.model_copy(update={"derive": derive})
    assert list(TASK.items(material)) == items[:6]
