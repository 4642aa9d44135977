"""One number changed in a TOML file, with the rest of its text kept."""

import os
from pathlib import Path

import tomlkit
from tomlkit.exceptions import TOMLKitError

from mcu.errors import ConfigError


def set_number(path: Path, section: str, key: str, value: float) -> None:
    """Set a number in a TOML file, which is made when it does not exist.

    Raises:
        ConfigError: it cannot be read or written, is no TOML, or has something else in the place
            of the section.
    """
    path = path.resolve()
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        text = path.read_bytes().decode("utf-8") if path.exists() else ""
        temporary.write_bytes(with_number(text, section, key, value).encode("utf-8"))
        if path.exists():
            temporary.chmod(path.stat().st_mode & 0o777)
        temporary.replace(path)
    except (OSError, UnicodeDecodeError, TOMLKitError) as error:
        temporary.unlink(missing_ok=True)
        raise ConfigError(f"{path} cannot be changed: {error}") from error


def with_number(text: str, section: str, key: str, value: float) -> str:
    """A TOML text in which `section.key` is another number; comments and order stay.

    Raises:
        ConfigError: the section is no table.
        TOMLKitError: the text is not TOML.
    """
    document = tomlkit.parse(text)
    table = document.setdefault(section, tomlkit.table())
    if not hasattr(table, "setdefault"):
        raise ConfigError(f"{section} is not a table there; set {section}.{key} = {value:g}")
    table[key] = value
    return tomlkit.dumps(document)
