"""What a check says: findings with a limit each, and counts that keep a few examples."""

from dataclasses import dataclass, field
from typing import Any

_EXAMPLES = 5
_LONG = 160  # characters of an example


@dataclass(frozen=True)
class Finding:
    """One measured value beside its limit; a gate is shut by any of its findings.

    Attributes:
        gate: what `--allow` of `mcu push` names, such as `integrity`.
        name: what was counted or measured.
        value: compared with the limit, above which the gate is shut.
        detail: in words, for a person.
        examples: the first few that were found, in order.
    """

    gate: str
    name: str
    value: float
    limit: float = 0.0
    detail: str = ""
    examples: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the value is within the limit."""
        return self.value <= self.limit

    def row(self) -> dict[str, Any]:
        """As the report has it."""
        return {
            "gate": self.gate,
            "name": self.name,
            "passed": self.passed,
            "value": rounded(self.value),
            "limit": self.limit,
            "detail": self.detail,
            "examples": list(self.examples),
        }


@dataclass
class Tally:
    """How often something was found, out of how many looked at, and the first few of them."""

    count: int = 0
    of: int = 0
    examples: list[str] = field(default_factory=list)

    def note(self, example: str) -> None:
        """Count one more."""
        self.count += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(short(example))

    def finding(self, gate: str, name: str, limit: float = 0.0, share: bool = False) -> Finding:
        """As a finding: the number, or with `share` that of all that were looked at."""
        value = self.count / max(self.of, 1) if share else float(self.count)
        detail = f"{self.count:,} of {self.of:,}" if self.of else ""
        return Finding(gate, name, value, limit, detail, tuple(self.examples))


def short(text: str) -> str:
    """A text cut to what an example may hold, in letters that any file can."""
    text = " ".join(text.split()).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _LONG else text[: _LONG - 1] + "\u2026"


def rounded(value: Any) -> Any:
    """Numbers with six significant digits, so that a report does not hang on the last bits."""
    if isinstance(value, float):
        value = float(f"{value:.6g}")
        return int(value) if value.is_integer() else value
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(part) for part in value]
    return value
