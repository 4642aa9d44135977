"""Stage 8: which slots an episode has, which routes suit them, and whose pictures fill them."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from authors import Author, act, field
from people import ALBUM, ENTRIES, GOAL, LINE, NARRATIVE, PERSONA, PICTURES, episode, face

from mcu.backends import ChatReply, ChatRequest, Dispatch, Hit
from mcu.errors import Fault, Reject
from mcu.ids import seed_of, sha256
from mcu.indexes.encoders import CaptionEncoder
from mcu.indexes.search import open_starter
from mcu.records import ASSISTANT, AlbumEntry, Place, Session, SharedImage, Turn
from mcu.show import text
from mcu.stages.align import align
from mcu.stages.routes import Planned, check
from mcu.stages.slots import Slot, slots
from mcu.store import Store

NAME = PERSONA.name


def shared(text: str, album: int = 0, new: bool = False, word: str = "pan") -> SharedImage:
    source: Any = "mobile" if album else "internet"
    return SharedImage(
        description=text, rationale="why", source=source, keywords=[word], album=album, new=new
    )


def session(number: int, album: int, *images: SharedImage | None, parent: str = "e") -> Session:
    """A session with one turn an image; the assistant shares what is from the internet."""
    turns = [
        Turn(speaker=ASSISTANT if image and not image.album else NAME, utterance="Hm", image=image)
        for image in images
    ]
    entries = [*ENTRIES, AlbumEntry(number=6, description="her new pan", category="pan")][:album]
    return Session(
        parent=parent, number=number, date="2023.01.01", event="x", turns=turns, album=entries
    )


def told(slot: Slot) -> tuple[str, str, list[tuple[int, int]]]:
    return slot.name, slot.description, [(p.session, p.turn) for p in slot.places]


def test_one_slot_for_a_picture_that_is_shared_in_three_sessions() -> None:
    again = shared(PICTURES[1], 2)
    found = slots(
        [
            session(1, 5, None, again, shared("a stove")),
            session(2, 6, shared("her new pan", 6, new=True, word="sun"), None, None, again),
            session(3, 6, again, shared("her new pan", 6, word="late"), shared("a stove")),
        ]
    )
    assert [told(slot) for slot in found] == [
        ("album:1", PICTURES[0], []),
        ("album:2", PICTURES[1], [(1, 2), (2, 4), (3, 1)]),
        ("album:3", PICTURES[2], []),
        ("album:4", PICTURES[3], []),
        ("album:5", PICTURES[4], []),
        ("album:6", "her new pan", [(2, 1), (3, 2)]),
        ("session1:turn3", "a stove", [(1, 3)]),
        ("session3:turn3", "a stove", [(3, 3)]),
    ]
    assert [slot.album for slot in found] == [1, 2, 3, 4, 5, 6, 0, 0]
    assert [slot.sharer for slot in found] == [NAME] * 6 + [ASSISTANT] * 2
    assert found[5].keywords == ["sun"], "those of the first moment"
    assert (found[5].category, found[0].keywords) == ("pan", [])


def test_pictures_that_are_never_shared_are_slots_too() -> None:
    assert [slot.name for slot in slots([session(1, 5, None, None)])] == [
        f"album:{n}" for n in range(1, 6)
    ]
    assert slots([]) == []


def test_every_moment_is_in_one_slot() -> None:
    sessions = [session(n, 5, *(shared(f"t{n}{k}", k % 3) for k in range(6))) for n in (1, 2, 3, 4)]
    places = [(p.session, p.turn) for slot in slots(sessions) for p in slot.places]
    assert sorted(places) == [(n, k) for n in (1, 2, 3, 4) for k in range(1, 7)]


OWN = Slot("album:1", PICTURES[0], album=1, sharer=NAME)
THING = Slot("album:3", PICTURES[2], album=3, sharer=NAME)
WEB = Slot("session1:turn2", "Luc\u00eda at a stove", sharer=ASSISTANT)


@pytest.mark.parametrize(
    ("slot", "route", "word", "prompt"),
    [
        (OWN, "p-t2i", "woman", "a woman img stirs a pan in a garden"),
        (OWN, "p-t2i", "Woman", "a woman img stirs a pan"),
        (OWN, "p-t2i", "young woman", "a young woman img stirs a pan"),
        (OWN, "p-t2i", "chef", "a chef img stirs a pan"),
        (OWN, "t2i", "", "a pan of paella in a garden"),
        (THING, "t2i", "", "a blue bowl"),
        (THING, "web", "", "saffron"),
        (WEB, "t2i", "", "a stove"),
        (WEB, "web", "", "restaurant stove"),
        (WEB, "retrieval", "", "a stove, imgage"),
    ],
)
def test_good_plans(slot: Slot, route: Any, word: str, prompt: str) -> None:
    check(Planned(route=route, class_word=word, prompt=prompt), slot, PERSONA)


@pytest.mark.parametrize(
    ("slot", "route", "word", "prompt", "words"),
    [
        (OWN, "t2i", "", "", "the prompt must have 1 to 55 words, not 0"),
        (OWN, "t2i", "", "so " * 56, "the prompt must have 1 to 55 words, not 56"),
        (OWN, "t2i", "", "a pan\nin a garden", "the prompt must be one line"),
        (OWN, "t2i", "", "a woman img with a pan", "'img' belongs in prompts for p-t2i only"),
        (WEB, "web", "", "img of a stove", "'img' belongs in prompts for p-t2i only"),
        (WEB, "retrieval", "", "stove img", "'img' belongs in prompts for p-t2i only"),
        (
            WEB,
            "p-t2i",
            "woman",
            "a woman img at a stove",
            "p-t2i is only for pictures from",
        ),
        (THING, "p-t2i", "woman", "a woman img and a bowl", "that show Luc\u00eda by name"),
        (OWN, "p-t2i", "", "a woman img", "the class_word must have 1 to 2 words, not 0"),
        (
            OWN,
            "p-t2i",
            "a young woman",
            "a young woman img",
            "the class_word must have 1 to",
        ),
        (OWN, "p-t2i", "man", "a man img", "the class_word 'man' does not fit a female person"),
        (OWN, "p-t2i", "woman", "a woman with a pan", "must have 'img' once, right after 'woman'"),
        (OWN, "p-t2i", "woman", "a woman img, img", "must have 'img' once, right after 'woman'"),
        (OWN, "p-t2i", "woman", "img of a woman", "must have 'img' once, right after 'woman'"),
        (OWN, "p-t2i", "woman", "a woman with img", "must have 'img' once, right after 'woman'"),
        (
            OWN,
            "p-t2i",
            "woman",
            "Luc\u00eda, a woman img",
            "must say 'woman' instead of the",
        ),
    ],
)
def test_bad_plans(slot: Slot, route: Any, word: str, prompt: str, words: str) -> None:
    with pytest.raises(Fault, match=words):
        check(Planned(route=route, class_word=word, prompt=prompt), slot, PERSONA)


class Planner(Author):
    """Plans each slot by its description."""

    def __init__(self, **plans: str) -> None:
        super().__init__()
        self._plans = plans

    async def complete(self, request: ChatRequest, dispatch: Dispatch) -> ChatReply:
        self.requests.append(request)
        word = field(request, "Description").split()[1]
        route, _, prompt = self._plans.get(word, "t2i:a thing").partition(":")
        class_word = "woman" if route == "p-t2i" else ""
        return ChatReply(json.dumps({"route": route, "prompt": prompt, "class_word": class_word}))


class Shelf:
    """The starter pictures, of which one may be torn."""

    def __init__(self) -> None:
        self._index = open_starter(CaptionEncoder())
        self.torn = ""

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        return [
            [] if "nothing" in query else self._index.search([query], k)[0] for query in queries
        ]

    def fetch(self, hit: Hit) -> bytes:
        if hit.file == self.torn:
            raise Reject("bad_image", "the file is torn")
        return self._index.fetch(hit)


@pytest.fixture(scope="module")
def shelf() -> Iterator[Shelf]:
    yield Shelf()


def paint(author: Author, folder: Path, shelf: Shelf, *images: SharedImage, **sections: Any) -> Any:
    """The pictures of an episode of one session."""
    events = episode(1)
    portrait = Store(folder).add_image(b"her portrait")
    relatives = [*LINE, *ALBUM, face(portrait), session(1, 5, *images, parent=events.id)]
    search = {"web": shelf, "retrieval": shelf}
    return act(align, events, author, folder, relatives, search, chat={"repairs": 0}, **sections)


def test_pictures_are_drawn_with_the_face_where_it_is_shown(tmp_path: Path, shelf: Shelf) -> None:
    plans = Planner(stirs="p-t2i:a woman img stirs a pan", laughs="p-t2i:a woman img laughs")
    made, losses = paint(plans, tmp_path, shelf, shared(PICTURES[1], 2))
    assert not losses
    assert [p.slot for p in made] == [f"album:{n}" for n in range(1, 6)]
    assert [p.plan.route for p in made] == ["p-t2i", "p-t2i", "t2i", "t2i", "t2i"]
    assert [p.places for p in made] == [[], [Place(session=1, turn=1)], [], [], []]
    assert {p.parent for p in made} == {episode(1).id}
    for found in made:
        assert found.image == sha256(Store(tmp_path).image(found.image))
        assert found.seed == seed_of(0, episode(1).id, found.slot, 0), "the seed it was drawn with"
        assert found.candidates[0].image == found.image
        assert found.copy_allowed
    assert len({p.image for p in made}) == 5
    assert len({p.key for p in made}) == 5


def test_what_cannot_be_fetched_is_passed_over_and_told(tmp_path: Path) -> None:
    plans, shelf = Planner(bright="web:a bright kitchen"), Shelf()
    slot = shared("a bright restaurant kitchen")
    (tmp_path / "whole").mkdir()
    untorn, _ = paint(plans, tmp_path / "whole", shelf, slot)
    shelf.torn = untorn[-1].candidates[0].file
    made, losses = paint(plans, tmp_path, shelf, slot)
    found = made[-1]
    assert not losses
    assert (found.slot, found.plan.route, found.album) == ("session1:turn1", "web", 0)
    torn, chosen, *rest = found.candidates
    assert (torn.file, torn.reason, torn.image) == (shelf.torn, "the file is torn", "")
    assert chosen.image == found.image and not chosen.reason
    assert len(rest) == 3 and not any(one.image for one in rest)
    assert found.licence and found.caption


def test_slots_without_a_plan_are_rejects_and_empty_places_are_not(
    tmp_path: Path, shelf: Shelf
) -> None:
    plans = Planner(shop="web:nothing at all", blue="p-t2i:a woman img")
    low = {"relevance_bar": 0.1}
    made, losses = paint(plans, tmp_path, shelf, shared("a bright stove"), checks=low)
    assert [p.slot for p in made] == ["album:1", "album:2", "album:4", "album:5", "session1:turn1"]
    assert [(row["code"], row["reason"].split(":")[1]) for row in losses] == [("bad_reply", "3")]
    sought = made[2]
    assert (sought.plan.route, sought.source) == ("web", "starter"), "the next route had it"


def test_what_fits_the_description_best_is_taken(tmp_path: Path) -> None:
    """The query finds trumpets first; the description is of a harp."""
    shelf = Shelf()
    plans = Planner(tall="retrieval:a golden trumpet")
    made, _ = paint(plans, tmp_path, shelf, shared("a tall golden-brown concert harp"))
    found = made[-1]
    scores = [one.checks["relevance"] for one in found.candidates if one.checks]
    assert scores == sorted(scores, reverse=True)
    assert found.verification["relevance"] == max(
        one.checks["relevance"] for one in found.candidates if not one.reason and one.checks
    )


def test_below_the_bar_the_next_route_is_taken_and_all_is_told(
    tmp_path: Path, shelf: Shelf
) -> None:
    plans = Planner(bright="web:a bright kitchen")
    slot = shared("a bright restaurant kitchen")
    made, losses = paint(plans, tmp_path, shelf, slot, checks={"relevance_bar": 0.99})
    found = made[-1]
    assert not losses
    assert (found.plan.route, found.source) == ("web", "t2i")
    *refused, drawn = found.candidates
    assert len(refused) >= 10, "five of each place, and what the whole description found"
    assert all(one.reason.endswith("below 0.99") and not one.image for one in refused)
    assert drawn.image == found.image and not drawn.reason
    told = text(found.model_dump(mode="json"))
    assert told.count("below 0.99") == len(refused) and told.count("taken") == 1
    assert f"{len(found.candidates)}. t2i seed" in told


def test_no_picture_twice_in_an_episode(tmp_path: Path) -> None:
    plans = Planner(golden="retrieval:a golden trumpet", brass="retrieval:a golden trumpet")
    images = (shared("a golden trumpet"), shared("a brass trumpet that is golden"))
    made, losses = paint(plans, tmp_path, Shelf(), *images)
    assert not losses
    first, second = made[-2:]
    assert first.image != second.image
    assert "much like the picture of session1:turn1" in {one.reason for one in second.candidates}


def test_a_place_that_cannot_be_asked_is_told(tmp_path: Path) -> None:
    class Closed(Shelf):
        def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
            raise Reject("blocked", "the service asks for a captcha")

    plans = Planner(bright="web:a stove")
    made, losses = paint(plans, tmp_path, Closed(), shared("a bright stove"))
    assert not losses
    found = made[-1]
    assert [one.reason for one in found.candidates] == [
        "not searched: the service asks for a captcha",
        "not searched: the service asks for a captcha",
        "",
    ]
    assert found.source == "t2i"


def test_the_prompt_tells_what_the_slot_is(tmp_path: Path, shelf: Shelf) -> None:
    plans = Planner()
    paint(plans, tmp_path, shelf, shared(PICTURES[3], 4, word="sign"), shared("a bright stove"))
    asked = {field(r, "Description"): r for r in plans.requests}
    assert len(asked) == 6
    own, web = asked[PICTURES[3]], asked["a bright stove"]
    assert (field(own, "Source"), field(own, "Shared by")) == ("mobile", NAME)
    assert field(own, "Keywords") == "sign"
    assert (field(web, "Source"), field(web, "Shared by")) == ("internet", ASSISTANT)


@pytest.mark.parametrize("missing", ["face", "sessions"])
def test_nothing_is_made_for_what_was_rejected(missing: str, tmp_path: Path) -> None:
    events, author = episode(1), Planner()
    known = {"face": face(), "sessions": session(1, 5, None, parent=events.id)}
    del known[missing]
    relatives = [*LINE, *ALBUM, *known.values()]
    other = face().model_copy(update={"id": "o", "parent": "another persona"})
    apart = session(1, 5, None, parent="another episode")
    assert act(align, events, author, tmp_path, [*relatives, other, apart]) == ([], [])
    assert not author.requests


def test_with_one_face_an_episode_it_is_that_of_the_relation(tmp_path: Path, shelf: Shelf) -> None:
    """Also where another episode's face comes first."""
    events = episode(1)
    store = Store(tmp_path)
    ours, others = store.add_image(b"ours"), store.add_image(b"others")
    store.image_path(others).unlink()
    faces = [face(others, "routine"), face(ours, GOAL.relation)]
    relatives = [*LINE, *ALBUM, *faces, session(1, 1, None, parent=events.id)]
    author = Planner(stirs="p-t2i:a woman img stirs a pan")
    made, losses = act(align, events, author, tmp_path, relatives)
    assert (len(made), losses) == (1, [])
    assert NARRATIVE.parent == GOAL.id
