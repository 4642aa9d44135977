"""The open_clip encoder: the model's own vectors, long texts whole, wrong settings told."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from picture_files import jpeg
from PIL import Image
from tiny_clip import MODEL, write_clip

from mcu.errors import BackendError, ConfigError
from mcu.indexes.embed import decoded
from mcu.indexes.open_clip import OpenClipEncoder
from mcu.indexes.windows import pooled, windows
from mcu.sections import EncoderSection
from tiny import torch_ready

torch_ready()
TEXTS = ["a dog", "a bar chart of rainfall", "Ünïcödé ☃ 写真 \ud800", "", "x" * 500]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def encoder(weights: Path) -> OpenClipEncoder:
    return opened(weights)


def opened(weights: Path | str, **settings: Any) -> OpenClipEncoder:
    given = {"backend": "open_clip", "model": MODEL, "pretrained": str(weights), **settings}
    return OpenClipEncoder(EncoderSection(**given))


def pictures(count: int) -> list[Image.Image]:
    return [decoded(jpeg(seed, (30 + 7 * seed, 40))) for seed in range(count)]


def test_rows_are_unit_vectors(encoder: OpenClipEncoder) -> None:
    assert (encoder.sees, encoder.width, encoder.half) == (True, 32, False)
    for rows in (encoder.encode(TEXTS), encoder.pictures(pictures(5))):
        assert rows.dtype == np.float32
        assert rows.shape == (5, 32)
        assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert encoder.encode([]).shape == encoder.pictures([]).shape == (0, 32)


def test_vectors_are_the_models_own(encoder: OpenClipEncoder, weights: Path) -> None:
    import open_clip
    import torch

    model, _, preprocess = open_clip.create_model_and_transforms(MODEL, pretrained=str(weights))
    model.train(False)
    images = pictures(20)
    with torch.no_grad():
        seen = model.encode_image(torch.stack([preprocess(i) for i in images]), normalize=True)
        read = model.encode_text(open_clip.get_tokenizer(MODEL)(["a red kite"]), normalize=True)
    assert np.allclose(encoder.pictures(images), seen.numpy(), atol=1e-6)
    assert np.allclose(encoder.encode(["a red kite"]), read.numpy(), atol=1e-6)
    assert (seen.numpy() @ seen.numpy().T).min() < 0.95, "the pictures would all look alike"


def test_a_text_is_the_same_bits_in_any_batch(encoder: OpenClipEncoder, weights: Path) -> None:
    together = encoder.encode(TEXTS)
    for text, row in zip(TEXTS, together, strict=True):
        assert np.array_equal(encoder.encode([text])[0], row)
    batched = opened(weights, batch=4).encode(TEXTS)
    assert np.allclose(batched, together, atol=1e-6)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "I;16", "1", "LA"])
def test_any_picture_is_taken(encoder: OpenClipEncoder, mode: str) -> None:
    image = Image.new(mode, (70, 50))
    assert np.isfinite(encoder.pictures([image, Image.new(mode, (1, 300))])).all()


def test_the_end_of_a_long_text_counts(encoder: OpenClipEncoder) -> None:
    start = "It is a long quiet day in the park and nobody says much. " * 8
    kite, boat = encoder.encode([f"{start}A red kite.", f"{start}A boat on the lake."])
    assert kite @ boat < 0.9999
    cut = encoder._tokenizer.decode(encoder._tokenizer.encode(start)[:75])
    alone = encoder.encode([cut])[0]
    assert np.array_equal(alone, encoder._encoded([f"{cut} a red kite"])[0]), "the model reads on"


@given(st.text(max_size=300), st.integers(1, 40))
def test_windows_keep_everything_and_fit(text: str, most: int) -> None:
    cut = windows(text, lambda part: len(part) <= most)
    assert "".join("".join(cut).split()) == "".join(text.split())
    assert all(len(part) <= most for part in cut)


def test_windows_end_where_sentences_do() -> None:
    text = "One two three. Four five six! Seven, eight, nine ten eleven twelve thirteen. End."
    cut = windows(text, lambda part: len(part) <= 30)
    assert cut[0] == "One two three. Four five six!"
    assert cut[1].startswith("Seven, eight,")


def test_windows_weigh_by_their_size() -> None:
    vectors = np.eye(2, dtype=np.float32)
    assert np.allclose(pooled(vectors, [3, 1]), np.array([3, 1]) / np.sqrt(10))
    assert np.isfinite(pooled(np.stack([vectors[0], -vectors[0]]), [1, 1])).all()


def test_the_name_tells_weights_apart_and_no_path(weights: Path, tmp_path: Path) -> None:
    first = opened(weights).name
    again = tmp_path / weights.name
    again.write_bytes(weights.read_bytes())
    assert opened(again).name == first
    assert "/" not in first and first.startswith(f"open_clip:{MODEL}:")
    import torch

    state = torch.load(weights)
    torch.save({name: value + 1 for name, value in state.items()}, again)
    assert opened(again).name != first


def test_a_folder_is_a_model(encoder: OpenClipEncoder, weights: Path) -> None:
    folder = opened("ignored", model=f"local-dir:{weights.parent}")
    assert folder.name.startswith(f"open_clip:local-dir:{weights.parent.name}-")
    assert np.array_equal(folder.encode(["a dog"]), encoder.encode(["a dog"]))


@pytest.mark.parametrize(
    ("model", "tag", "message"),
    [
        ("ViT-L-14-336", "openai", "encoder.model = 'ViT-L-14-336-quickgelu'"),
        ("ViT-B-32-quickgelu", "laion2b_s34b_b79k", "laion400m_e31"),
        ("ViT-L-15", "openai", "the nearest are ViT-L"),
        ("ViT-L-14", "nothing", "no file and no tag of ViT-L-14: openai"),
        ("ViT-L-14", "", "no file and no tag"),
    ],
)
def test_settings_that_cannot_be(model: str, tag: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("'", ".")):
        opened(tag, model=model)


def test_quick_weights_of_a_file_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "ViT-B-32.openai.pt"
    path.write_bytes(b"")
    with pytest.raises(ConfigError, match="ViT-B-32-quickgelu"):
        opened(path, model="ViT-B-32")


def test_what_cannot_be_loaded_is_one_sentence(tmp_path: Path, weights: Path) -> None:
    torn = tmp_path / "torn.pt"
    torn.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(BackendError, match=r"torn\.pt' cannot be loaded"):
        opened(torn)
    with pytest.raises(BackendError, match="cannot be loaded"):
        opened("", model=f"local-dir:{tmp_path}")
    with pytest.raises(BackendError, match=r"encoder\.device 'cuda:9'"):
        opened(weights, device="cuda:9")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(BackendError, match=r"pip install 'mcu\[retrieval\]'"):
        opened("openai", model="ViT-L-14-336-quickgelu")


def test_importing_the_module_imports_nothing_heavy() -> None:
    code = "import sys, mcu.indexes.open_clip, mcu.indexes.build;"
    code += "print({'torch', 'open_clip', 'datasets', 'faiss', 'pyarrow'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
