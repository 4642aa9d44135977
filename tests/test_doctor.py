"""What `mcu doctor` tells: every setting by the name that `--set` takes, and no key."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mcu.config import Config, load_config
from mcu.doctor import examine, report


def settings(folder: Path, **environment: str) -> dict[str, str]:
    lines = report(examine(environment, folder))
    start = lines.index("settings and their defaults:")
    return dict(line.strip().split(" = ", 1) for line in lines[start + 1 :])


def test_every_setting_is_listed_with_its_default(tmp_path: Path) -> None:
    listed = settings(tmp_path)
    plain = {name: value for name, value in listed.items() if not name.split(".")[-2].isupper()}
    given = Config().model_dump(mode="json")
    for section in given:
        for key, value in flat(section, given[section]):
            if value != {} or key == "chat.extra":
                shown = plain.pop(key)
                assert shown == "none" if value is None else json.loads(shown) == value
    assert plain == {}


def flat(name: str, values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from flat(f"{name}.{key}", value)
        else:
            yield f"{name}.{key}", value


def test_what_the_user_names_is_listed_once(tmp_path: Path) -> None:
    listed = settings(tmp_path)
    assert listed["chat.endpoints.NAME.base_url"] == '""'
    assert listed["chat.endpoints.NAME.api_key_env"] == '""'
    assert listed["chat.stages.STAGE.model"] == "none"
    assert {f"prices.MODEL.{key}" for key in ("input", "output", "cached", "batch")} <= set(listed)
    assert not [name for name in listed if name.endswith("api_key")]


def test_listed_names_can_be_set(tmp_path: Path) -> None:
    for name, value in settings(tmp_path).items():
        flag = name.replace("STAGE", "narrative")
        if value != "none" and not flag.startswith("prices."):
            load_config("openai", flags=[f"{flag}={value}"], environment={})


def test_facts_are_data_and_hold_no_key(tmp_path: Path) -> None:
    key = "sk-verysecret0123456789"
    facts: dict[str, Any] = examine({"OPENAI_API_KEY": key}, tmp_path / "nosuch")
    assert facts["key"] is True
    assert key not in json.dumps(facts)
    assert facts["prices"]["models"] > 10 and facts["prices"]["dated"].startswith("20")
    assert "profile openai: ready" in report(facts)
