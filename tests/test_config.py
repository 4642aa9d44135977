"""Configuration: what wins, what is refused and in which words, and that the key stays secret."""

import pickle
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu.config import PROFILES, Config, load_config, parse_config, read_config
from mcu.errors import ConfigError

KEY = "sk-verysecret0123456789"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")


def toml(folder: Path, text: str) -> Path:
    path = folder / "own.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_later_source_wins(tmp_path: Path) -> None:
    """Profile < environment < file < values < flags, seen in one setting of each pair."""
    path = toml(
        tmp_path,
        'chat = {model = "file", base_url = "http://file", max_tokens = 3, timeout = 3}',
    )
    found = load_config(
        "openai",
        path,
        flags=["chat.timeout=5"],
        environment={"OPENAI_BASE_URL": "http://environment", "OPENAI_API_KEY": KEY},
        values={"chat": {"max_tokens": 4, "timeout": 4}},
    ).chat
    assert found.backend == "openai"
    assert found.api_key.get_secret_value() == KEY
    assert found.base_url == "http://file"
    assert found.model == "file"
    assert found.max_tokens == 4
    assert found.timeout == 5
    assert found.retries == Config().chat.retries


def test_the_environment_wins_over_the_profile_alone(tmp_path: Path) -> None:
    environment = {"OPENAI_BASE_URL": "http://environment", "OPENAI_API_KEY": KEY}
    assert load_config(environment=environment).chat.base_url == "http://environment"
    emptied = toml(tmp_path, 'chat.base_url = ""')
    assert load_config(path=emptied, environment=environment).chat.base_url == ""
    other = load_config(environment=environment, flags=["chat.api_key=sk-flag"])
    assert other.chat.api_key.get_secret_value() == "sk-flag"
    empty = {"OPENAI_BASE_URL": "", "OPENAI_API_KEY": ""}
    assert load_config(environment=empty) == load_config(environment={})


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert load_config().chat.api_key.get_secret_value() == KEY
    assert load_config(environment={}).chat.api_key.get_secret_value() == ""


def test_mcu_toml_beside_is_left_to_the_command_line(tmp_path: Path) -> None:
    Path("mcu.toml").write_text("run.seed = 8\n")
    assert load_config(environment={}).run.seed == 0
    assert load_config(path=Path("mcu.toml"), environment={}).run.seed == 8


def test_the_callers_values_are_left_alone() -> None:
    values: dict[str, Any] = {"run": {"seed": 1}, "image": {"workers": 1}}
    found = load_config(values=values, flags=["run.seed=2", "image.workers=3"], environment={})
    assert (found.run.seed, found.image.workers) == (2, 3)
    assert values == {"run": {"seed": 1}, "image": {"workers": 1}}


@pytest.mark.parametrize("profile", PROFILES)
def test_profiles_ship_and_load(profile: str) -> None:
    assert load_config(profile, environment={}).chat.backend != ""


@pytest.mark.parametrize(
    ("flag", "section", "name", "value"),
    [
        ("chat.model=org/model:7b", "chat", "model", "org/model:7b"),
        ('chat.model="quoted"', "chat", "model", "quoted"),
        (" run.seed = 5", "run", "seed", 5),
        ("run.ages=[20, 30]", "run", "ages", (20, 30)),
        ("run.last_date=2023-02-01", "run", "last_date", date(2023, 2, 1)),
        ("release.complete_only=true", "release", "complete_only", True),
        ("chat.base_url=http://h/v1?a=b", "chat", "base_url", "http://h/v1?a=b"),
        ("release.licence=", "release", "licence", ""),
        ("release.licence=a\nb = 1", "release", "licence", "a\nb = 1"),
    ],
)
def test_flags(flag: str, section: str, name: str, value: object) -> None:
    found = load_config(flags=[flag], environment={})
    assert getattr(getattr(found, section), name) == value


WRONG = [
    ({"run": {"sed": 1}}, "unknown setting 'run.sed'"),
    ({"rnu": {}}, "unknown setting 'rnu'"),
    ({"chat": {"\x1b[31m": 1}}, r"unknown setting 'chat.\x1b[31m'"),
    ({"run": {"episodes": "many"}}, "'run.episodes'"),
    ({"run": {"episodes": 0}}, "'run.episodes'"),
    ({"run": {"episodes": None}}, "'run.episodes'"),
    ({"run": {"episodes": 2.5}}, "'run.episodes'"),
    ({"run": 5}, "'run'"),
    ({"run": {"ages": [30, 20]}}, "run.ages must be two ages"),
    ({"run": {"ages": [1, 20]}}, "run.ages must be two ages"),
    ({"run": {"ages": [20]}}, "'run.ages"),
    ({"run": {"sessions": [4, 9]}}, "run.sessions must be"),
    ({"run": {"last_date": "tomorrow"}}, "'run.last_date'"),
    ({"run": {"max_reject_share": float("nan")}}, "'run.max_reject_share'"),
    ({"chat": {"timeout": 0}}, "'chat.timeout'"),
    ({"chat": {"timeout": float("nan")}}, "'chat.timeout'"),
    ({"chat": {"temperature": 3}}, "'chat.temperature'"),
    ({"chat": {"backend": "parrot"}}, "'chat.backend'"),
    ({"chat": {"max_in_flight": 0}}, "'chat.max_in_flight'"),
    ({"chat": {"api_key": 7}}, "'chat.api_key'"),
    ({"image": {"size": 513}}, "'image.size'"),
]


