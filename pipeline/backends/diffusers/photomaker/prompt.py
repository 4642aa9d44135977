"""PhotoMaker's prompts: the class word before the trigger word, repeated."""

from typing import Any, NamedTuple

import torch

from mcu.backends.diffusers.reference import halves
from mcu.backends.diffusers.text import Texts
from mcu.errors import Reject


class Expanded(NamedTuple):
    """A prompt with its class word repeated.

    Attributes:
        texts: one prompt's vectors, [1, 77, 2048] and [1, 1280].
        places: where the class word's tokens stand among the 77.
    """

    texts: Texts
    places: slice


def layout(tokenizer: Any, prompt: str, times: int) -> tuple[list[int], int]:
    """A prompt's token ids without the trigger, the class token repeated, and where it begins.

    The two halves are tokenised apart. That gives the same ids as making the trigger a special
    token, as the published code does, and needs no token beyond the text encoders' own. As there,
    the class token is the last one before the trigger, so of a word of several tokens it is the
    last that is repeated. A prompt that is too long is cut before its end token, which the pooled
    vector is read from; the published code cuts it off. Below 77 tokens the ids are the same.

    Raises:
        Reject: as `halves`, or the class tokens stand beyond what the encoders read.
    """
    before, after = (
        tokenizer(half, add_special_tokens=False, verbose=False).input_ids
        for half in halves(prompt)
    )
    most: int = tokenizer.model_max_length
    start = len(before)  # the start token comes first
    if start + times >= most:
        raise Reject(
            "bad_prompt",
            f"the class word takes {times} tokens from number {start} on, and {most - 2} are read",
        )
    ids = [tokenizer.bos_token_id, *before, *before[-1:] * (times - 1), *after]
    ids = [*ids[: most - 1], tokenizer.eos_token_id]
    return ids + [tokenizer.pad_token_id] * (most - len(ids)), start


def encode(pipe: Any, prompt: str, times: int) -> Expanded:
    """A prompt with its class token repeated, through both of SDXL's text encoders.

    Raises:
        Reject: as `layout`.
    """
    device = pipe._execution_device
    hidden = []
    for tokenizer, encoder in (
        (pipe.tokenizer, pipe.text_encoder),
        (pipe.tokenizer_2, pipe.text_encoder_2),
    ):
        ids, start = layout(tokenizer, prompt, times)
        with torch.inference_mode():
            seen = encoder(torch.tensor([ids], device=device), output_hidden_states=True)
        hidden.append(seen.hidden_states[-2])
    return Expanded(Texts(torch.cat(hidden, dim=-1), seen[0]), slice(start, start + times))
