"""`mcu simulate`: the scripted author as an OpenAI-compatible server, for trials and tests."""

from mcu.simulate.server import Simulator, serve

__all__ = ["Simulator", "serve"]
