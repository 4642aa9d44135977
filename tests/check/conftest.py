"""One small release with all three sides of the split, made once a process."""

import pytest

import mcu
from mcu.run import Run


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = mcu.make_run(
        tmp_path_factory.mktemp("runs") / "r",
        run={"episodes": 20, "seed": 10},
        release={"validation": 0.3, "test": 0.3},
    )
    run.execute()
    return run
