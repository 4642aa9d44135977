"""The user messages of training records: templates with named slots, ours or the user's own."""

import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import StrictUndefined, TemplateError, meta
from jinja2.sandbox import SandboxedEnvironment

from mcu.errors import ConfigError
from mcu.ids import sha256

if TYPE_CHECKING:
    from mcu.stages.derive.summary import SummaryItem

ULTRON = ("name", "date", "dialogue", "summary", "negatives")
FIRST = ("name", "date", "dialogue")
NEXT = (*FIRST, "previous_summary", "time_interval", "last_date")
_ENVIRONMENT = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
_PLAIN_SLOT = re.compile(r"(?<![{%])\{(\w+)\}(?!\})")


class Template:
    """A text with slots, as `{name}` or as Jinja has them: `{{ name }}`, `{% if summary %}`.

    Values are put in once and never read as templates, so that braces in a dialogue mean nothing.

    Attributes:
        slots: those that it uses.
        hash: SHA-256 of the text.

    Raises:
        ConfigError: it names a slot that there is not, has no `{dialogue}`, or is not of this form.
    """

    def __init__(self, text: str, slots: tuple[str, ...], source: str) -> None:
        self.hash = sha256(text.encode())
        self._source = source
        text = _PLAIN_SLOT.sub(r"{{ \1 }}", text)
        try:
            self.slots = meta.find_undeclared_variables(_ENVIRONMENT.parse(text))
            self._template = _ENVIRONMENT.from_string(text)
        except TemplateError as error:
            raise ConfigError(f"template {source} cannot be read: {error}") from error
        if odd := sorted(self.slots - set(slots)):
            raise ConfigError(
                f"template {source} has no value for {{{odd[0]}}}; the slots are "
                f"{', '.join(f'{{{slot}}}' for slot in slots)}"
            )
        if "dialogue" not in self.slots:
            raise ConfigError(f"template {source} has no slot {{dialogue}}")

    def fill(self, **values: Any) -> str:
        """The message, without blank space around it.

        Raises:
            ConfigError: the template does something that cannot be done.
        """
        try:
            return self._template.render(values).strip()
        except (TemplateError, ArithmeticError, TypeError, ValueError) as error:
            raise ConfigError(f"template {self._source} cannot be filled: {error}") from error


def read_template(file: Path, slots: tuple[str, ...]) -> Template:
    """A user's template.

    Raises:
        ConfigError: the file cannot be read, or is no such template.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"template {file} cannot be read: {error}") from error
    return Template(text, slots, str(file))


@cache
def own_template(name: str) -> Template:
    """One of ours, of prompts/export/."""
    text = (files("mcu.prompts") / f"export/{name}.md").read_text(encoding="utf-8")
    return Template(text, {"ultron": ULTRON, "summary_first": FIRST}.get(name, NEXT), name)


def summariser(
    item: "SummaryItem", first: Template | None = None, following: Template | None = None
) -> list[dict[str, Any]]:
    """The messages that the summariser learns one session's summary from."""
    values = {slot: getattr(item, slot) for slot in NEXT}
    if item.round == "first":
        template = first or own_template("summary_first")
    else:
        template = following or own_template("summary_next")
    return [
        {"role": "user", "content": template.fill(**values)},
        {"role": "assistant", "content": item.summary},
    ]