@pytest.mark.parametrize(("values", "words"), WRONG, ids=[words for _, words in WRONG])
def test_what_is_wrong_is_named_in_one_sentence(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(values)
    text = str(caught.value)
    assert words in text
    assert "\n" not in text and "\x1b" not in text and len(text) < 200
    assert caught.value.exit_code == 2
    assert "pydantic" not in text


def test_wrong_words_never_repeat_the_key() -> None:
    """A key in the wrong place, or of the wrong form, is not shown to whoever reads the log."""
    wrong = [
        {"values": {"chat": {"api_key": [KEY]}}},
        {"values": {"run": {"seed": KEY}}},
        {"flags": [f"chat:api_key={KEY}"]},
        {"flags": [f"api_key={KEY}"]},
        {"flags": [f"run.seed={KEY}"]},
    ]
    for arguments in wrong:
        with pytest.raises(ConfigError) as caught:
            load_config(environment={}, **arguments)  # type: ignore[arg-type]
        assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "flag", ["", "run", "run.seed", "seed=1", ".seed=1", "run.=1", "=", "run=1"]
)
def test_flags_of_another_form(flag: str) -> None:
    with pytest.raises(ConfigError, match=r"is not of the form section\.key=value"):
        load_config(flags=[flag], environment={})


@pytest.mark.parametrize(
    "text",
    [
        "run = ",
        "[run\nseed = 1",
        "run.seed = 1\nrun.seed = 2",
        "x" + "[" * 9000,
        "a = " + "[" * 9000,
    ],
)
def test_files_that_are_not_toml(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"own\.toml is not valid TOML"):
        load_config(path=toml(tmp_path, text), environment={})


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"release.licence = '\xe9'")
    for name in ("latin.toml", "nothing.toml", ""):
        with pytest.raises(ConfigError, match="cannot be read"):
            load_config(path=tmp_path / name, environment={})


def test_unknown_profile() -> None:
    for name in ("gold", "", "../profiles/offline"):
        with pytest.raises(ConfigError, match=r"unknown profile .*offline, openai"):
            load_config(name, environment={})


def test_the_key_is_shown_nowhere() -> None:
    found = load_config("openai", environment={"OPENAI_API_KEY": KEY})
    shown = (found.to_toml(), found.rows(), found, found.chat, found.chat.api_key)
    dumped = (found.model_dump(), found.model_dump_json(), found.model_dump(mode="json"))
    for one in (*shown, *dumped):
        assert KEY not in str(one) and KEY not in repr(one)
    assert "api_key" not in found.to_toml()


def test_settings_of_transport_change_no_row() -> None:
    plain = load_config(environment={})
    other = load_config(
        environment={"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "http://h"},
        flags=[
            *("chat.timeout=1", "chat.retries=1", "chat.max_in_flight=1", "image.workers=1"),
            *("run.max_reject_share=0.1", "chat.structured=text", "chat.keep_replies=false"),
        ],
    )
    assert other.rows() == plain.rows()
    for key, value in (("chat.model", "x"), ("run.seed", 1), ("checks.faces", "off")):
        changed = load_config(environment={}, flags=[f"{key}={value}"]).rows()
        assert {k for k in changed if changed[k] != plain.rows()[k]} == {key}
    assert {key.partition(".")[0] for key in plain.rows("run", "image")} == {"run", "image"}


def test_round_trip_through_run_toml(tmp_path: Path) -> None:
    flags = [
        *("chat.temperature=0.5", "run.ages=[20, 30]", "run.last_date=2023-02-01"),
        *("run.seed=-12345678901234567890123", 'release.licence="\\u0007 \\"x\\" \\\\ \\n = [y]"'),
    ]
    for found in (Config(), load_config("openai", flags=flags, environment={})):
        path = toml(tmp_path, found.to_toml())
        assert read_config(path) == found
        assert read_config(path).rows() == found.rows()
        assert load_config("offline", path, environment={}) == found


@given(st.text(), st.integers(), st.floats(0, 2))
def test_any_text_and_number_survive_run_toml(text: str, seed: int, temperature: float) -> None:
    values = {"run": {"seed": seed}, "chat": {"temperature": temperature, "model": text}}
    found = parse_config(values)
    assert parse_config(tomllib.loads(found.to_toml())) == found


@pytest.mark.parametrize(
    ("episodes", "personas", "size", "shards", "call"),
    [
        (1, 1, 1, 1, 1),
        (5, 1, 1, 1, 1),
        (6, 2, 1, 2, 1),
        (20, 4, 1, 4, 1),
        (4_000, 800, 100, 8, 8),
        (93_000, 18_600, 100, 186, 30),
    ],
)
def test_derived_values(episodes: int, personas: int, size: int, shards: int, call: int) -> None:
    found = parse_config({"run": {"episodes": episodes}})
    assert (found.personas, found.shard_size, found.shards) == (personas, size, shards)
    assert found.personas_per_call == call


def test_derived_values_can_be_set() -> None:
    found = parse_config({"run": {"episodes": 101, "shard_size": 4, "personas_per_call": 7}})
    assert (found.personas, found.shards, found.personas_per_call) == (21, 6, 7)


def test_a_configuration_does_not_change() -> None:
    found = Config()
    with pytest.raises(ValueError, match="frozen"):
        found.run.seed = 1  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(found)) == found


def test_the_key_of_a_web_service_is_taken_and_kept_from_files() -> None:
    found = load_config(environment={"MCU_WEB_API_KEY": KEY}, flags=["web.backend=flickr"])
    assert found.web.api_key.get_secret_value() == KEY
    assert KEY not in found.to_toml() and KEY not in repr(found)
    assert not any(KEY in str(value) for value in found.rows().values())
