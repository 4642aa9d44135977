"""The trigger word, the repeated class word, and what does not fit."""

from pathlib import Path
from typing import Any

import pytest

import tiny

tiny.torch_ready()
from mcu.backends.diffusers.photomaker.prompt import layout  # noqa: E402
from mcu.backends.diffusers.reference import halves, text_only  # noqa: E402
from mcu.errors import Reject  # noqa: E402


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("words")
    return tiny.write_tokenizer(folder, "!")


def ids(tokenizer: Any, text: str) -> list[int]:
    found: list[int] = tokenizer(text, add_special_tokens=False).input_ids
    return found


@pytest.mark.parametrize(
    ("prompt", "without"),
    [
        ("a photo of a man img smiling", "a photo of a man smiling"),
        ("a photo of a man img, smiling", "a photo of a man, smiling"),
        ("woman  img", "woman"),
        ("an imgur post of a girl img\tin a city", "an imgur post of a girl\tin a city"),
    ],
)
def test_the_text_only_prompt_lacks_the_trigger_alone(prompt: str, without: str) -> None:
    assert text_only(prompt) == without


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("a photo of a man", "once, not nowhere"),
        ("", "once, not nowhere"),
        ("an IMG of imgs", "once, not nowhere"),
        ("a man img and a woman img", "once, not 2 times"),
        ("img of a man", "no class word"),
        ("  img", "no class word"),
        ("a man, img", "stands ','"),
        ("a man (img)", "stands '('"),
    ],
)
def test_a_trigger_that_is_missing_or_misplaced_is_rejected(prompt: str, said: str) -> None:
    with pytest.raises(Reject, match="trigger word 'img'") as caught:
        halves(prompt)
    assert caught.value.code == "bad_prompt"
    assert said in str(caught.value)


def test_the_class_token_is_repeated_in_place_of_the_trigger(tokenizer: Any) -> None:
    for times in (1, 2, 6):
        found, start = layout(tokenizer, "a photo of a boy img in the park", times)
        wanted = ids(tokenizer, "a photo of a" + " boy" * times + " in the park")
        assert found[: len(wanted) + 2] == [0, *wanted, 1]
        assert found[len(wanted) + 2 :] == [tokenizer.pad_token_id] * (75 - len(wanted))
        assert start == 5
        assert found[start : start + times] == ids(tokenizer, "boy") * times


def test_of_a_class_word_of_several_tokens_the_last_is_repeated(tokenizer: Any) -> None:
    first, *_, last = word = ids(tokenizer, "photowoman")
    assert len(word) > 1
    found, start = layout(tokenizer, "a photowoman img", 3)
    assert found[1 : start + 4] == [*ids(tokenizer, "a"), *word, last, last, 1]
    assert first != last


def test_a_long_prompt_is_cut_before_its_end_token(tokenizer: Any) -> None:
    for words in range(66, 90):
        found, start = layout(tokenizer, "a boy img" + " red" * words, 2)
        assert len(found) == 77
        assert found[:4] == [0, *ids(tokenizer, "a boy boy")]
        kept = min(words, 72)
        assert found[4:] == [*ids(tokenizer, "red") * kept, 1, *[2] * (72 - kept)]
        assert start == 2


def test_class_words_beyond_the_end_are_rejected(tokenizer: Any) -> None:
    prompt = "red " * 70 + "boy img in the park"
    found, start = layout(tokenizer, prompt, 5)
    assert found[start:] == [*ids(tokenizer, "boy") * 5, 1]
    with pytest.raises(Reject, match="takes 6 tokens from number 71 on, and 75 are") as caught:
        layout(tokenizer, prompt, 6)
    assert caught.value.code == "bad_prompt"
