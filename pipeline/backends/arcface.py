"""ArcFace embeddings, which some ways of drawing a person ask for."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL.Image import Image, Resampling, Transform

from mcu.backends.dlib import LARGE, SIDE, Finder, load_dlib, weights
from mcu.backends.nudenet import open_session
from mcu.errors import BackendError, Reject
from mcu.pictures import plain

Points = npt.NDArray[np.float64]

CROP = 112
WIDTH = 512
# Where InsightFace puts eyes, tip of the nose and corners of the mouth in its crop of 112 px
# (insightface.utils.face_align); the person's right eye comes first.
_TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)
# The same five among the 68 points of iBUG 300-W; an eye is the mean of its outline.
_FIVE = (range(36, 42), range(42, 48), (30,), (48,), (54,))


class ArcFace:
    """Embeds the largest face of a picture with an ArcFace network in an .onnx file.

    The file is the user's own: InsightFace gives its packs, such as antelopev2 with glintr100.onnx,
    for non-commercial research alone, so that none is shipped. dlib's 68 landmarks, which align
    the face, are trained on iBUG 300-W, whose licence excludes commercial use as well
    (dlib-models). Files that normalise colours themselves, as MXNet's of old did, are not meant.
    """

    def __init__(self, path: str | Path) -> None:
        """Load the network and the landmarks.

        Raises:
            BackendError: the file is missing or takes or gives other shapes, or a package is
                missing.
        """
        self._session = open_session(Path(path))
        taken, given = self._session.get_inputs(), self._session.get_outputs()
        shapes = [list(one.shape) for one in (*taken, *given)]
        wanted = [[3, CROP, CROP], [WIDTH]]
        if [shape[1:] for shape in shapes] != wanted or taken[0].type != "tensor(float)":
            raise BackendError(
                f"{path} is no ArcFace network: it maps {' and '.join(map(str, shapes))}, not "
                f"[n, 3, {CROP}, {CROP}] to [n, {WIDTH}]"
            )
        self._input = taken[0].name
        self._finder = Finder()
        self._landmarks = load_dlib().shape_predictor(
            weights("shape_predictor_68_face_landmarks.dat")
        )

    def embed(self, image: Image, normalised: bool) -> npt.NDArray[np.float32]:
        """The embedding of the largest face, of shape [512].

        Args:
            image: any picture.
            normalised: of length 1, as IP-Adapter FaceID takes it; PhotoMaker v2 takes it raw.

        Raises:
            Reject: `no_face`.
        """
        crop = np.asarray(self.crop(image), np.float32)
        values = ((crop - 127.5) / 127.5).transpose(2, 0, 1)[None]
        [[found]] = self._session.run(None, {self._input: values})
        embedding = np.asarray(found, np.float32)
        return embedding / np.linalg.norm(embedding) if normalised else embedding

    def crop(self, image: Image) -> Image:
        """The largest face, 112 by 112 px, turned and scaled so that its features lie in place.

        Raises:
            Reject: `no_face`.
        """
        picture = plain(image, LARGE)
        boxes = self._finder.faces(picture, (SIDE, LARGE))
        if not boxes:
            raise Reject("no_face", "the picture shows no face to take an embedding of")
        turn, move = similarity(self._five(picture, boxes[0]), _TEMPLATE)
        # Pixels are looked up, so the other way round. Pillow counts from a pixel's corner, where
        # landmarks and template count from its middle.
        back, half = 1 / turn, 0.5 + 0.5j
        move = half - move * back - half * back
        look_up = (back.real, -back.imag, move.real, back.imag, back.real, move.imag)
        return picture.transform((CROP, CROP), Transform.AFFINE, look_up, Resampling.BILINEAR)

    def _five(self, picture: Image, box: Any) -> Points:
        shape = self._landmarks(np.asarray(picture), box)
        points = np.array([(one.x, one.y) for one in shape.parts()], float)
        return np.array([points[list(which)].mean(axis=0) for which in _FIVE])


def similarity(source: Points, target: Points) -> tuple[complex, complex]:
    """The turn and scale a, and the move b, with the least squares of a * source + b - target.

    Points of shape [n, 2] are taken as complex numbers x + iy, of which a similarity without a
    reflection is a linear function (Umeyama 1991 gives the same in two dimensions).
    """
    start, end = source @ (1, 1j), target @ (1, 1j)
    centred = start - start.mean()
    turn = complex(np.vdot(centred, end - end.mean()) / np.vdot(centred, centred))
    return turn, complex(end.mean() - turn * start.mean())
