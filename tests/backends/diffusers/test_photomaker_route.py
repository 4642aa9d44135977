"""PhotoMaker as a route: people and prompts in one batch, each picture from its request alone."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny

tiny.torch_ready()
import tiny_photomaker as made  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402

from mcu.backends import ImageRequest  # noqa: E402
from mcu.backends.diffusers.base import fuse, open_sdxl, place  # noqa: E402
from mcu.backends.diffusers.denoise import latents  # noqa: E402
from mcu.backends.diffusers.photomaker import PhotoMaker, open_photomaker  # noqa: E402
from mcu.backends.diffusers.photomaker.prompt import encode  # noqa: E402
from mcu.errors import BackendError, Reject  # noqa: E402

Opened = tuple[Any, Any]
FIXED: dict[str, Any] = {"guidance": 5.0, "size": 64, "negative": "blurry"}
FACES = [made.face(seed, (80, 100)) for seed in range(6)]
PEOPLE = [
    ImageRequest("p-t2i", "a photo of a man img at the beach", 11, faces=(FACES[0],)),
    ImageRequest("p-t2i", "an old woman img, smiling", 12, faces=(FACES[1], FACES[2], FACES[3])),
    ImageRequest("p-t2i", "portrait of a girl img with a dog in a park", 13, faces=(FACES[4],)),
    ImageRequest("p-t2i", "young boy img", 14, faces=(FACES[5], FACES[0])),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Any:
    pipe = open_sdxl(str(tiny.write_sdxl(tmp_path_factory.mktemp("sdxl"))), torch.float32)
    for name, weight in pipe.unet.named_parameters():
        if ".attn2." in name and name.endswith("weight"):
            weight.mul_(3)  # random attention hardly hears one word among 77
    return pipe


@pytest.fixture(scope="module", params=[1, 2], ids=["v1", "v2"])
def opened(
    request: pytest.FixtureRequest, base: Any, tmp_path_factory: pytest.TempPathFactory
) -> Opened:
    sizes = {1: made.TINY, 2: made.TINY_2}[request.param]
    folder: Path = tmp_path_factory.mktemp("weights")
    file = made.write(folder / "p.safetensors", made.id_encoder(sizes), made.lora(base.unet))
    return open_photomaker(base, str(file), request.param)


def route(opened: Opened, **settings: Any) -> PhotoMaker:
    chosen = {"steps": 4, "strength": 0.25, "embed": made.embed, **FIXED, **settings}
    return PhotoMaker(*opened, **chosen)


def drawn(maker: PhotoMaker, requests: list[ImageRequest]) -> torch.Tensor:
    return latents(maker.pipe, maker.job(requests))


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().max())


def test_a_batch_of_people_is_what_each_is_alone_in_any_order(opened: Opened) -> None:
    together = drawn(route(opened), PEOPLE)
    alone = torch.cat([drawn(route(opened), [person]) for person in PEOPLE])
    assert apart(together, alone) < 1e-4
    assert apart(drawn(route(opened), PEOPLE[::-1]).flip(0), together) < 1e-4
    pictures = route(opened).draw(PEOPLE)
    for person, picture in zip(PEOPLE, pictures, strict=True):
        [single] = route(opened).draw([person])
        assert isinstance(picture, Image.Image) and isinstance(single, Image.Image)
        assert picture.size == (64, 64)
        assert np.abs(np.asarray(picture, int) - np.asarray(single, int)).max() <= 1


def test_the_same_request_gives_the_same_bits(opened: Opened) -> None:
    maker = route(opened)
    first = drawn(maker, PEOPLE[1:2])
    drawn(maker, PEOPLE)
    assert torch.equal(drawn(maker, PEOPLE[1:2]), first)
    assert torch.equal(drawn(route(opened), PEOPLE[1:2]), first)


@pytest.mark.parametrize(
    "change",
    [
        {"faces": (FACES[4], FACES[2], FACES[3])},
        {"faces": (FACES[1], FACES[2], FACES[4])},
        {"faces": (FACES[1], FACES[2])},
        {"prompt": "an old man img, smiling"},
        {"seed": 9},
    ],
)
def test_what_a_request_says_changes_its_picture_alone(
    opened: Opened, change: dict[str, Any]
) -> None:
    before = drawn(route(opened), PEOPLE)
    after = drawn(route(opened), [PEOPLE[0], replace(PEOPLE[1], **change), *PEOPLE[2:]])
    assert apart(after[1], before[1]) > 1e-2
    assert apart(after[[0, 2, 3]], before[[0, 2, 3]]) < 1e-4


def test_bad_requests_are_rejected_in_their_places(opened: Opened) -> None:
    bad = [
        replace(PEOPLE[0], prompt="a photo of a man"),
        replace(PEOPLE[0], faces=()),
        replace(PEOPLE[0], faces=(FACES[0], b"\xff\xd8 torn")),
        replace(PEOPLE[0], faces=tuple(FACES) * 20),
    ]
    found = route(opened).draw([bad[0], PEOPLE[2], *bad[1:], PEOPLE[0]])
    codes = [one.code if isinstance(one, Reject) else "" for one in found]
    assert codes == ["bad_prompt", "", "no_face", "bad_image", "bad_prompt", ""]
    assert isinstance(found[1], Image.Image)
    assert found[1].tobytes() != found[5].tobytes()  # type: ignore[union-attr]
    assert all(isinstance(one, Reject) for one in route(opened).draw(bad))


def test_a_picture_goes_through_the_tower_once(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    hook = opened[1].vision_model.register_forward_hook(
        lambda module, given, found: seen.append(len(found.pooler_output))
    )
    try:
        maker = route(opened)
        for _ in range(3):
            maker.job(PEOPLE)
        assert seen == [1] * len(FACES)
        monkeypatch.setattr(maker._known, "_most", 2)
        maker.job([PEOPLE[1], PEOPLE[1]])  # three faces, of which two are kept from now on
        assert len(seen) == len(FACES)
        maker.job([replace(PEOPLE[0], faces=(made.face(99),))])
        maker.job([replace(PEOPLE[0], faces=(made.face(99), FACES[4]))])
        assert len(seen) == len(FACES) + 2
        maker.to("cpu")
        maker.job(PEOPLE[:1])
        assert len(seen) == len(FACES) + 3
    finally:
        hook.remove()


@pytest.mark.parametrize(
    ("steps", "strength", "merge"), [(50, 0.2, 10), (50, 1.0, 30), (4, 0.3, 1), (9, 0.0, 0)]
)
def test_the_merge_step_is_the_papers(
    opened: Opened, steps: int, strength: float, merge: int
) -> None:
    maker = route(opened, steps=steps, strength=strength)
    assert maker.job(PEOPLE[:1]).merge_step == merge


@pytest.mark.parametrize("guidance", [5.0, 0.0])
def test_the_face_comes_in_after_the_merge_step(opened: Opened, guidance: float) -> None:
    maker = route(opened, strength=0.5, guidance=guidance)
    given: list[torch.Tensor] = []
    hook = maker.pipe.unet.register_forward_pre_hook(
        lambda module, args, named: given.append(named["encoder_hidden_states"].clone()),
        with_kwargs=True,
    )
    try:
        job = maker.job(PEOPLE)
        latents(maker.pipe, job)
    finally:
        hook.remove()
    assert job.merged is not None
    negative = job.negative.embeds.repeat(len(PEOPLE), 1, 1)
    for step, embeds in enumerate(given):
        wanted = job.texts.embeds if step <= 2 else job.merged.embeds
        assert torch.equal(embeds, torch.cat([negative, wanted]) if guidance > 1 else wanted)
    assert len(given) == 4


def test_the_face_is_in_the_class_words_rows_alone(opened: Opened) -> None:
    maker = route(opened)
    for person in PEOPLE:
        job = maker.job([person])
        count = opened[1].sizes.tokens * len(person.faces)
        plain = encode(maker.pipe, person.prompt, count)
        assert job.merged is not None
        moved = (job.merged.embeds[0] - plain.texts.embeds[0]).abs().amax(-1) > 1e-3
        assert moved.nonzero()[:, 0].tolist() == list(range(77))[plain.places]
        assert len(range(77)[plain.places]) == count
        assert torch.equal(job.merged.pooled, plain.texts.pooled)


def test_without_guidance_the_face_still_counts(opened: Opened) -> None:
    maker = route(opened, guidance=0.0)
    other = replace(PEOPLE[0], faces=(FACES[3],))
    assert apart(drawn(maker, [PEOPLE[0]]), drawn(maker, [other])) > 1e-3


def test_joined_projections_draw_the_like(opened: Opened) -> None:
    pipe, _ = opened
    wanted = drawn(route(opened), PEOPLE)
    place(pipe, "cpu", "off", compiled=False)
    fuse(pipe.unet)
    maker = route(opened)
    maker.to("cpu")
    assert apart(drawn(maker, PEOPLE), wanted) < 1e-4
    pipe.unet.unfuse_qkv_projections()


def test_v2_needs_an_embedding_and_takes_its_rejects(base: Any, tmp_path: Path) -> None:
    def nobody(image: Image.Image) -> Any:
        raise Reject("no_face", "no face in the picture")

    file = made.write(tmp_path / "p.bin", made.id_encoder(made.TINY_2), made.lora(base.unet))
    opened = open_photomaker(base, str(file), 2)
    with pytest.raises(BackendError, match=r"image\.arcface"):
        route(opened, embed=None)
    [found] = route(opened, embed=nobody).draw(PEOPLE[:1])
    assert isinstance(found, Reject) and found.code == "no_face"


def test_v2_depends_on_the_embedding_as_it_is_and_v1_does_not(opened: Opened) -> None:
    def longer(image: Image.Image) -> Any:
        return 2 * made.embed(image)

    found = drawn(route(opened, embed=longer), PEOPLE[:1])
    change = apart(found, drawn(route(opened), PEOPLE[:1]))
    assert change > 1e-3 if opened[1].sizes.face else change == 0


def test_half_precision_runs_throughout(base: Any, tmp_path: Path) -> None:
    for version, sizes in ((1, made.TINY), (2, made.TINY_2)):
        file = made.write(tmp_path / "p.bin", made.id_encoder(sizes), made.lora(base.unet))
        half = open_sdxl(base.name_or_path, torch.bfloat16)
        maker = route(open_photomaker(half, str(file), version))
        assert all(isinstance(one, Image.Image) for one in maker.draw(PEOPLE[:2]))
