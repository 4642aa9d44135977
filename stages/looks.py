"""How a persona looks: drawing face attributes, checking them and saying them in a sentence."""

import random
from collections.abc import Iterable, Mapping
from typing import Any

from mcu.stages.lexicon import Look, Person, Row, article, fits, join, lexicon, weighted

HAIR = ("hair_style", "hair_length", "hair_colour")
GARMENTS = ("top", "one_piece", "coat", "special_clothing", "bottoms", "shoes", "hat", "headscarf")
COLOURED = (*GARMENTS, "headband", "scarf", "tie")
PLAIN = ("skin_detail", "glasses", "earrings", "body_shape", "background")
NO_SCARF_OVER = ("hoodie", "turtleneck")


def countries() -> list[str]:
    """The countries whose people the lexicon knows; another one gets a world-wide mixture."""
    return list(lexicon()["country"])


def draw_look(age: int, gender: str, country: str, rng: random.Random) -> Look:
    """A look that agrees with age, gender, origin and itself; the same `rng` gives the same look.

    Keys are slots of the lexicon plus `age` and `gender`; a slot that is not worn has no key.
    Raises ValueError for a gender other than male, female or non-binary.
    """
    look = {"age": str(age), "gender": _gender(gender)}
    person = Person(age, look["gender"], rng)
    origin = lexicon()["palette"][weighted(_country(country)["palettes"], rng)]
    look["skin_tone"] = weighted(origin["skin_tone"], rng)
    look["eye_colour"] = weighted(origin["eye_colour"], rng)
    look |= person.draw("body_shape")
    look |= person.draw("skin_detail", lambda row: _shows_on(row, look["skin_tone"]))
    _draw_head(look, person, origin, _country(country).get("headscarf", 0.0))
    _draw_clothes(look, person)
    worn = {garment(slot, look) for slot in COLOURED}
    look |= person.draw("background", lambda row: not worn & set(row.get("without", [])))
    look["shot_type"] = weighted(lexicon()["shot_types"], rng)
    return look


def _draw_head(look: Look, person: Person, origin: Mapping[str, Any], covered: float) -> None:
    colour = person.hair_colour(origin["hair_colour"])
    texture = weighted(origin["texture"], person.rng)
    look |= {
        slot: beard.format(colour=colour) for slot, beard in person.draw("facial_hair").items()
    }
    look |= person.draw("glasses")
    if person.rng.random() < covered and (scarf := person.draw("headscarf")):
        look |= scarf
        return
    look |= person.draw("hat")
    bald = person.draw("bald")
    if bald:
        look["hair_style"] = bald["bald"]
    else:
        hair = person.draw("hair_style", lambda row: _wearable(row, texture, "hat" in look))
        lengths = lexicon()["hair_style"][hair["hair_style"]]["lengths"]
        look |= hair | {"hair_length": person.rng.choice(lengths), "hair_colour": colour}
    if not bald and "hat" not in look:
        look |= person.draw("headband")
    look |= person.draw("earrings")


def _draw_clothes(look: Look, person: Person) -> None:
    look |= person.draw("shoes")
    if special := person.draw("special_clothing"):
        look |= special | person.draw("bottoms")
        return
    look |= person.draw("one_piece") or person.draw("top") | person.draw("bottoms")
    under = garment("one_piece", look) or garment("top", look)
    look |= person.draw("coat", lambda row: under in row["with"])
    if lexicon()["coat"].get(garment("coat", look), {}).get("tie"):
        look |= person.draw("tie")
    if not {"tie", "headscarf"} & set(look) and under not in NO_SCARF_OVER:
        look |= person.draw("scarf")


def describe(look: Mapping[str, str], age: int, gender: str, country: str) -> str:
    """One English sentence with everything in the look that its shot shows."""
    prose = lexicon()["prose"]
    who = f"{age}-year-old {prose['people'][_gender(gender)][age > prose['child_until']]}"
    place = f"the {country}" if country in prose["the"] else country
    shot = prose["shots"].get(look.get("shot_type", ""), "portrait")
    clothes = _clothes(look, full=look.get("shot_type") in prose["full"])
    sentence = f"{article(shot)} of {article(who)} from {place} with {join(_features(look))}"
    if clothes:
        sentence += f", wearing {join(clothes)}"
    if background := look.get("background"):
        sentence += f", {lexicon()['background'][background]['phrase']}"
    return sentence[0].upper() + sentence[1:] + "."


def _features(look: Mapping[str, str]) -> list[str]:
    words = []
    if "body_shape" in look:
        words.append(article(f"{look['body_shape']} build"))
    words += [f"{look[slot]} {noun}" for slot, noun in _BODY.items() if slot in look]
    if "skin_detail" in look:
        words.append(look["skin_detail"])
    if style := look.get("hair_style"):
        row = lexicon()["bald" if style == "bald" else "hair_style"][style]
        words.append(
            row["phrase"].format(
                colour=look.get("hair_colour", ""), length=look.get("hair_length", "")
            )
        )
    if beard := look.get("facial_hair"):
        words.append(beard if beard.endswith("stubble") else article(beard))
    return words or ["a friendly face"]


