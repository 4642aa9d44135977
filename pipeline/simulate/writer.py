"""Writes answers: the scripted author's text as a chat completion, with its tokens and price."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mcu.backends.scripted import answer
from mcu.errors import ConfigError
from mcu.prices import Price, price_of
from mcu.simulate.ask import CHARACTERS_A_TOKEN, Ask
from mcu.simulate.cache import PromptCache
from mcu.simulate.faults import spoilt


@dataclass(frozen=True, slots=True)
class Answer:
    """A chat completion as JSON, and what it costs; `cached` tokens are part of the prompt's."""

    body: dict[str, Any]
    prompt: int
    cached: int
    completion: int
    usd: float


class Writer:
    """Answers that depend on the request alone, but for the fault and what a cache has seen.

    Args:
        prices: the user's own, by model; those that ship hold for the rest.
        cache: remembers prompts, None for no cache.
    """

    def __init__(self, prices: Mapping[str, Price], cache: PromptCache | None) -> None:
        self._prices = prices
        self._cache = cache

    def write(self, ask: Ask, fault: str, tier: str) -> Answer:
        """The answer to a request, billed at a tier; `fault` is empty for a good one."""
        text, finish = answer(ask.messages, ask.body.get("seed") or 0), "stop"
        if fault:
            text, finish = spoilt(fault, text)
        thought = ask.reasoning
        prompt, completion = ask.prompt, len(text) // CHARACTERS_A_TOKEN + 1 + thought
        usage: dict[str, Any] = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }
        if thought:
            usage["completion_tokens_details"] = {"reasoning_tokens": thought}
        cached = 0
        if self._cache:
            cached = self._cache.cached(ask)
            usage["prompt_tokens_details"] = {"cached_tokens": cached}
        price = price_of(ask.model, self._prices)
        usd = price.usd(prompt, cached, completion, tier) if price else 0.0
        return Answer(_completion(ask.model, text, finish, usage), prompt, cached, completion, usd)


def _completion(model: str, text: str, finish: str, usage: Mapping[str, Any]) -> dict[str, Any]:
    message = {"role": "assistant", "content": text, "refusal": None}
    return {
        "id": "chatcmpl-simulated",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": usage,
    }


def prices_of(path: Path | None) -> dict[str, Price]:
    """The prices in a TOML file's `[prices."model"]` tables, as in `mcu.toml`."""
    if path is None:
        return {}
    try:
        rows = tomllib.loads(path.read_text(encoding="utf-8")).get("prices", {})
        return TypeAdapter(dict[str, Price]).validate_python(rows)
    except OSError as error:
        raise ConfigError(f"--prices {path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, ("prices", *first["loc"])))
        raise ConfigError(f"--prices {path}: {place}: {first['msg']}") from error
    except ValueError as error:
        raise ConfigError(f"--prices {path} is no TOML: {error}") from error
