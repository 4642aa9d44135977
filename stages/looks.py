"""How a persona looks: drawing face attributes, checking them and saying them in a sentence."""

import random
import re
from bisect import bisect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mcu.stages.lexicon import (
    COLOURED,
    Look,
    Person,
    Row,
    agrees,
    article,
    company,
    fits,
    join,
    kind,
    lexicon,
    row_of,
    weighted,
)

HAIR = ("hair_style", "hair_length", "hair_colour")
PLAIN = ("skin_detail", "glasses", "earrings", "body_shape", "background")
# drawn in this order: each must go with those before it
_CLOTHES = ("bottoms", "coat", "tie", "scarf", "shoes", "socks", "belt", "bag", "veil")
# said in this order
_SAID = ("tie", "scarf", "bottoms", "belt", "socks", "shoes")
# What CLIP takes for a token at the least: a word, a digit or a mark.
_PIECE = re.compile(r"\d|[^\W\d]+|[^\w\s]")


def countries() -> list[str]:
    """The countries whose people the lexicon knows; another one gets a world-wide mixture."""
    return list(lexicon()["country"])


def draw_look(age: int, gender: str, country: str, rng: random.Random) -> Look:
    """A look that agrees with age, gender, origin and itself; the same `rng` gives the same look.

    Keys are slots of the lexicon plus `age` and `gender`; a slot that is not worn has no key.
    Raises ValueError for a gender other than male, female or non-binary.
    """
    person = Person(age, _gender(gender), country, rng)
    look = person.look
    look |= {"age": str(age), "gender": person.gender}
    origin = lexicon()["palette"][weighted(_country(country)["palettes"], rng)]
    look["skin_tone"] = weighted(origin["skin_tone"], rng)
    look["eye_colour"] = weighted(origin["eye_colour"], rng)
    person.wear("body_shape")
    person.wear("skin_detail", lambda row: _shows_on(row, look["skin_tone"]))
    _draw_head(person, origin, _country(country).get("headscarf", 0.0))
    if not person.wear("special_clothing") and not person.wear("one_piece"):
        person.wear("top")
    for slot in (*_CLOTHES, "background"):
        person.wear(slot)
    look["shot_type"] = weighted(lexicon()["shot_types"], rng)
    return look


def _draw_head(person: Person, origin: Mapping[str, Any], covered: float) -> None:
    look, rng = person.look, person.rng
    colour = person.hair_colour(origin["hair_colour"])
    texture = weighted(origin["texture"], rng)
    if person.wear("facial_hair"):
        look["facial_hair"] = look["facial_hair"].format(colour=colour)
    person.wear("glasses")
    if rng.random() < covered and person.wear("headscarf"):
        return
    person.wear("hat")
    if person.wear("bald"):
        look["hair_style"] = look.pop("bald")
    else:
        person.wear("hair_style", lambda row: texture in row.get("textures", [texture]))
        look["hair_length"] = rng.choice(lexicon()["hair_style"][look["hair_style"]]["lengths"])
        look["hair_colour"] = colour
        person.wear("headband")
    person.wear("earrings")


def describe(look: Mapping[str, str], age: int, gender: str, country: str) -> str:
    """One English sentence with what the look's shot shows of it, the most telling first.

    CLIP reads 75 tokens and cuts the rest off: where the sentence would be longer, the least
    telling attributes are left out (`trim` in data/looks.toml).
    """
    prose = lexicon()["prose"]
    shown = {slot: value for slot, value in look.items() if _is_seen(slot, look)}
    sentence = _sentence(shown, age, gender, country)
    for slot in prose["trim"]:
        if len(_PIECE.findall(sentence)) <= prose["pieces"]:
            break
        if shown.pop(slot, None):
            sentence = _sentence(shown, age, gender, country)
    return sentence


def _is_seen(slot: str, look: Mapping[str, str]) -> bool:
    """Whether the look's shot is wide enough to show the slot."""
    prose, shots = lexicon()["prose"], list(lexicon()["prose"]["shots"])
    row = row_of(slot, look[slot]) or {}
    least = row.get("seen") or prose["seen"].get(slot, shots[0])
    shot = look.get("shot_type", "portrait")
    return shots.index(least) <= shots.index(shot if shot in shots else "portrait")


