"""Nudity in pictures, found by NudeNet's detector."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL.Image import Image, Resampling

from mcu.errors import BackendError
from mcu.pictures import plain

SIDE = 320
# The detector's classes in the order of its outputs; None for those that may be shown. Bare chests
# of men, bellies, feet and armpits belong to every beach; covered parts are not nudity.
_CLASSES = (
    None,  # female genitalia, covered
    None,  # face of a woman
    "buttocks",
    "female breast",
    "female genitalia",
    None,  # male breast, exposed
    "anus",
    None,  # feet, exposed
    None,  # belly, covered
    None,  # feet, covered
    None,  # armpits, covered
    None,  # armpits, exposed
    None,  # face of a man
    None,  # belly, exposed
    "male genitalia",
    None,  # anus, covered
    None,  # female breast, covered
    None,  # buttocks, covered
)
# A miss may be published, a false alarm costs a seed: so above what harmless pictures reach (a cup
# of coffee 0.33, clothed people 0.11) and below what even crude drawings of nudity reach (0.63).
BAR = 0.4


class NudeNet:
    """Refuses pictures that show exposed sexual parts of a body.

    The model is 320n of the package `nudenet`, a YOLOv8n for pictures of 320 px (NudeNet 3.4). Its
    file is read without importing the package, whose own code gives it blue for red where OpenCV's
    pictures are concerned: of ten pictures of bare feet the model finds ten with the colours in
    order, and none without.
    """

    def __init__(self) -> None:
        """Load the model, for one thread of the processor a call.

        Raises:
            BackendError: the package or onnxruntime is missing.
        """
        package = find_spec("nudenet")
        for folder in (package.submodule_search_locations or ()) if package else ():
            self._session = open_session(Path(folder) / "320n.onnx")
            return
        raise BackendError("nudenet is not installed; pip install 'mcu[checks]'")

    def unsafe(self, image: Image) -> str:
        """The exposed part found with the highest score, or an empty string."""
        [[found]] = self._session.run(None, {"images": _pixels(image)[None]})
        scores = found[4:]  # [classes, places]; four rows of box come first
        likeliest, score = scores.argmax(axis=0), scores.max(axis=0)
        best = max(
            (float(score[likeliest == number].max(initial=0)), name)
            for number, name in enumerate(_CLASSES)
            if name
        )
        return f"exposed {best[1]}, score {best[0]:.2f}" if best[0] >= BAR else ""


def _pixels(image: Image) -> npt.NDArray[np.float32]:
    """The picture in the upper left of a black square, [3, SIDE, SIDE], red first, 0 to 1."""
    picture = plain(image, 4 * SIDE)
    share = SIDE / max(picture.size)
    width, height = (max(1, round(side * share)) for side in picture.size)
    square = np.zeros((SIDE, SIDE, 3), np.float32)
    square[:height, :width] = np.asarray(picture.resize((width, height), Resampling.BILINEAR))
    return square.transpose(2, 0, 1) / np.float32(255)


def open_session(path: Path) -> Any:
    """An ONNX model on the processor that takes one thread a call: callers come in threads.

    Raises:
        BackendError: onnxruntime is missing, or the file is not a model.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise BackendError("onnxruntime is not installed; pip install 'mcu[checks]'") from error
    if not path.is_file():
        raise BackendError(f"there is no model file {path}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own classes have no base but this
        raise BackendError(f"{path} cannot be opened as an ONNX model: {error}"[:300]) from error
