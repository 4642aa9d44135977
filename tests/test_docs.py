"""The documents keep their word: their settings load, and those they name exist."""

import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel

from mcu.config import Config, load_config

ROOT = Path(__file__).parents[1]
DOCS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
# A block under this line is TOML of another kind, and is not loaded.
_OTHER = "<!-- not mcu.toml -->"
_SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(rf"^(?:{'|'.join(Config.model_fields)})\.[\w.]+(?= = |=|$)")


def blocks(path: Path) -> list[tuple[int, str]]:
    """The mcu.toml blocks of a document, each with its line."""
    lines, found = path.read_text(encoding="utf-8").split("\n"), []
    for number, line in enumerate(lines):
        if line.strip() != "```toml":
            continue
        end = lines.index("```", number)
        above = next((one for one in reversed(lines[:number]) if one.strip()), "")
        if above.strip() != _OTHER:
            found.append((number + 1, "\n".join(lines[number + 1 : end]) + "\n"))
    return found


TOML = [pytest.param(text, id=f"{p.name}:{n}") for p in DOCS for n, text in blocks(p)]


@pytest.mark.parametrize("text", TOML)
def test_every_block_is_an_mcu_toml(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mcu.toml"
    path.write_text(text, encoding="utf-8")
    load_config("openai", path, environment={"OPENAI_API_KEY": "sk-none"})


def test_no_block_is_passed_over() -> None:
    whole = [path.read_text(encoding="utf-8") for path in DOCS]
    fences = sum(len(re.findall(r"^\s*(?:```|~~~)\s*toml", text, re.MULTILINE)) for text in whole)
    assert len(TOML) + sum(text.count(_OTHER) for text in whole) == fences
    assert len(TOML) > 10


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_flag_of_a_setting_loads(path: Path) -> None:
    for block in _SHELL.findall(path.read_text(encoding="utf-8")):
        words = shlex.split(block, comments=True)
        flags = [value for flag, value in pairwise(words) if flag == "--set"]
        load_config("openai", flags=flags, environment={})


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_setting_that_is_named_exists(path: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)]
    names = {found[0] for span in spans if (found := _NAMED.match(span))}
    names -= {name for name in names if name.endswith((".toml", ".json"))}
    assert [name for name in sorted(names) if not exists(name)] == []


def test_what_exists() -> None:
    """The check above finds what is wrong."""
    assert exists("chat.model")
    assert exists("chat.endpoints.NAME.max_in_flight")
    assert exists("chat.stages.STAGE.reasoning_effort")
    assert exists("chat.extra.chat_template_kwargs")
    for name in ("chat.models", "chat.endpoints.NAME.key", "chat.stages.dialogue.mode"):
        assert not exists(name)
    assert not exists("chat.model.name")
    assert not exists("chats.model")


def exists(name: str) -> bool:
    """Whether a dotted name leads to a setting, through tables with names of their own."""
    kind: Any = Config
    for part in name.split("."):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            if part not in kind.model_fields:
                return False
            kind = inner(kind.model_fields[part].annotation)
        elif get_origin(kind) is dict:
            kind = inner(get_args(kind)[1])
        elif kind is not Any:
            return False
    return True


def inner(kind: Any) -> Any:
    """A type without its `| None`."""
    given = [one for one in get_args(kind) if one is not type(None)]
    return given[0] if type(None) in get_args(kind) and len(given) == 1 else kind
