"""One number of a TOML file is changed, and nothing else."""

import tomllib
from pathlib import Path

import pytest

from mcu.errors import ConfigError
from mcu.toml_edit import set_number, with_number


def changed(text: str) -> str:
    return with_number(text, "checks", "identity_bar", 0.443)


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("", "[checks]\nidentity_bar = 0.443\n"),
        ("[run]\nseed = 1\n", "[run]\nseed = 1\n\n[checks]\nidentity_bar = 0.443\n"),
        ("[checks]", "[checks]\nidentity_bar = 0.443\n"),
        (
            "[checks]\n  identity_bar=0.6 # loose\n\n[run]\nseed = 1\n",
            "[checks]\n  identity_bar=0.443 # loose\n\n[run]\nseed = 1\n",
        ),
        (
            "[other]\nidentity_bar = 1\n[ checks ]\n# here\nidentity_bar = 6e-1",
            "[other]\nidentity_bar = 1\n[ checks ]\n# here\nidentity_bar = 0.443",
        ),
        ("checks.identity_bar = 0.6\n[run]\n", "checks.identity_bar = 0.443\n[run]\n"),
        ("checks = { identity_bar = 0.6 }\n", "checks = { identity_bar = 0.443 }\n"),
    ],
)
def test_the_rest_of_the_text_stays(text: str, new: str) -> None:
    assert changed(text) == new


@pytest.mark.parametrize(
    "text",
    [
        '# mine\n[checks]  # all\nfaces = "dlib"\n',
        'checks.faces = "dlib"\n',
        'note = """\n[checks]\nidentity_bar = 1\n"""\n[checks]\nidentity_bar = 0.6\n',
        '["checks"]\nidentity_bar = 0.6\n',
        "[checks]\r\nface_tries = 2\r\n",
        "seed = 1",
    ],
)
def test_one_value_changes_and_no_comment_goes(text: str) -> None:
    new, wanted = changed(text), tomllib.loads(text)
    wanted.setdefault("checks", {})["identity_bar"] = 0.443
    assert tomllib.loads(new) == wanted
    assert new.count("#") == text.count("#")


def test_what_is_no_table_stays() -> None:
    with pytest.raises(ConfigError, match=r"set checks\.identity_bar = 0\.443"):
        changed("checks = 3\n")


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mcu.toml"
    set_number(path, "checks", "identity_bar", 0.5)
    path.chmod(0o640)
    set_number(path, "checks", "identity_bar", 0.443)
    assert path.read_text() == "[checks]\nidentity_bar = 0.443\n"
    assert path.stat().st_mode & 0o777 == 0o640
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    set_number(link, "checks", "identity_bar", 0.4)
    assert link.is_symlink() and "0.4\n" in path.read_text()
    assert sorted(tmp_path.iterdir()) == [link, path]


@pytest.mark.parametrize("data", [b"[checks", b"\xff\xfe"])
def test_a_file_that_is_no_toml_stays(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "mcu.toml"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=r"mcu\.toml cannot be changed"):
        set_number(path, "checks", "identity_bar", 0.5)
    assert path.read_bytes() == data
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be changed"):
        set_number(tmp_path / "none" / "mcu.toml", "checks", "identity_bar", 0.5)
