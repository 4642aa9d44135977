"""Faces in photographs: dlib finds them, and tells whether two are of the same person."""

import hashlib
import threading
from collections import OrderedDict
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL.Image import Image, Resampling

from mcu.errors import BackendError
from mcu.pictures import plain

Encodings = npt.NDArray[np.float64]

# Every picture is brought to this longer side first, so that what is found does not depend on its
# size: a portrait of 1,024 px then takes half the time, and the detector's smallest face, of some
# 75 px, is the tenth of the picture that counts.
SIDE = 800
# Where that shows no face, once more at this one; encodings are taken at no more either.
LARGE = 1600
# Least width of a face that counts, as a share of the shorter side. The encoder takes faces of
# 100 px: from fewer than a tenth of 1,024 px it would have to invent detail, and so would a
# generator that is given the portrait. What is smaller is a passer-by, or a poster on the wall.
SHARE = 0.1
# Least score of the detector: cloth and drawings reach 0.13, faces that look ahead 0.6 and more.
SCORE = 0.2
# More faces than this are a crowd, and would take seconds.
FACES = 16
KEPT = 4096


class DlibFaces:
    """Counts faces, and measures how unlike two people's faces are.

    The networks and steps are those of the package `face_recognition`: the HOG frontal detector,
    five landmarks, the ResNet of 128 values trained with bounds of 0.6 (dlib-models), Euclidean
    distance. That package itself cannot be used, for it builds dlib from source, and its weights'
    package needs `pkg_resources`, which new setuptools lack; so their files are found without
    importing it.

    Any thread may call. Each has a detector of its own, which keeps the picture in itself and runs
    without Python's lock; the encoder holds that lock, so that copies would gain nothing: one is
    shared, one call at a time.
    """

    identifies = True

    def __init__(self) -> None:
        """Load the networks.

        Raises:
            BackendError: dlib or its weights are missing.
        """
        self._finder = Finder()
        library = load_dlib()
        self._landmarks = library.shape_predictor(weights("shape_predictor_5_face_landmarks.dat"))
        self._encoder = library.face_recognition_model_v1(
            weights("dlib_face_recognition_resnet_model_v1.dat")
        )
        self._encoding = threading.Lock()
        self._known: OrderedDict[bytes, Encodings] = OrderedDict()
        self._knowing = threading.Lock()

    def count(self, image: Image) -> int:
        """How many faces are at least a tenth as wide as the picture's shorter side."""
        picture = plain(image, LARGE)
        least = SHARE * min(picture.size)
        return sum(box.width() >= least for box in self._finder.faces(picture, (SIDE,)))

    def distance(self, image: Image, portrait: Image) -> float | None:
        """How unlike the portrait's largest face the likest face in the picture is.

        About 0.3 to 0.5 for pictures of one person and 0.7 to 1 for two people, see docs/checks.md.
        None where either shows no face. A portrait is encoded once, for it returns with every
        picture of its persona.
        """
        own = self._portrait(portrait)
        found = self.encodings(image) if len(own) else own
        return float(np.linalg.norm(found - own, axis=1).min()) if len(found) else None

    def encodings(self, image: Image) -> Encodings:
        """What tells each face from others, of shape [faces, 128], the largest face first."""
        return self._encodings(plain(image, LARGE), FACES)

    def _encodings(self, picture: Image, most: int) -> Encodings:
        boxes = self._finder.faces(picture, (SIDE, LARGE))[:most]
        pixels = np.asarray(picture)
        with self._encoding:
            found = [
                self._encoder.compute_face_descriptor(pixels, self._landmarks(pixels, box))
                for box in boxes
            ]
        return np.array(found, dtype=np.float64).reshape(-1, 128)

    def _portrait(self, portrait: Image) -> Encodings:
        """The largest face of a portrait, of shape [1, 128] or [0, 128], from memory if it can."""
        picture = plain(portrait, LARGE)
        key = hashlib.blake2b(picture.tobytes(), person=b"%d" % picture.width).digest()
        with self._knowing:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        found = self._encodings(picture, 1)
        with self._knowing:
            self._known[key] = found
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return found


class Finder:
    """dlib's HOG detector of faces that look ahead, for any thread."""

    def __init__(self) -> None:
        self._dlib = load_dlib()
        self._own = threading.local()

    def faces(self, picture: Image, sides: tuple[int, ...]) -> list[Any]:
        """Rectangles of faces in pixels of an RGB picture, the largest first.

        Looks at the picture with each longer side in turn until there is a face.
        """
        for side in sides:
            share = side / max(picture.size)
            width, height = (max(1, round(length * share)) for length in picture.size)
            scaled = picture.resize((width, height), Resampling.BICUBIC, reducing_gap=3)
            found, _, _ = self._detector().run(np.asarray(scaled), 0, SCORE)
            if found:
                return sorted((self._box(one, share) for one in found), key=_by_size)
        return []

    def _detector(self) -> Any:
        if not hasattr(self._own, "detector"):
            self._own.detector = self._dlib.get_frontal_face_detector()
        return self._own.detector

    def _box(self, box: Any, share: float) -> Any:
        edges = (box.left(), box.top(), box.right(), box.bottom())
        return self._dlib.rectangle(*(round(edge / share) for edge in edges))


def _by_size(box: Any) -> tuple[int, int, int]:
    return -box.width(), box.left(), box.top()


def load_dlib() -> ModuleType:
    """The library.

    Raises:
        BackendError: it is not installed.
    """
    try:
        import dlib
    except ImportError as error:
        raise BackendError("dlib is not installed; pip install 'mcu[checks]'") from error
    module: ModuleType = dlib
    return module


def weights(name: str) -> str:
    """The path of one of dlib's weight files, inside the package that carries them.

    Raises:
        BackendError: it is not there.
    """
    package = find_spec("face_recognition_models")
    for folder in (package.submodule_search_locations or ()) if package else ():
        if (path := Path(folder) / "models" / name).is_file():
            return str(path)
    raise BackendError(f"the weights {name} are not installed; pip install 'mcu[checks]'")
