"""The open_clip encoder: texts and pictures to unit vectors, by any CLIP-like model."""

import hashlib
import logging
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from mcu.errors import BackendError, ConfigError
from mcu.indexes.windows import pooled, windows
from mcu.pictures import plain
from mcu.sections import EncoderSection

_BATCH = {"cuda": 256, "cpu": 16}
_THREADS = 4  # that make pictures ready while the model works
_SCHEMES = ("hf-hub:", "local-dir:")  # of open_clip: models that bring their own weights
_MOST_SIDE = 2048  # pixels of a picture before it is made the model's size


class OpenClipEncoder:
    """Any model of open_clip; called from many threads, the model does one batch at a time.

    A text that is longer than the model reads (77 tokens for CLIP) is cut into windows that fit,
    at sentences where it can be, and its vector is the mean of theirs: nothing is dropped.

    On a CPU every text is encoded alone, so that its vector is the same bits in any batch; with
    `encoder.batch` above 1, and on a GPU, it is the same to rounding (about 1e-3 in bf16).

    Attributes:
        bar: a rough one: it was not measured, for want of weights. CLIP's cosines of pictures with
            texts that fit lie around 0.2 to 0.35; `mcu calibrate relevance` finds yours.
        half: whether its vectors are worth 16 bits a number, and no more.
    """

    sees = True
    bar = 0.2

    def __init__(self, section: EncoderSection) -> None:
        """Load the model.

        Raises:
            BackendError: its packages or its weights are not there, or there is no such device.
            ConfigError: there is no such model or tag, or the two do not belong together.
        """
        torch = _torch()
        name, weights = section.model, section.pretrained
        if name.startswith(_SCHEMES):
            weights = ""
        else:
            _check(name, weights)
            path = Path(weights).expanduser()
            weights = str(path) if path.is_file() else weights
        self.name = _named(name, weights)
        self._device = _device(section.device)
        cuda = self._device.startswith("cuda")
        precision = section.precision
        if precision == "auto":
            precision = "bf16" if cuda and torch.cuda.is_bf16_supported() else "fp32"
        self.half = precision != "fp32"
        self._dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision, torch.float32)
        self._load(name, weights, precision)
        self._batch = section.batch or _BATCH["cuda" if cuda else "cpu"]
        self._texts_a_batch = section.batch or (self._batch if cuda else 1)
        self._lock = threading.Lock()
        self.width = self.encode(["a picture"]).shape[1]

    def _load(self, name: str, weights: str, precision: str) -> None:
        import open_clip
        import torch

        with _loading(weights or name):
            model, _, preprocess = open_clip.create_model_and_transforms(
                name,
                pretrained=weights or None,
                precision=precision,
                device=self._device,
                require_pretrained=True,
            )
            self._tokenizer = open_clip.get_tokenizer(name)
        self._model: Any = model.train(False).requires_grad_(False)
        *self._shaped, _, normal = preprocess.transforms
        self._mean = torch.tensor(normal.mean, device=self._device) * 255
        self._std = torch.tensor(normal.std, device=self._device) * 255

    @property
    def batch(self) -> int:
        """Pictures that `embedded` is best given at once."""
        return self._batch

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """float32 array of shape [len(texts), width], rows of length 1."""
        if not texts:
            return np.empty((0, self.width), dtype=np.float32)
        plain_texts = [text.encode("utf-8", "replace").decode() for text in texts]
        cut = [windows(text, self._fits) for text in plain_texts]
        vectors = iter(self._encoded([window for parts in cut for window in parts]))
        rows = []
        for parts in cut:
            own = np.stack([next(vectors) for _ in parts])
            rows.append(own[0] if len(parts) == 1 else pooled(own, [*map(self._size, parts)]))
        return np.stack(rows)

    def _encoded(self, texts: list[str]) -> NDArray[np.float32]:
        found = []
        for start in range(0, len(texts), self._texts_a_batch):
            tokens = self._tokenizer(texts[start : start + self._texts_a_batch])
            found.append(self._run(self._model.encode_text, tokens.to(self._device)))
        return np.concatenate(found)

    def _fits(self, text: str) -> bool:
        return self._size(text) <= int(self._tokenizer.context_length)

    def _size(self, text: str) -> int:
        """Tokens of a text, those of its beginning and end included."""
        if hasattr(self._tokenizer, "encode"):
            return len(self._tokenizer.encode(text)) + 2
        return len(self._tokenizer.tokenizer(self._tokenizer.clean_fn(text)).input_ids)

    def pictures(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """float32 array of shape [len(images), width], rows of length 1; of any mode and size.

        Threads make the next batch ready while the model works on this one.
        """
        found = [np.empty((0, self.width), dtype=np.float32)]
        groups = [images[at : at + self._batch] for at in range(0, len(images), self._batch)]
        with ThreadPoolExecutor(_THREADS, "pictures") as pool:
            ready = pool.map(self.prepare, groups[0]) if groups else None
            for following in [*groups[1:], None]:
                if ready is None:
                    break
                now, ready = ready, pool.map(self.prepare, following) if following else None
                found.append(self.embedded(np.stack(list(now))))
        return np.concatenate(found)

    def prepare(self, image: Image) -> NDArray[np.uint8]:
        """A picture at the model's size and crop, [height, width, 3]; for worker threads."""
        shaped: Any = plain(image, _MOST_SIDE)
        for step in self._shaped:
            shaped = step(shaped)
        return np.asarray(shaped, dtype=np.uint8)

    def embedded(self, prepared: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Unit vectors [n, width] of n prepared pictures, [n, height, width, 3], as one batch."""
        import torch

        pixels: Any = torch.from_numpy(prepared)
        if self._device.startswith("cuda"):
            pixels = pixels.pin_memory().to(self._device, non_blocking=True)
        pixels = ((pixels.float() - self._mean) / self._std).permute(0, 3, 1, 2).contiguous()
        return self._run(self._model.encode_image, pixels.to(self._device, self._dtype))

    def _run(self, work: Any, given: Any) -> NDArray[np.float32]:
        import torch

        with self._lock, torch.inference_mode():
            rows = torch.nn.functional.normalize(work(given).float(), dim=-1)
            return np.asarray(rows.cpu().numpy(), dtype=np.float32)


def _torch() -> Any:
    try:
        import open_clip  # noqa: F401
        import torch
    except ImportError as error:
        raise BackendError(
            f"the open_clip encoder needs {error.name}: pip install 'mcu[retrieval]'"
        ) from error
    return torch


def _device(asked: str) -> str:
    import torch

    device = asked or ("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        said = " ".join(str(error).split())[:200]
        raise BackendError(f"encoder.device {device!r} cannot be used: {said}") from error
    return device


def _check(name: str, weights: str) -> None:
    """Refuse models and tags that are unknown, and quick-GELU weights in a model without it.

    Raises:
        ConfigError: says what there is.
    """
    import open_clip
    from open_clip.pretrained import get_pretrained_cfg

    config = open_clip.get_model_config(name.replace("/", "-"))
    if config is None:
        near = ", ".join(get_close_matches(name, open_clip.list_models(), 3, 0.4))
        raise ConfigError(f"open_clip has no model {name!r}; the nearest are {near or 'none'}")
    tag = get_pretrained_cfg(name.replace("/", "-"), weights)
    if not tag and not Path(weights).expanduser().is_file():
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(name)) or "none"
        raise ConfigError(f"encoder.pretrained {weights!r} is no file and no tag of {name}: {tags}")
    quick = bool(config.get("quick_gelu"))
    wanted = bool(tag.get("quick_gelu")) if tag else quick or "openai" in Path(weights).name.lower()
    if quick != wanted:
        bare = name.removesuffix("-quickgelu")
        right = f"{bare}-quickgelu" if wanted else bare
        raise ConfigError(
            f"the weights {weights!r} were trained {'with' if wanted else 'without'} quick-GELU, "
            f"and {name} is {'without' if wanted else 'with'} it: set encoder.model = {right!r}"
        )


def _named(model: str, weights: str) -> str:
    """What tells the encoder apart: for weights that lie here a hash, and no path of this machine.

    Raises:
        BackendError: the weights cannot be read.
    """
    path = Path(weights or model.removeprefix("local-dir:")).expanduser()
    if path.is_file():
        return f"open_clip:{model}:{path.stem}-{_digest([path])}"
    if model.startswith("local-dir:"):
        files = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else []
        return f"open_clip:local-dir:{path.name}-{_digest(files)}"
    return f"open_clip:{model}:{weights}" if weights else f"open_clip:{model}"


def _digest(files: Sequence[Path]) -> str:
    found = hashlib.sha256()
    try:
        for path in files:
            with path.open("rb") as file:
                found.update(hashlib.file_digest(file, "sha256").digest())
    except OSError as error:
        raise BackendError(f"the weights {error.filename} cannot be read") from error
    return found.hexdigest()[:12]


@contextmanager
def _loading(name: str) -> Iterator[None]:
    """Turn what open_clip raises over missing or torn weights into one sentence.

    What it logs goes straight to the root logger, and would be told twice.

    Raises:
        BackendError: names the weights, and what was said.
    """
    root, nowhere = logging.getLogger(), logging.NullHandler()
    root.addHandler(nowhere)  # else its first call would set up a handler for good
    root.addFilter(_nothing)
    try:
        yield
    except Exception as error:  # torch, safetensors and huggingface_hub have their own kinds
        said = " ".join(str(error).split())[:300]
        raise BackendError(
            f"the weights {name!r} cannot be loaded; give a file, or a tag that this machine can "
            f"reach: {said}"
        ) from error
    finally:
        root.removeFilter(_nothing)
        root.removeHandler(nowhere)


def _nothing(record: logging.LogRecord) -> bool:
    return False
