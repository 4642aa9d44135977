"""Pictures of several people by FLUX.2 klein and Qwen-Image-Edit, on tiny random weights."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL.Image import Image, new
from tiny_edit import write_klein, write_qwen
from tiny_routes import portrait

from tiny import torch_ready, write_sdxl

torch_ready()

import torch  # noqa: E402
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus  # noqa: E402

from mcu.backends import ImageRequest  # noqa: E402
from mcu.backends.diffusers.edit import Edit, open_edit, told  # noqa: E402
from mcu.backends.diffusers.routes import instruction  # noqa: E402
from mcu.errors import BackendError, Reject  # noqa: E402

PROMPT = "a photo of a woman img at the beach"
BOTH = pytest.mark.parametrize("name", ["flux2-klein", "qwen-edit"])


@pytest.fixture(scope="module")
def pipes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The pipelines, read from disk."""
    folder = tmp_path_factory.mktemp("edit")
    write_klein(folder / "flux2-klein")
    write_qwen(folder / "qwen-edit")
    names = ("flux2-klein", "qwen-edit")
    return {name: open_edit(name, str(folder / name), torch.float32) for name in names}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Qwen's pipeline brings every reference to 1 megapixel, which takes seconds on a CPU."""
    monkeypatch.setattr(pipeline_qwenimage_edit_plus, "VAE_IMAGE_SIZE", 64 * 64)


def edit(pipes: dict[str, Any], name: str, **changes: Any) -> Edit:
    guidance = 4.0 if name == "qwen-edit" else 1.0
    settings = {"steps": 2, "guidance": guidance, "size": 64, "negative": "blurred", **changes}
    return Edit(pipes[name], **settings)


def request(
    *faces: int, others: tuple[int, ...] = (), kind: Any = "p-t2i", seed: int = 1, size: int = 64
) -> ImageRequest:
    prompt = PROMPT if kind == "p-t2i" else "a dog in the park"
    shown = tuple(portrait(number, size) for number in faces)
    return ImageRequest(kind, prompt, seed, {}, shown, tuple(portrait(n, size) for n in others))


def apart(first: Any, second: Any) -> int:
    """The largest difference of two pictures, of 255."""
    assert isinstance(first, Image) and isinstance(second, Image)
    return int(np.abs(np.asarray(first, int) - np.asarray(second, int)).max())


@BOTH
def test_the_same_request_gives_the_same_picture(pipes: dict[str, Any], name: str) -> None:
    first, second = edit(pipes, name).draw([request(1), request(1)])
    assert isinstance(first, Image) and first.size == (64, 64)
    assert apart(first, second) == 0


@BOTH
def test_what_is_asked_for_changes_the_picture(pipes: dict[str, Any], name: str) -> None:
    asked = [request(1), request(2), request(1, others=(3,)), request(1, seed=2), request(1, 2)]
    pictures = edit(pipes, name).draw(asked)
    for number, picture in enumerate(pictures):
        for other in pictures[:number]:
            assert apart(picture, other) > 3


@BOTH
def test_whose_picture_is_which_matters(pipes: dict[str, Any], name: str) -> None:
    first, second = edit(pipes, name).draw([request(1, others=(2,)), request(2, others=(1,))])
    assert apart(first, second) > 3


@BOTH
def test_a_picture_does_not_depend_on_its_neighbours(pipes: dict[str, Any], name: str) -> None:
    route = edit(pipes, name)
    asked = [request(1), request(2, others=(3,)), request(4, seed=5)]
    alone = [route.draw([one])[0] for one in asked]
    for picture, single in zip(reversed(route.draw(asked[::-1])), alone, strict=True):
        assert apart(picture, single) == 0


def test_klein_draws_scenes_and_faces_together(pipes: dict[str, Any]) -> None:
    route = edit(pipes, "flux2-klein")
    asked = [request(kind="t2i", seed=number) for number in range(3)]
    asked.insert(1, request(7))
    together = route.draw(asked)
    for one, picture in zip(asked, together, strict=True):
        assert apart(picture, route.draw([one])[0]) <= 1
    assert apart(together[0], together[2]) > 3
    face = route.draw([request(kind="face")])[0]
    assert apart(face, route.draw([request(kind="t2i")])[0]) == 0


