"""The answers of models that share pictures: read whole, torn, or with the prompt before them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu.export.answers import NotShared, Shared, parse_share, plain, share

# What a template says of the form; seeds/001 takes a model that echoes it for one that shares.
PROMPT = (
    "Write the next message. A picture is written as <RET> <h> image description </h>.\n"
    "Tom: I miss my dog.\nAssistant:"
)
SAID = "That must be hard."
DOG = "a small brown dog on a red sofa"


@pytest.mark.parametrize(
    ("output", "found"),
    [
        (f"<RET> <h> {DOG} </h>", Shared(DOG)),
        (f"<RET><h>{DOG}</h>", Shared(DOG)),
        ("  <ret>\n<H> a small brown dog\non a red sofa </H>\n", Shared(DOG)),
        (f"<RET> <h> {DOG} </h><|eot_id|>", Shared(DOG)),
        (f"<|begin_of_text|><RET> <h> {DOG} </h></s><pad><pad>", Shared(DOG)),
        (f"<RET> <h> {DOG} </h><|eot_id|><RET> <h> another </h>", Shared(DOG)),
        (f"{SAID} <RET> <h> {DOG} </h>", Shared(DOG, SAID)),
        (f"<RET> <h> {DOG}", Shared(DOG, "", ("unclosed",))),
        (f"<RET> <h> {DOG}<|end_of_text|>", Shared(DOG, "", ("unclosed",))),
        (f"<RET> <h> {DOG} </h> <RET> <h> a cat </h>", Shared(DOG, "", ("several",))),
        (f"<RET> <RET> <h> {DOG} </h>", Shared(DOG, "", ("several",))),
        (f"<RET> <h> <h> {DOG} </h> </h>", Shared(DOG, "", ("nested",))),
        (f"<RET> <h> a <RET> <h> {DOG} </h> </h>", Shared(DOG, "", ("nested", "several"))),
        (f"<RET> <h> image description </h> <h> {DOG} </h>", Shared(DOG, "", ("placeholder",))),
        (SAID, NotShared("no <RET>", SAID)),
        (f"{SAID}<|eot_id|>", NotShared("no <RET>", SAID)),
        (f"<h> {DOG} </h>", NotShared("no <RET>", DOG)),
        (f"</h> {SAID} <h>", NotShared("no <RET>", SAID)),
        ("", NotShared("no <RET>")),
        ("RET h a dog h", NotShared("no <RET>", "RET h a dog h")),
        (f"<RET> {DOG}", NotShared("no <h>")),
        (f"<h> {DOG} </h> <RET>", NotShared("no <h>", DOG)),
        ("<RET> <h> </h>", NotShared("empty description")),
        ("<RET> <h> ... </h>", NotShared("empty description")),
        ("<RET> <h>", NotShared("empty description")),
        ("<RET> <h> image description </h>", NotShared("placeholder")),
        ("<RET> <h> {Image  description}. </h>", NotShared("placeholder")),
        (f"{SAID} <RET> <h> Description </h>", NotShared("placeholder", SAID)),
    ],
)
def test_answers(output: str, found: Shared | NotShared) -> None:
    assert parse_share(output) == found


def test_a_description_of_an_image_is_one() -> None:
    assert parse_share(share("the image description of a museum")) == Shared(
        "the image description of a museum"
    )


@pytest.mark.parametrize("answer", [SAID, "", f"{SAID}<|eot_id|>"])
def test_the_trap_of_the_seed(answer: str) -> None:
    """There the prompt is decoded with the answer, so that `<RET>` is always found."""
    output = f"{PROMPT} {answer}"
    trapped = output.split("<h>")[-1].split("</h>")[0].strip()
    assert trapped == "image description"
    assert parse_share(output, PROMPT) == NotShared("no <RET>", plain(answer))
    assert parse_share(output) == NotShared("placeholder", parse_share(output).said)


CHATS = (
    "{prompt} {answer}",
    "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n{prompt}<|image|><|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n{answer}<|eot_id|>",
    "<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n{answer}<|im_end|>",
    "<s>[INST] {prompt} [/INST] {answer}</s>",
    "<bos><start_of_turn>user\n{prompt}<end_of_turn>\n<start_of_turn>model\n{answer}<end_of_turn>",
)


@pytest.mark.parametrize("chat", CHATS)
@pytest.mark.parametrize("given_prompt", [PROMPT, PROMPT.replace("\n", "  "), ""])
def test_whole_conversations(chat: str, given_prompt: str) -> None:
    output = chat.format(prompt=PROMPT, answer=share(DOG))
    found = parse_share(output, given_prompt)
    assert isinstance(found, Shared)
    assert found.description == DOG
    # Without headers, nothing but the prompt tells where the answer begins.
    whole = not given_prompt and chat == CHATS[0]
    assert found.flaws == (("several", "placeholder") if whole else ())


PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            ["<RET>", "<h>", "</h>", "<|eot_id|>", "</s>", "<ret", "< h >", "<", "/h>"]
        ),
        st.sampled_from([DOG, "image description", "...", " ", "\n", PROMPT]),
        st.text(max_size=12),
    ),
    max_size=12,
).map("".join)


@given(PIECES, PIECES)
def test_any_text_can_be_read(output: str, prompt: str) -> None:
    found = parse_share(output, prompt)
    if isinstance(found, Shared):
        assert re.search(r"<\s*ret\s*>", output, re.IGNORECASE)
        for text in (found.description, found.said):
            assert text == plain(text)
        assert found.description
        assert parse_share(share(found.description)) == Shared(found.description)


@given(st.text(max_size=60), st.sampled_from(["", PROMPT]), st.sampled_from(["", "<|eot_id|>"]))
def test_what_is_shared_comes_back(text: str, prompt: str, end: str) -> None:
    found = parse_share(f"{prompt}{share(text)}{end}", prompt)
    if any(letter.isalnum() for letter in plain(text)) and plain(text) not in (
        "image description",
        "description",
    ):
        assert found == Shared(plain(text))
    else:
        assert isinstance(found, NotShared)


@given(st.text(max_size=60).filter(lambda text: "<" not in text))
def test_no_sign_no_picture(text: str) -> None:
    found = parse_share(f"{PROMPT} {text}", PROMPT)
    assert found == NotShared("no <RET>", plain(text))
