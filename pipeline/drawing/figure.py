"""The illustrated person: SVG from a look, the same head wherever it is drawn."""

import random
from collections.abc import Mapping
from typing import Any

from mcu.drawing.canvas import chance, fill, mix, shapes

Look = Mapping[str, str]
SETTING = ("background", "shot_type")
# the sheet (x, y, width, height), and the y of the hips and of the soles on it
SHEET = (-164.0, 20.0, 840.0, 1220.0)
HIPS, SOLES = 760, 1236


class Figure:
    """One person. Everything follows from the look, so that an equal look is an equal person."""

    def __init__(self, look: Look, wear: Look | None = None) -> None:
        """`wear` are clothes of one picture: they change neither the face nor the hair."""
        self.base = {key: value for key, value in look.items() if key not in SETTING}
        self.look = self.base | dict(wear or {})
        self.rng = chance(*sorted(self.base.items()))
        age = self.look.get("age", "35")
        self.age = int(age) if age.isdecimal() and len(age) < 4 else 35
        gender = self.look.get("gender", "")
        self.gender = gender if gender in shapes("parts")["cue"] else "non-binary"
        self.colours = self._colours()
        self.size = self._size()

    def svg(self, pose: str = "rest", seat: str = "") -> str:
        """The whole figure on its sheet: see data/parts.toml for the coordinates.

        `seat` is how it sits: kneel, ground or chair; empty if it stands.
        """
        across, down, size = self.stature()
        body = f"translate({across:.1f} {down:.1f}) scale({size:.3f})"
        parts = [
            f"<defs>{shapes('parts')['patterns']}{self._clip()}</defs>",
            self._wear("veil", "back"),
            self._hair("back") or self._wear("headscarf", "back"),
            f'<g transform="{body}">',
            self._legs(seat),
            self._body(seat),
            self._lap(seat),
            "" if seat or pose == "work" else self._wear("bag"),
            self._arms(pose),
            self._wear("scarf"),
            "</g>",
            self._head(),
            self._hair("over"),
        ]
        return "".join(parts)

    def stature(self) -> tuple[float, float, float]:
        """How the body is set under the head: right, down, scale. Children are shorter."""
        size = 1.17 - max(0.0, (17 - self.age) * 0.028)
        return 256 * (1 - size), 346 - 378 * size, size

    def hand(self, pose: str) -> tuple[float, float]:
        """Where the right hand is on the sheet."""
        across, down, size = self.stature()
        x, y = shapes("parts")["pose"][pose][3]
        return across + (int(str(self.size["sr"])) - 22 + x) * size, down + (436 + y) * size

    def _clip(self) -> str:
        outline = shapes("parts")["head"][self.face["head"]]
        return f'<clipPath id="head"><path d="{outline}"/></clipPath>'

    def _colours(self) -> dict[str, object]:
        palette = shapes("palette")
        look = self.look
        skin = palette["skin"].get(look.get("skin_tone", ""), palette["skin"]["tan"])
        beard = _longest(look.get("facial_hair", ""), palette["hair"])
        known = look.get("hair_colour", "") or beard
        hair = palette["hair"].get(known, mix(skin, "#1c1512", 0.78))
        deep = sum(bytes.fromhex(skin[1:])) < 330
        shade = mix(hair, "#000000", 0.25)
        pale = sum(bytes.fromhex(hair[1:])) > 560
        self.face = self._face()
        cue = shapes("parts")["cue"][self.gender]
        return {
            "skin": skin,
            "skin2": mix(skin, "#5e2417", 0.24),
            "line": mix(skin, "#3a120a", 0.5 if deep else 0.36),
            "blush": mix(skin, "#e2504a", 0.5),
            "glow": cue["blush"],
            "lid": cue["lid"],
            "lip": mix(skin, cue["lip"], cue["tint"] - (0.08 if deep else 0)),
            "hair": hair,
            "hair2": shade,
            "hair3": mix(hair, *(("#000000", 0.08) if pale else ("#ffffff", 0.3))),
            "brow": mix(hair, "#2a1d16", 0.3) if self.age < 60 else mix(hair, "#4a4038", 0.2),
            "beard": mix(hair, "#000000", 0.06),
            "beard2": shade,
            "iris": palette["eyes"].get(look.get("eye_colour", ""), palette["eyes"]["brown"]),
            "lash": "#241a16",
        }

    def _face(self) -> dict[str, str]:
        choices = shapes("parts")["choice"]
        young = choices.get(f"young {self.gender}", {}) if self.age < 13 else {}
        rows = choices[self.gender] | young
        return {part: self.rng.choice(names) for part, names in rows.items()}

    def _size(self) -> dict[str, object]:
        builds = shapes("parts")["build"]
        s, w, h = builds.get(self.look.get("body_shape", ""), builds["average"])
        cue, grown = shapes("parts")["cue"][self.gender], self.age >= 15
        ratios = (1 + (ratio - 1) * (1.0 if grown else 0.4) for ratio in cue["body"])
        s, w, h = (side * ratio for side, ratio in zip((s, w, h), ratios, strict=True))
        neck = cue["neck"] if grown else 31
        left = {
            "sl": s,
            "sk": s - 6,
            "sm": s - 22,
            "sn": s - 52,
            "wl": w,
            "hl": h,
            "lg": h - 10,
            "lh": h - 22,
            "lj": h - 6,
            "fo": h + 12,
            "hq": h + 34,
            "na": neck,
        }
        right = {"sr": s, "tk": s - 6, "tm": s - 22, "tn": s - 52, "wr": w, "hr": h, "hp": h + 34}
        sides = {name: round(256 - far) for name, far in left.items()}
        return sides | {name: round(256 + far) for name, far in right.items()} | {"nb": 256 + neck}

    def _legs(self, seat: str) -> str:
        """What is under the body: the legs of one who stands, or folded ones."""
        folded = shapes("clothes")["folded"].get(seat)
        if folded and "under" in folded:
            return fill(folded["under"], self._with(self._cloth()) | {"shoe": self._shoe()})
        bare = fill(shapes("clothes")["body"]["legs"], self._with("#000000"))
        legs = bare + "".join(self._wear(slot) for slot in ("socks", "shoes", "bottoms"))
        return f'<g transform="translate(0 {folded["up"]})">{legs}</g>' if folded else legs

    def _lap(self, seat: str) -> str:
        """What lies before the body of one who sits."""
        over = shapes("clothes")["folded"].get(seat, {}).get("over", "")
        return fill(over, self._with(self._cloth()) | {"shoe": self._shoe()})

    def _cloth(self) -> str:
        """The colour of what covers the legs."""
        _, row, colour = self._garment()
        if "lower" in row:
            return colour
        return self._piece("bottoms")[1] if "bottoms" in self.look else "#4a5568"

    def _shoe(self) -> str:
        return self._piece("shoes")[1] if "shoes" in self.look else "#3b3d44"

    def _body(self, seat: str = "") -> str:
        drawn = shapes("clothes")["body"]
        slot, row, cloth = self._garment()
        values = self._with(cloth)
        torso = fill(drawn["torso"], values)
        base = "#f4f2ee" if row.get("under") and row.get("bib") else cloth
        parts = [fill(drawn["neck"], values), f'<path d="{torso}" fill="{base}"/>']
        word = self.look.get(slot, "").split(" ")[0]
        for over in (shapes("palette")["pattern"].get(word), row.get("over")):
            if over:
                parts.append(f'<path d="{torso}" fill="url(#{over})"/>')
        if not seat:
            parts.append(fill(row.get("lower", ""), values))
        parts.append(fill(row["svg"], values) + self._wear("tie") + self._wear("belt"))
        if "coat" in self.look:
            coat, colour = self._piece("coat")
            values = self._with(colour)
            panel = f'[[<path d="{drawn["panel"]}" fill="{colour}"/>]]'
            lower = "" if seat else coat.get("lower", "")
            parts.append(fill(lower + panel + coat.get("svg", ""), values))
        return "".join(parts)

    def _arms(self, pose: str) -> str:
        _, row, cloth = self._garment()
        short = row.get("sleeve") == "short"
        if "coat" in self.look:
            short, cloth = False, self._piece("coat")[1]
        elif row.get("under"):
            cloth = "#f4f2ee"
        ends = shapes("parts")["pose"][pose]
        thick = 50 if self.gender == "female" else 56
        left, right = int(str(self.size["sl"])) + 22, int(str(self.size["sr"])) - 22
        return "".join(
            self._arm(x, ends[side : side + 2], cloth, thick, short)
            for x, side in ((left, 0), (right, 2))
        )

    def _arm(self, x: int, ends: Any, cloth: str, thick: int, short: bool) -> str:
        (ex, ey), (hx, hy) = ((x + dx, 436 + dy) for dx, dy in ends)
        line = f'fill="none" stroke-linecap="round" stroke-linejoin="round" d="M{x} 436'
        skin, edge = self.colours["skin"], mix(cloth, "#000000", 0.22)
        hand = f'<circle cx="{hx}" cy="{hy}" r="{thick * 0.44:.0f}" fill="{skin}"/>'
        if short:
            mx, my = x + (ex - x) * 0.72, 436 + (ey - 436) * 0.72
            sleeve = f"{line}L{mx:.0f} {my:.0f}"
            return (
                f'<path stroke="{edge}" stroke-width="{thick + 5}" {sleeve}"/>'
                f'<path stroke="{skin}" stroke-width="{thick - 14}" {line}L{ex} {ey}L{hx} {hy}"/>'
                f'<path stroke="{cloth}" stroke-width="{thick}" {sleeve}"/>{hand}'
            )
        # the cuff's round end must leave half of the hand in sight
        bare = 1 - (thick * 0.62) / max(1.0, ((hx - ex) ** 2 + (hy - ey) ** 2) ** 0.5)
        cx, cy = ex + (hx - ex) * bare, ey + (hy - ey) * bare
        path = f"{line}L{ex} {ey}L{cx:.0f} {cy:.0f}"
        return (
            f'{hand}<path stroke="{edge}" stroke-width="{thick + 5}" {path}"/>'
            f'<path stroke="{cloth}" stroke-width="{thick}" {path}"/>'
        )

    def _head(self) -> str:
        parts = shapes("parts")
        outline = parts["head"][self.face["head"]]
        drawn = [
            "" if "headscarf" in self.look else parts["face"]["ears"],
            f'<path d="{outline}" fill="$skin"/>',
            parts["face"]["shadow"],
            parts["face"]["blush"],
            *(row["svg"] for row in parts["age"] if self.age >= row["from"]),
            parts["skin_detail"].get(self.look.get("skin_detail", ""), ""),
            self._beard(),
            *(self._feature(name) for name in ("nose", "mouth", "eyes", "brows")),
        ]
        face = fill("".join(drawn), self.colours)
        gems = fill(parts["earrings"].get(self.look.get("earrings", ""), ""), self.colours)
        lenses = fill(parts["glasses"].get(self.look.get("glasses", ""), ""), self.colours)
        wear = "".join(self._wear(slot) for slot in ("headscarf", "veil", "headband", "hat"))
        return face + self._hair("front") + gems + wear + lenses

    def _feature(self, name: str) -> str:
        """A part of the face, a little larger or smaller than in others' faces."""
        parts = shapes("parts")
        y = {"eyes": 212, "brows": 186, "nose": 240, "mouth": 288}[name]
        cue = parts["cue"][self.gender]
        wide = self.rng_of(name).uniform(0.94, 1.06)
        svg = parts[name][self.face[name]]
        if name == "eyes":
            wide *= 1.1 if self.age < 13 else cue["eyes"]
            svg += parts["lashes"].get(self.gender, "")
        drop = (4 if self.age < 13 else 0) + (cue["brow"] if name == "brows" else 0)
        move = f"translate({256 * (1 - wide):.2f} {y * (1 - wide) + drop:.2f}) scale({wide:.3f})"
        return f'<g transform="{move}">{svg}</g>'

    def rng_of(self, name: str) -> random.Random:
        """The person's own randomness for one part, whatever is drawn before it."""
        return chance(name, *sorted(self.base.items()))

    def _beard(self) -> str:
        kinds = shapes("parts")["facial_hair"]
        worn = _longest(self.look.get("facial_hair", ""), kinds, True)
        shaven = not worn and self.gender == "male" and self.age >= 18
        return str(kinds.get("shaven" if shaven else worn, ""))

    def _hair(self, layer: str) -> str:
        """A layer of the hair: "back" behind the head, "front", or "over" the clothes."""
        style = shapes("hair")["style"].get(self.look.get("hair_style", ""), {})
        if layer == "back":
            lengths = shapes("hair")["back"].get(style.get("back"), {})
            svg = lengths.get(self.look.get("hair_length", ""), "")
        else:
            svg = style.get(layer, "")
        return fill(svg, self.colours)

    def _wear(self, slot: str, layer: str = "svg") -> str:
        if not self.look.get(slot):
            return ""
        row, colour = self._piece(slot)
        return fill(row.get(layer, ""), self._with(colour))

    def _garment(self) -> tuple[str, Mapping[str, Any], str]:
        """Slot, shape and colour of what covers the torso."""
        for slot in ("special_clothing", "one_piece", "top"):
            if slot in self.look:
                row, colour = self._piece(slot)
                return slot, row, colour
        return "top", shapes("clothes")["garment"]["T-shirt"], "#8d929a"

    def _piece(self, slot: str) -> tuple[Mapping[str, Any], str]:
        """Shape and colour of the "<colour> <garment>" in a slot; a plain one if unknown."""
        clothes = shapes("clothes")
        kinds = clothes.get(slot, clothes["garment"])
        value = self.look.get(slot, "")
        name = _longest(value, kinds, True) or next(iter(kinds))
        colours = shapes("palette")["cloth"]
        word = value.split(" ")[0] if value.split(" ")[0] in colours else _longest(value, colours)
        return kinds[name], colours.get(word, "#8d929a")

    def _with(self, cloth: str) -> dict[str, object]:
        shades = {"c": cloth, "c2": mix(cloth, "#14141e", 0.2), "c3": mix(cloth, "#ffffff", 0.4)}
        return self.colours | self.size | shades


def _longest(text: str, names: Mapping[str, Any], at_end: bool = False) -> str:
    """The longest of the names that stands in the text as words, or an empty string."""
    padded = f" {text} "
    found = (n for n in names if (padded.endswith(f" {n} ") if at_end else f" {n} " in padded))
    return max(found, key=len, default="")
