"""What is told of each route: defaults, folders, licences, and the table in the documents."""

import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from mcu.backends.diffusers.routes import (
    check_licence,
    facts,
    instruction,
    negative,
    parts,
    resolve,
)
from mcu.errors import ConfigError
from mcu.image_section import ImageSection, RouteName, RouteSection

ROUTES: tuple[RouteName, ...] = get_args(RouteName)
DOCUMENT = Path(__file__).parents[3] / "docs" / "images.md"
FREE = {"sdxl", "lightning", "photomaker", "ip-adapter-plus-face", "flux2-klein", "qwen-edit"}


def image(**settings: Any) -> ImageSection:
    return ImageSection(backend="diffusers", **settings)


@pytest.mark.parametrize("name", ROUTES)
def test_every_route_is_known(name: RouteName) -> None:
    known = facts(name)
    assert known.base and known.use and known.steps > 0
    assert known.memory[0] >= known.memory[1] > 0
    assert all(part.licence and part.commercial is not None for part in known.parts)
    assert known.commercial == (name in FREE)
    assert (known.strength > 0) == name.startswith(("photomaker", "ip-adapter"))


def test_what_is_open_is_filled_in() -> None:
    chosen = resolve(RouteSection(route="photomaker"))
    assert chosen.base == "SG161222/RealVisXL_V3.0"
    assert chosen.weights == "TencentARC/PhotoMaker/photomaker-v1.bin"
    assert (chosen.steps, chosen.guidance, chosen.strength) == (50, 5.0, 0.2)
    assert resolve(RouteSection(route="ip-adapter-plus-face")).encoder.endswith(
        "models/image_encoder"
    )


def test_what_is_given_stays() -> None:
    section = RouteSection(
        route="photomaker", base="b", weights="w.bin", steps=7, guidance=0, strength=0
    )
    chosen = resolve(section)
    assert (chosen.base, chosen.weights) == ("b", "w.bin")
    assert (chosen.steps, chosen.guidance, chosen.strength) == (7, 0, 0)


def test_lightning_takes_its_steps_from_its_file() -> None:
    four = "ByteDance/SDXL-Lightning/sdxl_lightning_4step_lora.safetensors"
    assert resolve(RouteSection(route="lightning")).steps == 8
    assert resolve(RouteSection(route="lightning", weights=four)).steps == 4
    assert resolve(RouteSection(route="lightning", weights=four, steps=6)).steps == 6
    assert resolve(RouteSection(route="lightning", weights="own.safetensors")).steps == 8


def test_a_folder_is_a_copy_of_the_repository(tmp_path: Path) -> None:
    file = tmp_path / "sdxl_models" / "ip-adapter-plus-face_sdxl_vit-h.safetensors"
    other = file.parent / "image_encoder"  # the Hub's larger one, which does not fit
    encoder = tmp_path / "models" / "image_encoder"
    for folder in (other, encoder):
        folder.mkdir(parents=True)
    file.touch()
    for weights in (tmp_path, file):
        chosen = resolve(RouteSection(route="ip-adapter-plus-face", weights=str(weights)))
        assert chosen.weights == str(file)
        assert chosen.encoder == str(encoder)
    encoder.rmdir()
    chosen = resolve(RouteSection(route="ip-adapter-plus-face", weights=str(file)))
    assert chosen.encoder == str(other)
    other.rmdir()
    chosen = resolve(RouteSection(route="ip-adapter-plus-face", weights=str(file)))
    assert chosen.encoder == "h94/IP-Adapter/models/image_encoder"


def test_a_folder_with_the_file_itself(tmp_path: Path) -> None:
    (tmp_path / "photomaker-v1.bin").touch()
    chosen = resolve(RouteSection(route="photomaker", weights=str(tmp_path)))
    assert chosen.weights == str(tmp_path / "photomaker-v1.bin")


@pytest.mark.parametrize("name", sorted(set(ROUTES) - FREE))
def test_non_commercial_weights_need_consent(name: RouteName) -> None:
    persona = RouteSection(route=name)
    with pytest.raises(ConfigError) as caught:
        check_licence(image(persona=persona))
    for word in (name, "image.persona.route", "image.non_commercial = true"):
        assert word in str(caught.value)
    licences = {part.licence for part in parts(persona) if part.commercial is False}
    assert any(licence in str(caught.value) for licence in licences)
    check_licence(image(persona=persona, non_commercial=True))
    check_licence(ImageSection(persona=persona))  # avatars: no weights at all


def test_only_chosen_routes_count() -> None:
    check_licence(image())
    for name in ("ip-adapter-plus-face", "flux2-klein", "qwen-edit"):
        check_licence(image(persona=RouteSection(route=name)))


@pytest.mark.parametrize(
    "base",
    ["black-forest-labs/FLUX.2-klein-9B", "black-forest-labs/FLUX.2-klein-base-9b", "/m/klein-9B"],
)
@pytest.mark.parametrize("kind", ["face", "persona", "scene"])
def test_the_large_klein_is_not_free(base: str, kind: str) -> None:
    section = RouteSection(route="flux2-klein", base=base)
    with pytest.raises(ConfigError, match=f"image.{kind}.route"):
        check_licence(image(**{kind: section}))
    check_licence(image(**{kind: section.model_copy(update={"base": "/m/klein-4B"})}))


def test_of_unknown_weights_nothing_is_said() -> None:
    section = RouteSection(route="photomaker", base="./own", weights="/w/own.bin")
    assert [part.commercial for part in parts(section)] == [None, None]
    check_licence(image(persona=section))


def test_ones_own_copy_of_face_vectors_is_no_way_round() -> None:
    section = RouteSection(route="ip-adapter-faceid", weights="/w/ip-adapter-faceid_sdxl.bin")
    with pytest.raises(ConfigError, match="insightface"):
        check_licence(image(persona=section))


def test_the_instruction_has_places_for_what_changes() -> None:
    sentences = instruction()
    for text in (sentences.one, sentences.several, sentences.other):
        assert "{n}" in text
    assert "{people}" in sentences.whole and "{prompt}" in sentences.whole


def test_the_negative_prompt_can_be_set_and_be_empty() -> None:
    assert len(negative(image()).split()) > 20
    assert "\n" not in negative(image())
    assert negative(image(negative="rain")) == "rain"
    assert negative(image(negative="")) == ""


def test_settings_are_read_without_torch() -> None:
    code = "import sys, mcu.backends.diffusers.routes; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_document_tells_the_same() -> None:
    rows = [row for row in DOCUMENT.read_text(encoding="utf-8").splitlines() if row[:3] == "| `"]
    assert rows[: len(ROUTES)] == [row_of(name) for name in ROUTES]


def row_of(name: RouteName) -> str:
    """A route's line in the table of docs/images.md."""
    known = facts(name)
    cells = [
        f"`{name}`",
        known.use,
        known.base,
        known.weights or "none",
        f"{known.memory[0]} / {known.memory[1]}",
        "; ".join(dict.fromkeys(part.licence for part in known.parts)),
        "yes" if known.commercial else "no",
    ]
    return f"| {' | '.join(cells)} |"
