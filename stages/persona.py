"""Stage 1: social persona attributes from demographics (paper §3.1, step 1)."""

import re
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

from rapidfuzz import fuzz

from mcu.config import Config
from mcu.context import Context
from mcu.contract import Reply, stage
from mcu.errors import Fault
from mcu.ids import rng_of
from mcu.records import Persona, PersonaSeed
from mcu.stages.text import mentions, one_line, words

T = TypeVar("T")

_NEAR = 90  # rapidfuzz token-set ratio from which two sentences about one entity are the same


class Attribute(Reply):
    """An entity and the sentence that states it."""

    value: str
    sentence: str


class Attributes(Reply):
    """What a persona call answers."""

    personas: list[Attribute]


@stage(
    1, takes=PersonaSeed, makes=Persona, uses=("chat", "checks"), prompts=("persona",), version=1
)
async def persona(seed: PersonaSeed, ctx: Context) -> list[Persona]:
    """One person a well-formed attribute; the others are rejected one by one."""
    reply = await ctx.ask(
        "persona", Attributes, seed=seed, check=lambda r: _check_all(r, seed.count), lenient=True
    )
    made: list[Persona] = []
    for number, item in enumerate(reply.personas[: seed.count]):
        try:
            check(item)
        except Fault as fault:
            ctx.reject("bad_attribute", str(fault), item.model_dump_json())
            continue
        shared = seed.model_dump(exclude={"id", "parent", "number", "count"})
        name = _name(seed.birthplace, seed.gender, seed.id, number)
        made.append(
            Persona(
                parent=seed.id,
                entity_value=item.value,
                sentence=item.sentence,
                name=name,
                **shared,
            )
        )
    return made


def _check_all(reply: Attributes, count: int) -> None:
    if len(reply.personas) < count:
        raise Fault(f"{count} attributes are asked for, not {len(reply.personas)}")
    for item in reply.personas:
        check(item)


def check(item: Attribute) -> None:
    """Raise Fault unless the sentence is one line that states the value."""
    one_line("the value", item.value, 1, 12)
    one_line("the sentence", item.sentence, 3, 40)
    if not mentions(item.sentence, item.value):
        raise Fault(f"the sentence must contain the value {item.value!r} word for word")
    if len(words(item.sentence)) < len(words(item.value)) + 2:
        raise Fault("the sentence must say something about the person besides the value")


class Duplicates:
    """Tells repeated attributes over the whole run; the paper drops 19.8 % of them.

    Two attributes are the same when key and value agree (case, punctuation and plural aside) and
    so do the sentences, exactly or by nine tenths of their words.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], list[str]] = {}

    def add(self, found: Persona) -> bool:
        """Remember a persona; False when it repeats one that came before."""
        value = re.sub(r"\W+", " ", found.entity_value.casefold()).strip().rstrip("s")
        text = re.sub(r"\W+", " ", found.sentence.casefold()).strip()
        known = self._seen.setdefault((found.entity_key, value), [])
        if any(fuzz.token_set_ratio(text, other) >= _NEAR for other in known):
            return False
        known.append(text)
        return True


def seeds(config: Config, start: int, count: int) -> list[PersonaSeed]:
    """The calls to make, by number. Each kind of demographic is dealt from shuffled decks.

    Dealing keeps every distribution as asked (categories, age groups, genders and countries
    even, seven in ten living where they were born) in any run of a few dozen seeds.
    """
    return [_seed(config, number) for number in range(start, start + count)]


def _seed(config: Config, number: int) -> PersonaSeed:
    table = taxonomy()
    key = config.run.seed
    rng = rng_of(key, "persona", number)
    category, entity_key = _deal(key, "category", [tuple(c) for c in table["categories"]], number)
    youngest, oldest = _deal(key, "age", _age_groups(*config.run.ages), number)
    born = _deal(key, "country", table["countries"], number)
    stays = _deal(key, "stays", [True] * 7 + [False] * 3, number)
    elsewhere = [c for c in table["countries"] if c != born]
    return PersonaSeed(
        number=number,
        category=category,
        entity_key=entity_key,
        age=rng.randint(youngest, oldest),
        gender=_deal(key, "gender", table["genders"], number),
        birthplace=born,
        residence=born if stays else rng.choice(elsewhere),
        count=config.personas_per_call,
    )


def _age_groups(low: int, high: int) -> list[tuple[int, int]]:
    """Decades between two ages; one cut to under half is joined to its neighbour."""
    groups = [(max(a, low), min(a + 9, high)) for a in range(low // 10 * 10, high + 1, 10)]
    if len(groups) > 1 and groups[0][1] - groups[0][0] < 4:
        groups[:2] = [(low, groups[1][1])]
    if len(groups) > 1 and groups[-1][1] - groups[-1][0] < 4:
        groups[-2:] = [(groups[-2][0], high)]
    return groups


def _deal(seed: int, deck: str, cards: Sequence[T], number: int) -> T:
    hand = list(cards)
    rng_of(seed, deck, number // len(hand)).shuffle(hand)
    return hand[number % len(hand)]


@cache
def taxonomy() -> dict[str, list[Any]]:
    """Categories with their entity keys, countries and genders (paper, Table 6)."""
    return tomllib.loads((files("mcu.stages") / "data/taxonomy.toml").read_text(encoding="utf-8"))


def _name(country: str, gender: str, *parts: object) -> str:
    pools = _names()[country]
    pool = pools.get(gender) or [*pools["male"], *pools["female"]]
    return rng_of("name", country, gender, *parts).choice(pool)


@cache
def _names() -> dict[str, dict[str, list[str]]]:
    text = (files("mcu.stages") / "data/names.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text)
    return {c: {g: names.split() for g, names in t.items()} for c, t in tables.items()}
