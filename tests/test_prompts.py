"""Prompt templates: they load, take exactly their variables, and render no value twice."""

import importlib.util
import shutil
import sys
from collections.abc import Iterator
from dataclasses import fields
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from jinja2 import UndefinedError

from mcu import prompts
from mcu.backends import ChatRequest
from mcu.errors import ConfigError
from mcu.stages import STAGES
from mcu.stages.derive import FURTHER

FOLDER = Path(prompts.__file__).parent
NAMES = sorted(path.stem for path in FOLDER.glob("*.md"))


class Thing:
    """Has every attribute; each of them, and itself, is the same text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Thing(self._text)

    def __iter__(self) -> Iterator["Thing"]:
        return iter([self])

    def __len__(self) -> int:
        return 1

    def __getitem__(self, key: object) -> "Thing | list[Thing]":
        return [self] if isinstance(key, slice) else self

    def __str__(self) -> str:
        return self._text


def values(name: str, text: str = "x") -> dict[str, Any]:
    return {variable: Thing(text) for variable in prompts.load(name).variables}


def test_every_template_is_used_and_every_one_used_is_there() -> None:
    used = {name for stage in (*STAGES, *FURTHER) for name in stage.prompts}
    assert used | {"repair"} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_template(name: str) -> None:
    prompt = prompts.load(name)
    assert prompt.version >= 1
    assert set(prompt.sampling) <= {field.name for field in fields(ChatRequest)}
    messages = prompt.fill(**values(name))
    if name == "repair":
        assert [m["role"] for m in messages] == ["user"]
        return
    assert [m["role"] for m in messages] == ["system", "user"]
    # The author and the simulator know a call by this line, and its fields by their labels.
    assert messages[0]["content"].startswith(f"Task: {name}\n")
    assert "JSON" in messages[0]["content"]
    assert all(": " in line for line in messages[1]["content"].splitlines())


@pytest.mark.parametrize("name", NAMES)
def test_variables_are_exact_both_ways(name: str) -> None:
    prompt, given = prompts.load(name), values(name)
    assert given
    for missing in given:
        with pytest.raises(ConfigError, match=missing):
            prompt.fill(**{key: value for key, value in given.items() if key != missing})
    with pytest.raises(ConfigError, match="mood"):
        prompt.fill(**given, mood="good")


@pytest.mark.parametrize("text", ["{{ 7*7 }}", "{% for x in y %}", "{# no #}", "${7*7}", "# user"])
@pytest.mark.parametrize("name", NAMES)
def test_values_are_not_rendered_again(name: str, text: str) -> None:
    messages = prompts.load(name).fill(**values(name, text))
    shown = "".join(message["content"] for message in messages)
    assert text in shown
    assert "49" not in shown


def test_unknown_attribute_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="name"):
        prompts.load("narrative").fill(language="English", persona=object(), inference=Thing("x"))


@pytest.mark.parametrize("name", ["nothing", "", "../pyproject", "no/such", "repair\x00"])
def test_no_such_prompt(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        prompts.load(name)


_COPIES = count()


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[ModuleType]:
    """The package with its templates in another folder, where they can be changed."""
    name = f"copied_prompts_{next(_COPIES)}"
    shutil.copytree(FOLDER, tmp_path / name)
    file = tmp_path / name / "__init__.py"
    spec = importlib.util.spec_from_file_location(
        name, file, submodule_search_locations=[str(file.parent)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[name]


def rewrite(module: ModuleType, old: str, new: str) -> None:
    path = Path(str(module.__file__)).with_name("narrative.md")
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    module.load.cache_clear()


@pytest.mark.parametrize(
    ("old", "new"),
    [("two or three", "two"), ("temperature = 0.9", "temperature = 0.8"), ("Age: ", "Years: ")],
)
def test_the_hash_follows_the_text(copy: ModuleType, old: str, new: str) -> None:
    before = copy.load("narrative").hash
    assert before == prompts.load("narrative").hash
    rewrite(copy, old, new)
    assert copy.load("narrative").hash != before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("version = 2", "version = two"),
        ("version = 2\n", ""),
        ("\n---\n", "\n--\n"),
        ("{{ persona.age }}", "{{ persona.age "),
        ("{{ persona.age }}", "{% nothing %}"),
    ],
)
def test_a_broken_template_is_named(copy: ModuleType, old: str, new: str) -> None:
    rewrite(copy, old, new)
    with pytest.raises(ConfigError, match="'narrative' cannot be read"):
        copy.load("narrative")
