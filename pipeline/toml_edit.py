"""One number changed in a TOML file, with the rest of its text kept."""

import os
import re
import tomllib
from pathlib import Path

from mcu.errors import ConfigError


def set_number(path: Path, section: str, key: str, value: float) -> None:
    """Set a number in a TOML file, which is made when it does not exist.

    Raises:
        ConfigError: it cannot be read or written, or has no plain place for the number.
    """
    path = path.resolve()
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        text = path.read_bytes().decode("utf-8") if path.exists() else ""
        temporary.write_bytes(with_number(text, section, key, value).encode("utf-8"))
        if path.exists():
            temporary.chmod(path.stat().st_mode & 0o777)
        temporary.replace(path)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        temporary.unlink(missing_ok=True)
        raise ConfigError(f"{path} cannot be changed: {error}") from error


def with_number(text: str, section: str, key: str, value: float) -> str:
    """A TOML text in which `section.key` is another number; comments and order stay.

    Raises:
        ConfigError: the section is not written as a table of lines.
        tomllib.TOMLDecodeError: the text is not TOML.
    """
    wanted = tomllib.loads(text)
    table = wanted.setdefault(section, {})
    new = _edited(text, section, key, f"{value:g}")
    try:
        if isinstance(table, dict):
            table[key] = float(f"{value:g}")
            if tomllib.loads(new) == wanted:
                return new
    except tomllib.TOMLDecodeError:
        pass  # as where the edit changed something else: told below
    raise ConfigError(f"[{section}] is not a plain table there; set {section}.{key} = {value:g}")


def _edited(text: str, section: str, key: str, value: str) -> str:
    """The text with the likeliest place changed; the caller checks that it was the right one."""
    line_end = "\r\n" if "\r\n" in text else "\n"
    end_of_line = r"[^\n]*(?:\n|\Z)"
    header = re.search(rf"^[ \t]*\[[ \t]*{section}[ \t]*\]{end_of_line}", text, re.MULTILINE)
    if header is None:
        dotted = rf"^([ \t]*{section}[ \t]*\.[ \t]*{key}[ \t]*=[ \t]*)[^\s#]+"
        new, number = re.subn(dotted, rf"\g<1>{value}", text, count=1, flags=re.MULTILINE)
        if number:
            return new
        gap = "" if not text else line_end if text.endswith("\n") else 2 * line_end
        return f"{text}{gap}[{section}]{line_end}{key} = {value}{line_end}"
    start = header.end()
    following = re.compile(r"^[ \t]*\[", re.MULTILINE).search(text, start)
    end = following.start() if following else len(text)
    own = rf"^([ \t]*{key}[ \t]*=[ \t]*)[^\s#]+"
    body, number = re.subn(own, rf"\g<1>{value}", text[start:end], count=1, flags=re.MULTILINE)
    if not number:
        gap = "" if header[0].endswith("\n") else line_end
        body = f"{gap}{key} = {value}{line_end}{body}"
    return text[:start] + body + text[end:]
