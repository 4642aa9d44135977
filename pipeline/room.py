"""How much is under way at once: a few inputs a call that is live, as many as fit for batches."""

import resource
from contextlib import suppress

from mcu.config import Config

_MANY = 20_000  # inputs, when batches answer: each waits for hours where a live call takes seconds
_MANY_DRAWN = 2_000  # of these each asks a dozen times at once: half a megabyte, with its relatives
_BATCHED = 32  # two batches of portraits a GPU: one is drawn, the next comes together
_FILES_A_UNIT = 16
_KEPT = 256  # file descriptors for everything else
_MOST_FILES = 65_536
_FEW_UNITS, _LIVE_UNITS = 8, 24


def inputs(config: Config) -> int:
    """Inputs under way: more than the calls in flight, for an input waits for its commit, too."""
    return _MANY if config.chat.mode == "batch" else 2 * config.chat.max_in_flight


def drawn(config: Config) -> int:
    """Inputs under way in stages that draw: a slow GPU must not keep the model waiting."""
    if config.chat.mode == "batch":
        return _MANY_DRAWN
    gpus = 0 if config.image.backend == "avatar" else max(1, len(config.image.devices))
    return max(8, config.chat.max_in_flight // 4, _BATCHED * gpus)


def units(config: Config, stages: int) -> int:
    """Units of one stage that are open at once; each takes a dozen file descriptors.

    A unit stays open until its slowest call is answered, and others fill the time. Batches need as
    many as the machine allows. The limit of open files is raised to what is allowed.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(ValueError, OSError):  # some systems allow less than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = (_MOST_FILES if soft == resource.RLIM_INFINITY else soft) - _KEPT
    free -= 2 * config.chat.max_in_flight
    fitting = max(_FEW_UNITS, free // _FILES_A_UNIT // stages)
    return fitting if config.chat.mode == "batch" else min(fitting, _LIVE_UNITS)
