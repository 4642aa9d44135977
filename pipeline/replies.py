"""What a model was asked for records and what it said, read from the journals."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any

from mcu.contract import Stage
from mcu.errors import ConfigError
from mcu.journal import Answer, read_answers
from mcu.run import Run
from mcu.show import plain, stored
from mcu.status import dollars
from mcu.store import Unit

_TOKENS = ("prompt_tokens", "cached_tokens", "completion_tokens")
_FACTS = ("finish", "model", *_TOKENS, "usd", "seconds", "endpoint", "tier")


def replies(run: Run, stage: Stage, id_: str, rejects: bool, limit: int) -> list[dict[str, Any]]:
    """The model calls behind the first few records or rejects of a stage, an entry an input.

    A journal knows its calls by the input of the stage. With an id, they are those of the input of
    that id, or of the record or reject of that id; of a unit under way, of the input alone.

    Raises:
        ConfigError: the stage asks no model, or its replies were not kept.
        StoreError: a journal cannot be read.
    """
    if "chat" not in stage.uses:
        raise ConfigError(f"stage {stage.number} ({stage.name}) asks no model")
    found: dict[str, dict[str, Any]] = {}
    for unit, asked, record in _inputs(run, stage, id_, rejects):
        if asked not in found:
            if len(found) == limit:
                break
            if not (prompts := _prompts(run, unit, asked)):
                continue
            head = {"stage": stage.name, "shard": unit.shard, "input": asked, "records": []}
            found[asked] = {**head, "prompts": prompts}
        if record:
            found[asked]["records"].append(record)
    return list(found.values())


def _inputs(run: Run, stage: Stage, id_: str, rejects: bool) -> Iterator[tuple[Unit, str, str]]:
    """Units, ids of inputs, and ids of the records made from them: empty where there is none."""
    for shard in range(run.config.shards):
        unit = Unit(stage, shard)
        if run.store.mark(unit) is None:
            if id_ and run.store.journal_path(unit).is_file():
                yield unit, id_, ""
            continue
        if id_ or not rejects:
            for row in stored(run, unit, id_, False):
                yield unit, row["parent"], row["id"]
        if id_ or rejects:
            for row in stored(run, unit, id_, True):
                if row["code"] != "duplicate":  # by the id of a persona that nobody asked about
                    yield unit, row["id"], ""


def _prompts(run: Run, unit: Unit, asked: str) -> list[dict[str, Any]]:
    """The prompts that were sent for one input, each with all that was answered, in order."""
    path = run.store.journal_path(unit)
    if not path.is_file():
        raise ConfigError(
            f"the replies of {unit.name} were not kept: with chat.keep_replies = false a journal "
            f"is deleted when its unit is done"
        )
    found: dict[str, dict[str, Any]] = {}
    for request, answer, ended in read_answers(path, asked):
        messages = request["messages"]
        head = list(takewhile(lambda message: message["role"] != "assistant", messages))
        new = {"prompt": request["schema_name"], "messages": head, "replies": []}
        repair = messages[-1]["content"] if len(messages) > len(head) else ""
        prompt = found.setdefault(repr(head), new)
        prompt["replies"].append(_reply(request, answer, ended, repair))
    return list(found.values())


def _reply(request: Answer, answer: Answer, ended: float, repair: str) -> dict[str, Any]:
    """One reply. `repair` is what the model was told of the one before, empty for the first."""
    when = datetime.fromtimestamp(ended, UTC).isoformat(timespec="seconds") if ended else ""
    facts = {name: answer.get(name) for name in _FACTS}
    budget = {"max_tokens": request["max_tokens"], "ended": when}
    return {"repair": repair, "text": answer["text"], **facts, **budget}


def text(entry: dict[str, Any]) -> str:
    """An entry as a person reads it: prompts, replies, and what was said of them in between."""
    lines = [f"{entry['stage']}, shard {entry['shard']}, input {entry['input']}"]
    lines += [f"record {record}" for record in entry["records"]]
    for prompt in entry["prompts"]:
        for message in prompt["messages"]:
            lines += [f"--- {prompt['prompt']}: {message['role']}", message["content"]]
        for number, reply in enumerate(prompt["replies"], 1):
            if reply["repair"]:
                lines += ["--- repair", reply["repair"]]
            lines += [f"--- reply {number}: {_facts(reply)}", reply["text"]]
    return "\n".join(plain(line) for part in lines for line in part.split("\n"))


def _facts(reply: dict[str, Any]) -> str:
    cached = f" ({reply['cached_tokens']:,} cached)" if reply["cached_tokens"] else ""
    said = [
        reply["model"],
        f"{reply['prompt_tokens']:,}{cached} + {reply['completion_tokens']:,} tokens",
        dollars(reply["usd"]),
        f"{reply['seconds'] or 0:.1f} s",
        f"from {reply['endpoint']}" if reply["endpoint"] else "",
        f"tier {reply['tier']}" if reply["tier"] else "",
        f"finish {reply['finish']}" if reply["finish"] != "stop" else "",
        f"of at most {reply['max_tokens']:,}" if reply["finish"] == "length" else "",
    ]
    return ", ".join(part for part in said if part)
