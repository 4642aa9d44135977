"""How long a run takes: the slowest of what bounds it, written down with what it rests on."""

from mcu.backends.endpoint import endpoints_of
from mcu.config import Config
from mcu.estimate.figures import Line, Measured
from mcu.image_section import ImageSection
from mcu.sections import ChatSection, EndpointSection

FIRST_TOKEN, TOKENS_A_SECOND = 0.6, 80.0  # of a hosted model, until a sample tells
_BATCH = 1.0  # hours that a batch takes, mostly
_START = 3.0  # seconds of imports, and of the release


def hours(config: Config, found: Measured, lines: list[Line]) -> tuple[float, str]:
    """Hours of the whole run and what they rest on; those of each line are set.

    Stages overlap, so that the whole is shorter than its parts one after the other.
    """
    if config.chat.mode == "batch":
        return _of_batches(config, lines)
    most = sum(one.max_in_flight or config.chat.max_in_flight for one in _servers(config.chat))
    drawing = found.drawing / _lanes(config.image)
    for line in lines:
        line.hours = max(line.calls * line.seconds / most, line.pictures * drawing) / 3600
    calls = sum(line.calls for line in lines)
    tokens = sum(line.prompt_tokens + line.completion_tokens for line in lines)
    bounds = {
        f"{most} calls in flight": sum(n.calls * n.seconds for n in lines) / most,
        "calls that wait for one another": sum(_hops(config, n) * n.seconds for n in lines),
        "requests a minute": _at_rate(config.chat, "requests_per_minute", calls),
        "tokens a minute": _at_rate(config.chat, "tokens_per_minute", tokens),
        "this program's own work": calls * found.client,
        "drawing": sum(line.pictures for line in lines) * drawing,
    }
    slowest = max(bounds, key=bounds.__getitem__)
    return (bounds[slowest] + _START) / 3600, f"hours: bound by {slowest}; {_speed(found)}"


def _lanes(image: ImageSection) -> int:
    return image.workers if image.backend == "avatar" else max(1, len(image.devices))


def _speed(found: Measured) -> str:
    said = f"{FIRST_TOKEN:g} s to the first token, then {TOKENS_A_SECOND:g} tokens a second"
    own = f"{1000 * found.client:.0f} ms of our own a call, {found.drawing:.2f} s to draw a picture"
    return f"{'the calls of the sample' if found.sampled else said}; {own}"


def _of_batches(config: Config, lines: list[Line]) -> tuple[float, str]:
    for line in lines:
        line.hours = max(_hops(config, line), int(line.calls > 0)) * _BATCH
    hops = sum(_hops(config, line) for line in lines)
    return hops * _BATCH, f"hours: {hops} batches that wait for one another, {_BATCH:g} h for each"


def _hops(config: Config, line: Line) -> int:
    """Calls of a stage that wait for one another; the album is made beside the events."""
    if not line.calls or line.name == "album":
        return 0
    return config.run.sessions[1] if line.name == "dialogue" else 1


def _at_rate(chat: ChatSection, name: str, amount: float) -> float:
    """Seconds that an amount takes at the rate limits; 0 when a server has none."""
    rates = [getattr(one, name) or getattr(chat, name) for one in _servers(chat)]
    return 60 * amount / sum(rates) if all(rates) else 0.0


def _servers(chat: ChatSection) -> list[EndpointSection]:
    return list(endpoints_of(chat).values())
