"""The default bar on people who do not exist, as docs/checks.md tells it."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from mcu.backends.dlib import DlibFaces
from mcu.calibrate import equal_error, of_folder

BAR = 0.44


@pytest.mark.slow
@pytest.mark.skipif(find_spec("openpeople") is None, reason="pip install --no-deps openpeople")
def test_invented_people_are_told_apart() -> None:
    package = find_spec("openpeople")
    assert package and package.submodule_search_locations
    folder = Path(package.submodule_search_locations[0]) / "data" / "curated"
    pairs = of_folder(folder, DlibFaces(), lambda *_: None)
    assert (len(pairs.genuine), len(pairs.impostor), pairs.faceless) == (150, 1620, ())
    bar, rate = equal_error(pairs.genuine.tolist(), pairs.impostor.tolist())
    assert bar == pytest.approx(0.45, abs=0.01)
    assert rate < 0.03
    assert (pairs.impostor <= BAR).mean() < 0.02
    assert (pairs.genuine > BAR).mean() < 0.06
