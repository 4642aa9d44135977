"""Templates of training records: slots in two spellings, filled once, and bad ones."""

from pathlib import Path

import pytest

from mcu.errors import ConfigError
from mcu.export.templates import FIRST, NEXT, ULTRON, Template, own_template, read_template

VALUES = {
    "name": "Luc\u00eda",
    "date": "2023.01.01",
    "dialogue": "Luc\u00eda: {name} {{ date }} {% raw %}\nAI Assistant:",
    "summary": "",
    "negatives": False,
}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{dialogue}", VALUES["dialogue"]),
        ("{{ dialogue }}\n", VALUES["dialogue"]),
        ("On {date}, {name}:\n{dialogue}", f"On 2023.01.01, Luc\u00eda:\n{VALUES['dialogue']}"),
        ("{% if summary %}Before: {summary}{% endif %}{dialogue}", VALUES["dialogue"]),
        ("{'a': 1} {dialogue}", f"{{'a': 1}} {VALUES['dialogue']}"),
        ("<RET> <h> {dialogue} </h>", f"<RET> <h> {VALUES['dialogue']} </h>"),
    ],
)
def test_filling(text: str, filled: object) -> None:
    assert Template(text, ULTRON, "mine").fill(**VALUES) == filled


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{name}", r"template mine has no slot \{dialogue\}"),
        ("{dialog}", r"no value for \{dialog\}; the slots are \{name\}, \{date\}"),
        ("{{ face }} {dialogue}", r"no value for \{face\}"),
        ("{% if %}{dialogue}", "template mine cannot be read"),
        ("{{ dialogue", "template mine cannot be read"),
    ],
)
def test_bad_templates(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Template(text, ULTRON, "mine")


@pytest.mark.parametrize(
    "text",
    [
        "{{ dialogue.__class__.__mro__ }}",
        "{{ dialogue.nothing }}",
        "{{ 1 // 0 }}{dialogue}",
    ],
)
def test_what_a_template_may_not_do(text: str) -> None:
    with pytest.raises(ConfigError, match="cannot be filled"):
        Template(text, ULTRON, "mine").fill(**VALUES)


def test_files(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    with pytest.raises(ConfigError, match=r"mine\.txt cannot be read"):
        read_template(file, ULTRON)
    file.write_bytes(b"\xff\xfe{dialogue}")
    with pytest.raises(ConfigError, match=r"mine\.txt cannot be read"):
        read_template(file, ULTRON)
    file.write_text("{dialogue}", encoding="utf-8")
    template = read_template(file, ULTRON)
    assert template.slots == {"dialogue"}
    assert template.hash == Template("{dialogue}", ULTRON, "other").hash


def test_our_own() -> None:
    assert own_template("ultron").slots == set(ULTRON)
    assert own_template("summary_first").slots == set(FIRST)
    assert own_template("summary_next").slots == set(NEXT)
    asked = own_template("ultron").fill(**VALUES)
    assert "spoke about before" not in asked
    assert "text alone" not in asked
    assert asked.endswith(f"The chat of 2023.01.01:\n{VALUES['dialogue']}")
    with_all = own_template("ultron").fill(**{**VALUES, "summary": "Once.", "negatives": True})
    assert "What they spoke about before:\nOnce.\n\nThe chat" in with_all
    assert "text alone" in with_all