def _sentence(look: Mapping[str, str], age: int, gender: str, country: str) -> str:
    prose = lexicon()["prose"]
    who = f"{age}-year-old {prose['people'][_gender(gender)][bisect(prose['grown'], age)]}"
    if look.get("body_shape", "average") not in prose["unsaid"]:
        who = f"{look['body_shape']} {who}"
    place = f"the {country}" if country in prose["the"] else country
    shot = prose["shots"].get(look.get("shot_type", ""), "portrait")
    sentence = f"{article(shot)} of {article(who)} from {place} with {join(_features(look))}"
    if clothes := _clothes(look):
        sentence += f", wearing {join(clothes)}"
    if "bag" in look:
        sentence += f", carrying {_worn('bag', look)}"
    if background := look.get("background"):
        sentence += f", {lexicon()['background'][background]['phrase']}"
    return sentence[0].upper() + sentence[1:] + "."


def _features(look: Mapping[str, str]) -> list[str]:
    words = [f"{look[slot]} {noun}" for slot, noun in _BODY.items() if slot in look]
    words += [look["skin_detail"]] if "skin_detail" in look else []
    words += [_hair(look)] if "hair_style" in look else []
    words += [_worn(slot, look) for slot in ("headscarf", "veil", "headband") if slot in look]
    words += [look["glasses"]] if "glasses" in look else []
    words += [_beard(look)] if "facial_hair" in look else []
    return words or ["a friendly face"]


_BODY = {"skin_tone": "skin", "eye_colour": "eyes"}


def _hair(look: Mapping[str, str]) -> str:
    """The hair, and what is seen of it under a hat."""
    style = look["hair_style"]
    row = lexicon()["bald" if style == "bald" else "hair_style"][style]
    plain = "hat" in look and row.get("hidden", False)
    phrase = lexicon()["prose"]["covered"] if plain else row["phrase"]
    hair = phrase.format(colour=look.get("hair_colour", ""), length=look.get("hair_length", ""))
    return f"{hair} under {_worn('hat', look)}" if "hat" in look else str(hair)


def _beard(look: Mapping[str, str]) -> str:
    """The beard; its colour is said where the hair does not tell it."""
    colour = look.get("hair_colour", "")
    words = " ".join(look["facial_hair"].replace(colour, "", 1).split())
    return words if words.endswith("stubble") else article(words)


def _clothes(look: Mapping[str, str]) -> list[str]:
    inner = [_worn(slot, look) for slot in ("special_clothing", "one_piece", "top") if slot in look]
    if "coat" in look:
        inner = [" over ".join([_worn("coat", look), *inner])]
    inner += [_worn(slot, look) for slot in _SAID if slot in look]
    inner += [_worn("hat", look)] if "hat" in look and "hair_style" not in look else []
    return inner + ([look["earrings"]] if "earrings" in look else [])


def _worn(slot: str, look: Mapping[str, str]) -> str:
    row = row_of(slot, look[slot]) or {}
    words = look[slot] if row.get("plain") else article(look[slot])
    words += f" over {row['over']}" if "over" in row else ""
    return words + (f" {row['note']}" if "note" in row else "")


def check_look(look: Mapping[str, str], age: int, gender: str, country: str) -> list[str]:
    """What in the look contradicts the person, the country or itself, one sentence each."""
    faults = [f"unknown attribute {slot!r}" for slot in look if slot not in _SLOTS]
    if look.get("age", str(age)) != str(age) or look.get("gender", gender) != _gender(gender):
        faults.append(f"the look is not that of a {gender} of {age}")
    faults += _check_values(look, age, _gender(gender), country)
    faults += _check_origin(look, country)
    faults += _check_hair(look, age, _gender(gender))
    faults += _check_company(look)
    return faults


_SLOTS = {"age", "gender", "skin_tone", "eye_colour", "facial_hair", "shot_type"}
_SLOTS |= {*HAIR, *COLOURED, *PLAIN}


