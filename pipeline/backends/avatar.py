"""The illustrated person and the offline image generator that draws them."""

import hashlib
import io
import random
import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from string import Template
from typing import Any

import resvg_py
from PIL import Image

from mcu.backends import ImageRequest

SIZE = 512
FRAMES = {"headshot": (66, 44, 380), "portrait": (26, 24, 460), "upper body": (-54, 10, 620)}
FIGURE = (-128, 30, 768, 1120)
BUILDS = {
    "slim": (90, 72, 78),
    "petite": (86, 72, 82),
    "athletic": (106, 82, 84),
    "broad-shouldered": (112, 92, 90),
    "stocky": (108, 104, 104),
    "plump": (106, 112, 114),
    "curvy": (96, 86, 104),
}
POSES = {
    "rest": ((-26, 130), (-8, 262), (26, 130), (8, 262)),
    "hold": ((-26, 130), (-8, 262), (40, 124), (-52, 112)),
    "wave": ((-26, 130), (-8, 262), (84, 62), (96, -92)),
    "work": ((-40, 124), (44, 150), (40, 124), (-44, 150)),
    "reach": ((-26, 130), (-8, 262), (96, 74), (186, 6)),
}