_BODY = {"skin_tone": "skin", "eye_colour": "eyes"}


def _clothes(look: Mapping[str, str], full: bool) -> list[str]:
    inner = [_worn(slot, look) for slot in ("special_clothing", "one_piece", "top") if slot in look]
    if "coat" in look:
        inner = [" over ".join([_worn("coat", look), *inner])]
    slots = ("tie", "scarf", *(("bottoms", "shoes") if full else ()))
    inner += [_worn(slot, look) for slot in (*slots, "hat", "headscarf", "headband")]
    inner += [look.get("glasses", ""), look.get("earrings", "")]
    return [words for words in inner if words]


def _worn(slot: str, look: Mapping[str, str]) -> str:
    if slot not in look:
        return ""
    plain = lexicon()[slot].get(garment(slot, look), {}).get("plain", False)
    return look[slot] if plain else article(look[slot])


def check_look(look: Mapping[str, str], age: int, gender: str, country: str) -> list[str]:
    """What in the look contradicts the person, the country or itself, one sentence each."""
    faults = [f"unknown attribute {slot!r}" for slot in look if slot not in _SLOTS]
    if look.get("age", str(age)) != str(age) or look.get("gender", gender) != _gender(gender):
        faults.append(f"the look is not that of a {gender} of {age}")
    faults += _check_values(look, age, _gender(gender))
    faults += _check_origin(look, country)
    faults += _check_hair(look, age, _gender(gender))
    faults += _check_wear(look)
    return faults


_SLOTS = {"age", "gender", "skin_tone", "eye_colour", "facial_hair", "shot_type"}
_SLOTS |= {*HAIR, *COLOURED, *PLAIN}


def _check_values(look: Mapping[str, str], age: int, gender: str) -> Iterable[str]:
    for slot in (*COLOURED, *PLAIN):
        if slot not in look:
            continue
        row = lexicon()[slot].get(garment(slot, look) if slot in COLOURED else look[slot])
        if row is None:
            yield f"unknown {slot} {look[slot]!r}"
        elif not fits(row, age, gender):
            yield f"{look[slot]!r} does not suit a {gender} person of {age}"
    if beard := look.get("facial_hair"):
        kinds = lexicon()["facial_hair"]
        colour = _beard_colour(beard)
        kind = beard.replace(colour, "{colour}", 1) if colour else beard
        if kind not in kinds or not fits(kinds[kind], age, gender) or gender == "female":
            yield f"{beard!r} does not suit a {gender} person of {age}"


def _check_origin(look: Mapping[str, str], country: str) -> Iterable[str]:
    palettes = [lexicon()["palette"][name] for name in _country(country)["palettes"]]
    for slot in ("skin_tone", "eye_colour", "hair_colour"):
        known = {value for palette in palettes for value in palette[slot]}
        if slot in look and look[slot] not in known | set(lexicon()["grey"]):
            yield f"{slot} {look[slot]!r} is unlikely in {country}"


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
        if not fits(lexicon()["bald"][style], age, gender):
            yield f"a bald head does not suit a {gender} person of {age}"
    else:
        row = lexicon()["hair_style"].get(style)
        if row is not None and not fits(row, age, gender):
            yield f"{style!r} hair does not suit a {gender} person of {age}"
        if row is None or look.get("hair_length") not in row["lengths"]:
            yield f"no such hair: {look.get('hair_length')} {style!r}"
        elif "hat" in look and not row.get("hat"):
            yield f"a hat does not go over {style!r} hair"


def _check_wear(look: Mapping[str, str]) -> Iterable[str]:
    outer = [slot for slot in ("special_clothing", "one_piece", "top") if slot in look]
    if len(outer) != 1:
        yield f"clothes for the upper body: {outer}"
    heads = [slot for slot in ("hat", "headscarf", "headband") if slot in look]
    if len(heads) > 1:
        yield f"more than one thing on the head: {heads}"
    if "tie" in look and (garment("top", look) != "shirt" or "scarf" in look):
        yield "a tie without a shirt, or under a scarf"
    place = lexicon()["background"].get(look.get("background", ""), {})
    if unfit := {garment(slot, look) for slot in COLOURED} & set(place.get("without", [])):
        yield f"{sorted(unfit)} at the {look['background']}"
    if "coat" in look:
        row = lexicon()["coat"].get(garment("coat", look), {"with": []})
        if not {garment("top", look), garment("one_piece", look)} & set(row["with"]):
            yield f"{look['coat']!r} does not go over what is worn"


def garment(slot: str, look: Mapping[str, str]) -> str:
    """The garment in a slot without its colour, or an empty string."""
    return look.get(slot, "").partition(" ")[2]


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


def _wearable(row: Row, texture: str, hat: bool) -> bool:
    return texture in row.get("textures", [texture]) and (row.get("hat", False) or not hat)


def _beard_colour(beard: str) -> str:
    palettes = lexicon()["palette"].values()
    colours = {*lexicon()["grey"], *(name for row in palettes for name in row["hair_colour"])}
    return max((name for name in colours if f" {name} " in f" {beard} "), key=len, default="")