def _check_values(look: Mapping[str, str], age: int, gender: str, country: str) -> Iterator[str]:
    for slot in (*COLOURED, *PLAIN):
        if slot not in look:
            continue
        row = row_of(slot, look[slot])
        if row is None:
            yield f"unknown {slot} {look[slot]!r}"
        elif not fits(row, age, gender, country):
            yield f"{look[slot]!r} does not suit a {gender} person of {age} from {country}"
    if beard := look.get("facial_hair"):
        kinds = lexicon()["facial_hair"]
        colour = _beard_colour(beard)
        name = beard.replace(colour, "{colour}", 1) if colour else beard
        if name not in kinds or not fits(kinds[name], age, gender) or gender == "female":
            yield f"{beard!r} does not suit a {gender} person of {age}"
    if look.get("shot_type", "portrait") not in lexicon()["shot_types"]:
        yield f"unknown shot {look['shot_type']!r}"


def _check_origin(look: Mapping[str, str], country: str) -> Iterator[str]:
    """Skin, eyes and hair must be those of people of one kind, not of all in a country at once."""
    palettes = [lexicon()["palette"][name] for name in _country(country)["palettes"]]
    hair = look.get("hair_colour") or _beard_colour(look.get("facial_hair", ""))
    traits = {slot: look[slot] for slot in ("skin_tone", "eye_colour") if slot in look}
    if hair and hair not in lexicon()["grey"]:
        traits["hair_colour"] = hair
    textures = lexicon()["hair_style"].get(look.get("hair_style", ""), {}).get("textures")
    for row in palettes:
        curls = textures is None or set(textures) & set(row["texture"])
        if curls and all(value in row[slot] for slot, value in traits.items()):
            return
    yield f"{', '.join(traits.values())} and such hair are unlikely together in {country}"


def _check_hair(look: Mapping[str, str], age: int, gender: str) -> Iterable[str]:
    colour, style = look.get("hair_colour", ""), look.get("hair_style", "")
    grey = lexicon()["grey"]
    worn = {colour, _beard_colour(look.get("facial_hair", ""))} - {""}
    for shade in worn & set(grey):
        if not fits(grey[shade], age, ""):
            yield f"{shade} hair at {age}"
    if len(worn) > 1:
        yield "hair and beard differ in colour"
    if "headscarf" in look:
        if style or colour:
            yield "hair is described although a headscarf covers it"
    elif style == "bald":
        if colour or "hair_length" in look:
            yield "a bald head has hair"
        if "headband" in look:
            yield "a headband on a bald head"
        if not fits(lexicon()["bald"][style], age, gender):
            yield f"a bald head does not suit a {gender} person of {age}"
    else:
        row = lexicon()["hair_style"].get(style)
        if row is not None and not fits(row, age, gender):
            yield f"{style!r} hair does not suit a {gender} person of {age}"
        if row is None or look.get("hair_length") not in row["lengths"]:
            yield f"no such hair: {look.get('hair_length')} {style!r}"


def _check_company(look: Mapping[str, str]) -> Iterator[str]:
    """What is worn must go together, and cover the body."""
    outer = [slot for slot in ("special_clothing", "one_piece", "top") if slot in look]
    if len(outer) != 1:
        yield f"clothes for the upper body: {outer}"
    for slot, value in look.items():
        if row_of(slot, value) is None:
            continue
        rest = {other: worn for other, worn in look.items() if other != slot}
        if not agrees(slot, kind(slot, value), *company(rest)):
            yield f"{value!r} does not go with the rest of the look"


def _gender(gender: str) -> str:
    name = gender.strip().casefold()
    if name not in lexicon()["prose"]["people"]:
        raise ValueError(f"gender must be male, female or non-binary, not {gender!r}")
    return name


def _country(country: str) -> dict[str, Any]:
    everywhere = {"palettes": dict.fromkeys(lexicon()["palette"], 1)}
    row: dict[str, Any] = lexicon()["country"].get(country, everywhere)
    return row


def _shows_on(row: Row, tone: str) -> bool:
    return "tones" not in row or tone in row["tones"]


def _beard_colour(beard: str) -> str:
    palettes = lexicon()["palette"].values()
    colours = {*lexicon()["grey"], *(name for row in palettes for name in row["hair_colour"])}
    return max((name for name in colours if f" {name} " in f" {beard} "), key=len, default="")
