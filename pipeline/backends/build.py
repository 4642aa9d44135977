"""Backends by name: what the configuration chooses is imported and opened here, and only then."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mcu.backends import Chat, Encoder, FaceCheck, ImageGenerator, PictureSafety, Safety, Search
from mcu.budget import Budget
from mcu.config import Config
from mcu.errors import BackendError


def open_chat(config: Config, budget: Budget, journal: Path) -> Chat:
    """The language model of a configuration, which spends no more than the budget has.

    A run that has sent batches goes on with them whatever its mode is now: they are paid for.
    """
    if config.chat.backend == "scripted":
        from mcu.backends.scripted import Scripted

        return Scripted()
    from mcu.backends.batch.ledger import path_of
    from mcu.backends.openai import OpenAIChat

    if config.chat.mode == "live" and not path_of(journal).exists():
        return OpenAIChat(config, budget)
    from mcu.backends.batch import BatchChat

    return BatchChat(config, budget, journal)


def open_encoder(config: Config) -> Encoder:
    """What compares texts with pictures, or with their captions.

    Raises:
        BackendError: its packages are not installed, or there are no such weights.
    """
    if config.encoder.backend == "caption":
        from mcu.indexes.encoders import CaptionEncoder

        return CaptionEncoder()
    with _extra("retrieval", "torch", "open_clip"):
        from mcu.indexes.open_clip import OpenClipEncoder
    return OpenClipEncoder(config.encoder)


def open_indexes(config: Config, encoder: Encoder) -> Search:
    """The picture indexes of a configuration as one search.

    Raises:
        ConfigError: there is no such index, or it was built with another encoder.
    """
    from mcu.indexes.search import open_indexes

    def get(url: str) -> bytes:
        from mcu.backends.web.fetch import fetch_url

        return fetch_url(url, config.web)

    return open_indexes(config.index.names, encoder, get)


def open_images(config: Config) -> ImageGenerator:
    """The image generator of a configuration.

    Raises:
        BackendError: its packages are not installed, or there is no such device.
        ConfigError: a route's licence was not agreed to.
    """
    if config.image.backend == "avatar":
        from mcu.backends.avatar import Avatar

        return Avatar(config.image.workers)
    with _extra("images", "torch", "diffusers", "transformers", "accelerate", "peft"):
        from mcu.backends.diffusers.quiet import quiet

        quiet()
        from mcu.backends.diffusers.generator import DiffusersImages

    return DiffusersImages(config.image)


def open_faces(config: Config) -> FaceCheck | None:
    """The face check of a configuration, None when it is off.

    Raises:
        BackendError: its packages are not installed.
    """
    if config.checks.faces == "off":
        return None
    if config.checks.faces == "perceptual":
        return open_drawn_faces()
    from mcu.backends.dlib import DlibFaces

    return DlibFaces()


def open_drawn_faces() -> FaceCheck:
    """The check of faces that were drawn, not painted by a diffusion model."""
    from mcu.backends.checks import PerceptualFaces

    return PerceptualFaces()


def open_pictures(config: Config) -> PictureSafety | None:
    """The check of drawn pictures of a configuration, None when it is off.

    Raises:
        BackendError: its packages are not installed.
    """
    if config.checks.pictures == "off":
        return None
    from mcu.backends.nudenet import NudeNet

    return NudeNet()


def open_safety(config: Config) -> Safety | None:
    """The check of texts of a configuration, None when it is off."""
    if config.checks.safety == "off":
        return None
    from mcu.backends.checks import WordLists

    return WordLists()


def open_web(config: Config, index: Search) -> Search:
    """The web search of a configuration; the gallery shares an index that is the starter set.

    Raises:
        ConfigError: a setting is missing that the service wants.
    """
    if config.web.backend == "gallery":
        from mcu.backends.gallery import Gallery

        return Gallery(index if config.index.names == ("starter",) else None)  # type: ignore[arg-type]
    from mcu.backends.web import open_web as open_service

    return open_service(config.web)


@contextmanager
def _extra(name: str, *packages: str) -> Iterator[None]:
    """Name the extra where one of its packages is not there, or does not import.

    Raises:
        BackendError: says what to install.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in packages:
            raise
        raise BackendError(
            f"{error.name} is not installed; `pip install 'mcu[{name}]'` brings it"
        ) from error
    except (ImportError, RuntimeError, OSError) as error:  # such as two that do not fit together
        said = " ".join(str(error).split())[:300]
        raise BackendError(
            f"the packages of the extra {name!r} are installed, but cannot be imported: {said}"
        ) from error
