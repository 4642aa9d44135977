"""Prompt templates: one file a model call, strict variables, a version, a hash."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined, Template, TemplateSyntaxError, meta

from mcu.errors import ConfigError
from mcu.ids import sha256

_ENVIRONMENT = Environment(
    undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
)


@dataclass(frozen=True)
class Prompt:
    """A template of one model call.

    Attributes:
        sampling: the paper's Table 5 settings for this call, as chat request fields.
        variables: the names that must be given, exactly.
        hash: SHA-256 of the file; part of each unit's fingerprint.
    """

    name: str
    version: int
    sampling: Mapping[str, float]
    variables: frozenset[str]
    hash: str
    system: Template
    user: Template

    def fill(self, **values: Any) -> list[dict[str, str]]:
        """The chat messages.

        Raises:
            ConfigError: a variable is missing, or one is given that the template does not use.
        """
        if values.keys() != self.variables:
            odd = ", ".join(sorted(values.keys() ^ self.variables))
            raise ConfigError(f"prompt {self.name!r}: missing or unused variables: {odd}")
        parts = (("system", self.system), ("user", self.user))
        messages = [{"role": role, "content": part.render(values).strip()} for role, part in parts]
        return [m for m in messages if m["content"]]


@cache
def load(name: str) -> Prompt:
    """Read a template: a TOML head, then `# system` and `# user` parts, parted by `---` lines.

    Raises:
        ConfigError: there is no such prompt, or its file is not of this form.
    """
    try:
        text = files(__name__).joinpath(f"{name}.md").read_text(encoding="utf-8")
        head, system, user = text.split("\n---\n")
        fields = tomllib.loads(head)
        variables = meta.find_undeclared_variables(_ENVIRONMENT.parse(system + user))
        return Prompt(
            name=name,
            version=int(fields.pop("version")),
            sampling=fields,
            variables=frozenset(variables),
            hash=sha256(text.encode()),
            system=_ENVIRONMENT.from_string(system),
            user=_ENVIRONMENT.from_string(user),
        )
    except (OSError, ValueError, KeyError, TemplateSyntaxError) as error:
        raise ConfigError(f"prompt {name!r} cannot be read: {error}") from error
