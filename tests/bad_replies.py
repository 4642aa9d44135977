"""The table of bad replies: which task each hits, what the model says, and what must come of it."""

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

MARK = Path(tempfile.gettempdir()) / "mcu-executed-a-reply"
CALL = f"__import__('os').system('touch {MARK}')"
OUTSIDE = "../../../../outside"

Content = str | dict[str, Any]


@dataclass(frozen=True)
class Bad:
    """A bad reply.

    Attributes:
        spoil: makes it of a good one; a dictionary is a message with its finish reason.
        wanted: same = accepted, and the rows are those of the good reply; mended = accepted;
            repaired = asked for again, and lost when the second reply is bad, too; rejected =
            lost at once.
    """

    name: str
    task: str
    spoil: Callable[[str], Content]
    wanted: Literal["same", "mended", "repaired", "rejected"]


def says(text: str) -> Callable[[str], Content]:
    return lambda good: text


def edit(change: Callable[[dict[str, Any]], object]) -> Callable[[str], Content]:
    """Change the good reply's data."""

    def spoil(good: str) -> str:
        value = json.loads(good)
        change(value)
        return json.dumps(value, ensure_ascii=False)

    return spoil


def put(path: str, value: Any) -> Callable[[str], Content]:
    """Put a value in a place such as `events.1.date`; in `personas.*.value`, in every item."""

    def change(data: Any) -> None:
        *way, last = path.split(".")
        for number, key in enumerate(way):
            if key == "*":
                for item in data:
                    put_in(item, ".".join(path.split(".")[number + 1 :]), value)
                return
            data = data[int(key) if key.isdigit() else key]
        data[int(last) if last.isdigit() else last] = value

    def put_in(item: Any, rest: str, value: Any) -> None:
        item[rest] = value

    return edit(change)


def drop(key: str) -> Callable[[str], Content]:
    return edit(lambda data: data.pop(key))


def add(path: str, text: str) -> Callable[[str], Content]:
    """Add to a text of the good reply; as JSON, so that controls are escaped."""

    def change(data: Any) -> None:
        *way, last = path.split(".")
        for key in way:
            data = data[int(key) if key.isdigit() else key]
        data[last] += text

    return edit(change)


def shared(**values: Any) -> Callable[[str], Content]:
    """Change the first picture that is shared in a dialogue."""
    return edit(lambda d: next(t["image"] for t in d["turns"] if t["image"]).update(values))


def from_phone(number: str) -> Callable[[str], Content]:
    """Make the person's own last turn share that device picture."""

    def change(data: dict[str, Any]) -> None:
        mine = [t for t in data["turns"] if t["speaker"] != "AI Assistant"][-1]
        mine["image"] = {
            "description": "A red kite above a field",
            "rationale": "It fits.",
            "source": "mobile",
            "keywords": ["kite"],
            "image_id_from_mobile": number,
        }

    return edit(change)


def _interval(value: int, unit: str) -> Callable[[str], Content]:
    return put("events.1.time_interval", {"value": value, "unit": unit})


def _plan(route: str, prompt: str) -> Callable[[str], Content]:
    return edit(lambda data: data.update(route=route, prompt=prompt, class_word="man"))


def _filtered(good: str) -> Content:
    return {"content": "", "finish": "content_filter"}


def _call_for_a_value(good: str) -> str:
    return good.replace('"id": 1', f'"id": {CALL}')


def _raw_escape(good: str) -> str:
    return good.replace(': "', ': "\x1b[2J', 1)


def _spread(good: str) -> str:
    return json.dumps(json.loads(good), indent=8)


def _windows(good: str) -> str:
    return _spread(good).replace("\n", "\r\n")


def _twice(good: str) -> str:
    return f'{{"answer": {good}}}'


def _python(good: str) -> str:
    return repr(json.loads(good))


def _no_pictures(data: dict[str, Any]) -> None:
    for turn in data["turns"]:
        turn.update(image=None, utterance=turn["utterance"] or "Well.")


def _one_speaker(data: dict[str, Any]) -> None:
    for turn in data["turns"]:
        turn["speaker"] = "AI Assistant"


