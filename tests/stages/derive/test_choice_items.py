"""What the multiple-choice tasks share: decks, seats, talks, and the prior of orders."""

from collections import Counter

import pytest
from derived import happening, shot, told_by_hand

from mcu.stages.derive.choice import (
    Deck,
    best_turn,
    days_between,
    lines_of,
    seat,
    talks,
    told,
    without,
)
from mcu.stages.derive.prior import Prior

EVENTS = [
    happening(1, "2024.01.30", "Ana plants tulips."),
    happening(2, "2024.03.01", "Ana paints a fence."),
]
SAID = {1: ["I planted tulips today.", ""], 2: ["The fence is painted. It shines!", "Well done."]}


def test_a_deck_deals_every_number_as_often_whatever_is_chosen() -> None:
    deck = Deck(4, 7, "test")
    dealt = [deck.take("train", number=max(deck.left("train"))) for _ in range(12)]
    assert Counter(dealt) == dict.fromkeys(range(4), 3)
    assert dealt[:4] == [3, 2, 1, 0]


def test_a_deck_has_a_pile_for_each_key_and_depends_on_its_salt_alone() -> None:
    one, same, other = Deck(4, 7), Deck(4, 7), Deck(4, 8)
    rows = [[deck.take("a") for _ in range(40)] for deck in (one, same, other)]
    assert rows[0] == rows[1] != rows[2]
    assert len(one.left("b")) == 4


@pytest.mark.parametrize("place", range(4))
def test_the_right_option_has_its_seat(place: int) -> None:
    assert seat("x", ["a", "b", "c"], place)[place] == "x"


def test_talks_tell_words_and_pictures_of_each_turn() -> None:
    episode = told_by_hand(EVENTS, SAID, [shot(1, 2, "Red tulips")])
    first, second = talks(episode)
    assert [turn.utter_id for turn in first.turns] == ["1.1", "1.2"]
    assert first.turns[1].image_key == "key of Red tulips"
    assert lines_of(first.turns) == [
        "Ana: I planted tulips today.",
        "AI Assistant: [photo: Red tulips]",
    ]
    assert lines_of(first.turns, captions=False)[1] == "AI Assistant: [photo]"
    assert told([second]).splitlines()[0] == "Talk 2 on 2024.03.01"


def test_a_picture_that_is_kept_off_has_a_caption_and_no_key() -> None:
    episode = told_by_hand(EVENTS, SAID, [shot(1, 2, "Red tulips")])
    gone = type(episode)(**{**vars(episode), "pictures": []})
    assert talks(gone)[0].turns[1].caption == "Red tulips"
    assert talks(gone)[0].turns[1].image_key == ""


def test_the_turn_that_tells_an_event_is_found_and_no_other() -> None:
    first, second = talks(told_by_hand(EVENTS, SAID))
    assert best_turn(first, EVENTS[0].event, "Ana") == "1.1"
    assert best_turn(second, EVENTS[0].event, "Ana") == ""


def test_sentences_with_a_word_are_left_out() -> None:
    assert without("The fence is painted. It shines!", {"fence"}) == "It shines!"


def test_days_between_dates_count_leap_days() -> None:
    assert days_between("2024.01.30", "2024.03.01") == 31


def test_the_prior_learns_what_comes_early_from_other_groups_alone() -> None:
    prior = Prior()
    for number in range(20):
        prior.learn(["buys seeds", "waters a bed", "eats salad"], f"group {number}")
    early, _, late = prior.scores(["buys seeds", "waters a bed", "eats salad"], "new")
    assert early < 0 < late
    lonely = Prior()
    lonely.learn(["buys seeds", "eats salad"], "own")
    assert lonely.scores(["buys seeds", "eats salad"], "own") == [0.0, 0.0]
