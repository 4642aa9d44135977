"""The stage contract: what a stage declares about itself."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from mcu.records import Record


class Reply(BaseModel):
    """Base of every reply schema: unknown keys are faults, every field must be given."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class StageFunction(Protocol):
    """An async function of an input record and its context."""

    __name__: str

    def __call__(self, record: Any, context: Any, /) -> Awaitable[Iterable[Record]]:
        """Make records of one record."""
        ...


@dataclass(frozen=True, eq=False)
class Stage:
    """One step of the pipeline.

    Attributes:
        takes: the record type of its input, made by its main upstream stage.
        makes: the record type of its output.
        needs: further record types that it reads through the context.
        uses: the backends it calls, by configuration section; they are part of its fingerprint.
        prompts: the templates it fills.
        version: raise it whenever the same replies would give other records.
    """

    number: int
    name: str
    takes: type[Record]
    makes: type[Record]
    needs: tuple[type[Record], ...]
    uses: tuple[str, ...]
    prompts: tuple[str, ...]
    version: int
    run: StageFunction

    @property
    def draws(self) -> bool:
        """Whether it uses the image generator."""
        return "image" in self.uses

    @property
    def folder(self) -> str:
        """Name of the stage's folder in a run, such as `s4_narrative`."""
        return f"s{self.number}_{self.name}"


def stage(
    number: int,
    *,
    takes: type[Record],
    makes: type[Record],
    version: int,
    needs: tuple[type[Record], ...] = (),
    uses: tuple[str, ...] = (),
    prompts: tuple[str, ...] = (),
) -> Callable[[StageFunction], Stage]:
    """Declare a stage: one input record and a context in, records out."""

    def declare(function: StageFunction) -> Stage:
        return Stage(
            number, function.__name__, takes, makes, needs, uses, prompts, version, function
        )

    return declare
