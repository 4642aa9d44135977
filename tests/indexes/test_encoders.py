"""The caption encoder: unit vectors, the same every time, without network or wordllama's loader."""

import socket
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from mcu.errors import BackendError
from mcu.indexes.encoders import CaptionEncoder

TEXTS = [
    "a golden trumpet",
    "a brown acoustic guitar with six strings",
    "Ünïcödé ☃ 写真",
    "x" * 5000,
]


def test_rows_are_unit_vectors_of_the_right_type() -> None:
    rows = CaptionEncoder().encode(TEXTS)
    assert rows.dtype == np.float32
    assert rows.shape == (len(TEXTS), CaptionEncoder.width)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


def test_no_texts_give_no_rows() -> None:
    assert CaptionEncoder().encode([]).shape == (0, CaptionEncoder.width)


def test_a_text_is_the_same_in_any_batch_and_any_object() -> None:
    together = CaptionEncoder().encode(TEXTS)
    again = CaptionEncoder()
    for text, row in zip(TEXTS, together, strict=True):
        assert np.array_equal(again.encode([text])[0], row)


def test_case_does_not_matter() -> None:
    upper, lower = CaptionEncoder().encode(["A GOLDEN Trumpet", "a golden trumpet"])
    assert np.array_equal(upper, lower)


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_nothing_to_encode_is_still_a_unit_vector(text: str) -> None:
    assert np.isclose(np.linalg.norm(CaptionEncoder().encode([text])), 1, atol=1e-6)


def test_meaning_is_compared() -> None:
    query, near, far = CaptionEncoder().encode(
        ["a photo of a puppy", "a small dog playing", "a bar chart of monthly rainfall"]
    )
    assert query @ near > query @ far + 0.2


def test_no_network_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the encoder opened a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    assert CaptionEncoder().encode(["a kite"]).shape == (1, CaptionEncoder.width)


def test_importing_the_module_imports_nothing_heavy() -> None:
    code = "import sys, mcu.indexes.encoders, mcu.indexes.search, mcu.backends.gallery;"
    code += (
        "print({'wordllama', 'tokenizers', 'safetensors', 'faiss', 'pyarrow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("package", ["wordllama", "tokenizers", "safetensors"])
def test_a_missing_package_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if package == "wordllama":
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    else:
        for name in [n for n in sys.modules if n.split(".")[0] == package]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(BackendError, match="pip install 'wordllama"):
        CaptionEncoder().encode(["a kite"])


def test_it_does_not_see_pictures() -> None:
    encoder = CaptionEncoder()
    assert (encoder.sees, encoder.width) == (False, 256)
    with pytest.raises(BackendError, match="encode their captions"):
        encoder.pictures([])
