"""The command line over releases made by hand: complete, and judged as MCU_VERDICT says."""

import os
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

from mcu.cli import main


def _module(name: str, **functions: Any) -> None:
    module = ModuleType(name)
    vars(module).update(functions)
    sys.modules[name] = module


state, _, failed = os.environ.get("MCU_VERDICT", "passed").partition(":")
verdict = SimpleNamespace(state=state, failed=tuple(failed.split(",")) if failed else ())
_module("mcu.check", verdict=lambda run: verdict)
_module("mcu.release", is_current=lambda run: True)
main()
