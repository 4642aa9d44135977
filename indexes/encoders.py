"""The caption encoder: text to unit vectors, and pictures by what their captions say."""

import importlib.util
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from mcu.errors import BackendError

_MODEL = "l2_supercat"


class CaptionEncoder:
    """Static word vectors over captions: WordLlama's, whose weights are inside its wheel.

    Pictures are compared by their captions, so that it runs on any CPU in microseconds a text.
    A row is the mean of its tokens' vectors, which are the longer the rarer the token is; dropping
    stop words or names on top of that gained nothing in benchmarks of shared-picture texts. The
    table and the tokenizer are read straight from the installed package: its own loader would
    look for the tokenizer on the network. A text's vector does not depend on its batch.
    """

    width = 256
    name = f"wordllama-{_MODEL}-{width}"
    sees = False
    # `mcu calibrate relevance tests/data/relevance.jsonl --refusing 0.05` gives 0.362.
    bar = 0.36

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """float32 array of shape [len(texts), 256], rows of length 1; case is ignored.

        A text without any token counts as "picture".

        Raises:
            BackendError: wordllama is not installed.
        """
        rows = np.empty((len(texts), self.width), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            mean = self._vectors[self._tokens(text) or self._tokens("picture")].mean(axis=0)
            row[:] = mean / np.linalg.norm(mean)
        return rows

    def pictures(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Nothing: it knows a picture by its caption alone.

        Raises:
            BackendError: always.
        """
        raise BackendError("the caption encoder does not see pictures; encode their captions")

    def _tokens(self, text: str) -> list[int]:
        found: list[int] = self._tokenizer.encode(text.lower(), add_special_tokens=False).ids
        return found

    @cached_property
    def _vectors(self) -> NDArray[np.float32]:
        try:
            from safetensors.numpy import load_file
        except ImportError as error:
            raise _missing() from error
        weights = load_file(_folder() / "weights" / f"{_MODEL}_{self.width}.safetensors")
        return np.asarray(weights["embedding.weight"], dtype=np.float32)

    @cached_property
    def _tokenizer(self) -> Any:
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise _missing() from error
        tokenizer = Tokenizer.from_file(
            str(_folder() / "tokenizers" / f"{_MODEL}_tokenizer_config.json")
        )
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer


def _folder() -> Path:
    """Where wordllama is installed, found without importing it."""
    spec = importlib.util.find_spec("wordllama")
    if spec is None or not spec.submodule_search_locations:
        raise _missing()
    return Path(spec.submodule_search_locations[0])


def _missing() -> BackendError:
    return BackendError(
        "the caption encoder needs wordllama: pip install 'wordllama>=0.2.10.post0'"
    )