MENDED = [
    Bad("fence", "narrative", lambda good: f"```json\n{good}\n```", "same"),
    Bad("fence without a name", "album", lambda good: f"```\n{good}\n```", "same"),
    Bad("fence left open", "events", lambda good: f"```json\n{good}", "same"),
    Bad("talk before", "persona", lambda good: f"Sure! Here you are:\n\n{good}", "same"),
    Bad("talk after", "commonsense", lambda good: f"{good}\n\nI hope it helps.", "same"),
    Bad("talk with braces", "dialogue", lambda good: f"I fill {{turns}}: {good} {{}}", "same"),
    Bad("byte order mark", "plan", lambda good: f"\ufeff{good}", "same"),
    Bad("thoughts", "narrative", lambda good: f"<think>So {{a}}?</think>{good}", "same"),
    Bad("trailing comma", "events", lambda good: good[:-1] + ",\n}", "same"),
    Bad("trailing commas within", "album", lambda good: good.replace("]", ",]"), "same"),
    Bad("single quotes", "commonsense", _python, "same"),
    Bad("Python literals", "dialogue", lambda good: good.replace("null", "None"), "same"),
    Bad("bare keys", "plan", lambda good: good.replace('"route"', "route"), "same"),
    Bad("spread over lines", "events", _spread, "same"),
    Bad("windows lines", "album", _windows, "same"),
    Bad("twice over", "narrative", lambda good: f"{good}\n{good}", "same"),
    Bad("in a list", "plan", lambda good: f"[{good}]", "same"),
    Bad("number as text", "events", put("events.0.id", "1"), "same"),
    Bad("number with a point", "events", put("events.0.id", 1.0), "same"),
    Bad("terminal escape", "narrative", add("narrative", "\x1b[31m\x1b]0;owned\x07"), "same"),
    Bad("terminal escape unescaped", "album", _raw_escape, "same"),
    Bad("C1 escape and a bell", "commonsense", add("goal", "\x9b\x07\x00\x7f"), "same"),
    Bad("text turned around", "narrative", add("narrative", "\u202e\u2066"), "same"),
    Bad("call as a text", "dialogue", put("turns.0.utterance", CALL), "mended"),
    Bad("call as a category", "album", put("images.0.category", "os.system"), "mended"),
    Bad("path as a text", "dialogue", put("turns.0.utterance", OUTSIDE), "mended"),
    Bad("path as a category", "album", put("images.0.category", OUTSIDE), "mended"),
    Bad("template as a text", "album", add("images.0.description", " {{ 7*7 }}"), "mended"),
    Bad("absolute path as a query", "plan", _plan("web", str(MARK)), "mended"),
]  # fmt: skip

