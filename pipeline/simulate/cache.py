"""The prompt cache: how much of a prompt the server has seen at the head of another."""

from collections import OrderedDict
from hashlib import blake2b

from mcu.simulate.ask import CHARACTERS_A_TOKEN, Ask

_LEAST, _STEP = 1024, 128  # tokens: the shortest prefix that is kept, and how they grow
_KEPT = 100_000  # prefixes; the oldest are forgotten


class PromptCache:
    """Prefixes of prompts, as OpenAI's cache keeps them."""

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def cached(self, ask: Ask) -> int:
        """Tokens at the head of the prompt that were there before; all of it is, from now on."""
        text, found = ask.text, 0
        whole = len(text) // CHARACTERS_A_TOKEN // _STEP * _STEP
        if whole < _LEAST:
            return 0
        hashed = blake2b(ask.model.encode("utf-8", "surrogatepass"), digest_size=16)
        start = 0
        for tokens in range(_LEAST, whole + 1, _STEP):
            end = tokens * CHARACTERS_A_TOKEN
            hashed.update(text[start:end].encode("utf-8", "surrogatepass"))
            start, prefix = end, hashed.digest()
            if prefix in self._seen:
                self._seen.move_to_end(prefix)
                found = tokens
            else:
                self._seen[prefix] = None
        while len(self._seen) > _KEPT:
            self._seen.popitem(last=False)
        return found
