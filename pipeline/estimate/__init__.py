"""What a run will ask for, cost and take, scaled up from a few of its episodes."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, get_args
from urllib.parse import urlsplit

from mcu.backends import ChatRequest
from mcu.backends.endpoint import endpoints_of
from mcu.backends.openai_wire import budget_of
from mcu.config import Config
from mcu.estimate.figures import Estimate, Line, Measured
from mcu.estimate.hours import FIRST_TOKEN, TOKENS_A_SECOND, hours
from mcu.prices import dated, price_of
from mcu.sections import ChatSection, Written

TABLE = (1_000, 10_000, 86_900)  # episodes; the last are those of the published Stark
# The paper drops 19.8 % of its personas as repeated, and has kept as many as these.
_REPEATED, _OF_PERSONAS = 0.198, 17_380


def estimate(config: Config, found: Measured, stages: tuple[int, int] = (1, 8)) -> Estimate:
    """Scale what a few episodes took up to the whole run.

    Args:
        config: of the run.
        found: what its first personas took, in a rehearsal or a sample.
        stages: first and last stage to count.
    """
    from mcu.stages import STAGES

    lines = [
        _line(config, found, stage.number, stage.name)
        for stage in STAGES
        if stages[0] <= stage.number <= stages[1]
    ]
    whole, reason = hours(config, found, lines)
    made = Estimate(config.run.episodes, found.sampled, lines, whole)
    made.assumptions = [*_of_tokens(config, found, lines), *_of_money(config, made), reason]
    return made


def _line(config: Config, found: Measured, number: int, name: str) -> Line:
    counts = found.stages[name]
    scale = config.personas / max(1, found.personas)
    if number == 1:
        scale = _seeds(config, found) / max(1, found.seeds)
    model = str(config.chat.of(name).model) if counts.calls else ""
    thought = None if found.sampled else thoughts(config, name, model)
    written = counts.completion_tokens + counts.calls * (thought or 0)
    seconds = counts.seconds
    if not found.sampled and config.chat.backend != "scripted":
        seconds = counts.calls * FIRST_TOKEN + written / TOKENS_A_SECOND
    line = Line(
        number,
        name,
        model,
        calls=scale * counts.calls,
        prompt_tokens=scale * counts.prompt_tokens,
        cached_tokens=scale * counts.cached_tokens,
        completion_tokens=scale * written,
        pictures=scale * counts.pictures,
        seconds=seconds / max(1, counts.calls),
        repairs=scale * counts.repairs,
        rejects=scale * counts.rejects,
        thought=thought,
    )
    if found.sampled:
        line.usd = None if counts.usd is None else scale * counts.usd
    else:
        line.usd = price(config, line, model, tier_of(config.chat))
    return line


def _seeds(config: Config, found: Measured) -> float:
    """Persona calls of a run: what is repeated or cannot be used is asked for again."""
    repeated = _REPEATED * min(1.0, config.personas / _OF_PERSONAS)
    kept = (1 - found.wasted) * (1 - repeated)
    return math.ceil(config.personas / config.personas_per_call) / max(kept, 0.01)


def thoughts(config: Config, stage: str, model: str) -> int:
    """Tokens that a model thinks in before each reply, as the simulator bills them."""
    from mcu.simulate.ask import Ask

    body = {"reasoning_effort": config.chat.of(stage).reasoning_effort}
    return Ask(body, [], model.rpartition("/")[2], "", "").reasoning


def price(config: Config, line: Line, model: str, tier: str) -> float | None:
    """What a stage costs when some model writes it; None when nobody knows that one's price."""
    if not line.calls:
        return 0.0
    if (known := price_of(model, config.prices)) is None:
        return None
    written = line.completion_tokens
    if model != line.model and line.thought is not None:
        written += line.calls * (thoughts(config, line.name, model) - line.thought)
    return known.usd(round(line.prompt_tokens), round(line.cached_tokens), round(written), tier)