TORN = [
    Bad("cut in half", "narrative", lambda good: good[: len(good) // 2], "repaired"),
    Bad("cut before the end", "dialogue", lambda good: good[:-2], "repaired"),
    Bad("cut after an item", "events", lambda good: good[: good.index("}") + 1], "repaired"),
    Bad("at its longest length", "album", lambda g: {"content": g, "finish": "length"}, "rejected"),
    Bad("empty", "persona", says(""), "repaired"),
    Bad("spaces", "plan", says(" \n\t "), "repaired"),
    Bad("no content", "narrative", lambda good: {"content": None}, "repaired"),
    Bad("refusal in words", "dialogue", says("I'm sorry, but I can't help with that."), "repaired"),
    Bad("refusal by the model", "album", lambda g: {"content": None, "refusal": "No."}, "rejected"),
    Bad("refusal by a filter", "events", _filtered, "rejected"),
    Bad("another language", "narrative", says("\u6211\u4e0d\u80fd\u5e2e"), "repaired"),
    Bad("a megabyte", "album", says("word " * 200_000), "repaired"),
    Bad("a megabyte after the answer", "plan", lambda good: good + " " * 1_000_000, "repaired"),
    Bad("deep", "commonsense", says("[" * 100_000), "repaired"),
    Bad("deep object", "events", says('{"events":' * 15_000), "repaired"),
    Bad("web page", "persona", says("<html><script>alert(1)</script></html>"), "repaired"),
    Bad("YAML", "commonsense", says("characteristic: loves it\nroutine: does it"), "repaired"),
    Bad("null", "plan", says("null"), "repaired"),
    Bad("empty object", "events", says("{}"), "repaired"),
    Bad("empty list", "dialogue", says("[]"), "repaired"),
    Bad("a call instead of JSON", "narrative", says(CALL), "repaired"),
    Bad("a call for a value", "events", _call_for_a_value, "repaired"),
    Bad("the schema", "plan", says('{"type": "object", "properties": {"route": {}}}'), "repaired"),
    Bad("nested twice", "album", _twice, "repaired"),
    Bad("half a surrogate, escaped", "narrative", lambda g: g[:-2] + '\\ud800"}', "repaired"),
    Bad("half a surrogate", "commonsense", add("goal", "\ud800"), "repaired"),
]  # fmt: skip

WRONG = [
    Bad("NaN", "events", lambda good: good.replace('"id": 1', '"id": NaN'), "repaired"),
    Bad("Infinity", "events", lambda good: good.replace('"id": 1', '"id": Infinity'), "repaired"),
    Bad("too large a number", "events", lambda g: g.replace('"id": 1', '"id": 1e999'), "repaired"),
    Bad("half a number", "events", put("events.0.id", 1.5), "repaired"),
    Bad("null for a text", "narrative", put("narrative", None), "repaired"),
    Bad("list for a text", "narrative", put("narrative", ["a"]), "repaired"),
    Bad("number for a text", "plan", put("prompt", 7), "repaired"),
    Bad("text for a list", "dialogue", put("turns", "hello"), "repaired"),
    Bad("missing key", "commonsense", drop("goal"), "repaired"),
    Bad("missing key within", "events", edit(lambda d: d["events"][1].pop("date")), "repaired"),
    Bad("extra key", "persona", put("mood", "good"), "repaired"),
    Bad("extra key of Python", "album", put("__class__", "os"), "repaired"),
    Bad("too few items", "album", edit(lambda d: d["images"].pop()), "repaired"),
    Bad("too many items", "album", edit(lambda d: d["images"].append(d["images"][0])), "repaired"),
    Bad("value not in its sentence", "persona", put("personas.*.value", "zeppelin"), "repaired"),
    Bad("lost name", "narrative", put("narrative", "I am here. I am glad."), "repaired"),
    Bad("clause with a stop", "commonsense", add("goal", "."), "repaired"),
    Bad("duplicate ids", "events", put("events.1.id", 1), "repaired"),
    Bad("ids from 0", "events", put("events.0.id", 0), "repaired"),
    Bad("cycle", "events", put("events.0.caused_by", [2]), "repaired"),
    Bad("caused by itself", "events", put("events.1.caused_by", [2]), "repaired"),
    Bad("caused by nothing there", "events", put("events.2.caused_by", [99]), "repaired"),
    Bad("no such day", "events", put("events.0.date", "2023.02.30"), "repaired"),
    Bad("date of another form", "events", put("events.0.date", "01/02/2023"), "repaired"),
    Bad("date after the last", "events", put("events.2.date", "2031.01.01"), "repaired"),
    Bad("dates go back", "events", put("events.2.date", "1999.01.01"), "repaired"),
    Bad("path as a date", "events", put("events.0.date", OUTSIDE), "repaired"),
    Bad("interval of nothing", "events", _interval(0, "day"), "repaired"),
    Bad("interval without an end", "events", _interval(10**30, "day"), "repaired"),
    Bad("interval that disagrees", "events", _interval(9, "year"), "repaired"),
    Bad("unit of no time", "events", _interval(1, "fortnight"), "repaired"),
    Bad("unknown operation", "events", put("events.1.experience_op", "delete"), "repaired"),
    Bad("unknown speaker", "dialogue", put("turns.0.speaker", "Narrator"), "repaired"),
    Bad("one speaker", "dialogue", edit(_one_speaker), "repaired"),
    Bad("no pictures", "dialogue", edit(_no_pictures), "repaired"),
    Bad("album id 99", "dialogue", from_phone("99"), "repaired"),
    Bad("album id -1", "dialogue", from_phone("-1"), "repaired"),
    Bad("album id in other digits", "dialogue", from_phone("\u0663"), "repaired"),
    Bad("path as an album id", "dialogue", from_phone(OUTSIDE), "repaired"),
    Bad("call as an album id", "dialogue", from_phone(CALL), "repaired"),
    Bad("source of no kind", "dialogue", shared(source=f"file://{MARK}"), "repaired"),
    Bad("picture without keywords", "dialogue", shared(keywords=[]), "repaired"),
    Bad("unknown route", "plan", put("route", OUTSIDE), "repaired"),
    Bad("trigger in a search", "plan", _plan("web", "an img"), "repaired"),
    Bad("own face without the trigger", "plan", _plan("p-t2i", "a man"), "repaired"),
]  # fmt: skip

TABLE = [*MENDED, *TORN, *WRONG]