@BOTH
def test_bad_requests_leave_the_others(pipes: dict[str, Any], name: str) -> None:
    torn = ImageRequest("p-t2i", PROMPT, 1, {}, (portrait(1)[:200],))
    strip = ImageRequest("p-t2i", PROMPT, 1, {}, (_wide(),))
    untold = ImageRequest("p-t2i", "a photo of a woman", 1, {}, (portrait(1),))
    twice = ImageRequest("p-t2i", "a woman img and a man img", 1, {}, (portrait(1),))
    bad = [request(), request(1, others=(2, 3, 4)), torn, strip, untold, twice]
    found = edit(pipes, name).draw([request(1), *bad, request(2)])
    codes = [result.code for result in found if isinstance(result, Reject)]
    assert codes == [
        "no_face",
        "too_many_people",
        "bad_image",
        "bad_image",
        "bad_prompt",
        "bad_prompt",
    ]
    alone = edit(pipes, name).draw([request(1), request(2)])
    assert [apart(found[0], alone[0]), apart(found[-1], alone[1])] == [0, 0]


def _wide() -> bytes:
    buffer = io.BytesIO()
    new("RGB", (900, 64)).save(buffer, "JPEG")
    return buffer.getvalue()


def test_qwen_needs_a_person(pipes: dict[str, Any]) -> None:
    [found] = edit(pipes, "qwen-edit").draw([request(kind="t2i")])
    assert isinstance(found, Reject) and found.code == "no_face"


@BOTH
def test_three_pictures_at_most_and_people_come_first(pipes: dict[str, Any], name: str) -> None:
    route = edit(pipes, name)
    asked = [request(1, 2, 3, 4), request(1, 2, 3), request(1, 2, others=(8, 9))]
    four, three, several = route.draw(asked)
    assert apart(four, three) == 0
    assert apart(several, route.draw([request(1, others=(8, 9))])[0]) == 0


@BOTH
def test_small_id_pictures_are_enlarged(pipes: dict[str, Any], name: str) -> None:
    first, second = edit(pipes, name).draw([request(1, size=16), request(2, size=16)])
    assert apart(first, second) > 3


@BOTH
def test_any_size_comes_out_as_it_is_set(pipes: dict[str, Any], name: str) -> None:
    [picture] = edit(pipes, name, size=72).draw([request(1)])
    assert isinstance(picture, Image) and picture.size == (72, 72)


def test_qwen_is_guided_away_from_the_negative_prompt(pipes: dict[str, Any]) -> None:
    changes: list[dict[str, Any]] = [{}, {"negative": "rain"}, {"guidance": 1.0}, {"guidance": 0.0}]
    guided, other, free, none = [
        edit(pipes, "qwen-edit", **change).draw([request(1)])[0] for change in changes
    ]
    assert apart(guided, other) > 1 and apart(guided, free) > 1
    assert apart(free, none) == 0


def test_the_instruction() -> None:
    sentences = instruction()
    assert told(sentences, "a {dog}", 0, 0) == "a {dog}"
    one = told(sentences, "a woman at the beach", 1, 0)
    assert one.startswith("Picture 1 shows the main person. Keep")
    assert one.endswith(": a woman at the beach")
    assert "img" not in one
    three = told(sentences, "a {woman}", 2, 1)
    assert three.startswith("Pictures 1, 2 all show the same one person")
    assert "Picture 3 shows another person" in three
    assert three.endswith("a {woman}")


def test_weights_of_another_model(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="cannot be loaded"):
        open_edit("flux2-klein", str(write_sdxl(tmp_path)), torch.float32)
    with pytest.raises(BackendError, match="cannot be loaded"):
        open_edit("qwen-edit", str(tmp_path / "none"), torch.float32)