def tier_of(chat: ChatSection) -> str:
    """The tier that calls are billed at."""
    return "batch" if chat.mode == "batch" else chat.service_tier


def charges_schema(chat: ChatSection) -> bool:
    """Whether the reply's schema counts as prompt: at OpenAI, and where it is put into the text."""
    if chat.backend == "scripted":
        return False
    hosts = {urlsplit(server.base_url).hostname or "" for server in endpoints_of(chat).values()}
    openai = any(not host or host.endswith((".openai.com", ".azure.com")) for host in hosts)
    return openai or chat.structured in ("json_object", "text")


def compare(
    config: Config, made: Sequence[Estimate], models: Iterable[str]
) -> list[dict[str, Any]]:
    """Dollars by model and episodes, live and in batches; first as configured, then of others.

    The tokens are those of the estimates, but for thoughts, which not every model has.
    """
    own = {line.model for line in made[0].lines if line.model}
    name = own.pop() if len(own) == 1 else "as configured"
    rows = []
    for model in dict.fromkeys([name, *models]):
        for one in made:
            row: dict[str, Any] = {"model": model, "episodes": one.episodes}
            for way, tier in (("live", ""), ("batch", "batch")):
                row[way] = _cost(config, one, "" if model == name else model, tier)
            rows.append(row)
    return rows


def _cost(config: Config, made: Estimate, model: str, tier: str) -> float | None:
    usd = [price(config, line, model or line.model, tier) for line in made.lines]
    return None if None in usd else round(sum(filter(None, usd)), 9)


def _of_tokens(config: Config, found: Measured, lines: list[Line]) -> list[str]:
    """What the counts and the tokens rest on."""
    episodes, counts = 5 * found.personas, found.stages
    if found.sampled:
        repairs = sum(counts[line.name].repairs for line in lines)
        rejects = sum(counts[line.name].rejects for line in lines)
        speed = ", ".join(f"{n.name} {n.seconds:.1f}" for n in lines if n.calls)
        return [
            f"calls and tokens: those of {episodes} episodes, sampled; with {repairs} repairs and "
            f"{rejects} rejects",
            f"seconds a call: {speed}",
        ]
    sessions = counts["dialogue"].calls / max(1, counts["events"].calls)
    schema = "with" if charges_schema(config.chat) else "without"
    notes = [
        f"calls: those of {episodes} episodes by the scripted author; {sessions:.1f} sessions each",
        f"tokens: characters / 4, {schema} the schema of replies; English; no prompt cache",
    ]
    return [*notes, *of_models(config, {line.model for line in lines if line.model}, False)]


def of_models(config: Config, models: Iterable[str], sampled: bool) -> list[str]:
    """What is assumed of the thoughts of models, which are paid for as text is."""
    if sampled:
        return ["other models: with the tokens of the one that was sampled, thoughts among them"]
    notes = []
    for model in sorted(models):
        tokens = max(thoughts(config, name, model) for name in get_args(Written))
        if tokens:
            notes.append(f"thoughts: {tokens} tokens a call of {model}, as `mcu simulate` has it")
        elif _may_think(config, model):
            notes.append(f"thoughts: none are counted for {model}, which may think; --sample tells")
    return notes


def _may_think(config: Config, model: str) -> bool:
    efforts = {config.chat.of(name).reasoning_effort or "" for name in get_args(Written)}
    requests = (ChatRequest([], "", {}, model, 0, reasoning_effort=effort) for effort in efforts)
    return any(budget_of(request) > request.max_tokens for request in requests)


def _of_money(config: Config, made: Estimate) -> list[str]:
    """What the dollars rest on."""
    tier = tier_of(config.chat)
    notes = [
        "dollars: as billed in the sample"
        if made.sampled
        else f"dollars: your prices, then the table of {dated()}{f', tier {tier}' if tier else ''}"
    ]
    for model in made.unpriced:
        notes.append(
            f'dollars are unknown: set prices."{model}" = {{ input = ..., output = ... }}, '
            "in dollars per million tokens"
        )
    return notes
