"""Derived tasks: items made of a finished run, and the audit of their leaks."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mcu.cli.counting import counting
from mcu.cli.terminal import OUTPUTS, Json, Outputs, Setting, app, finished, put, put_json, say

if TYPE_CHECKING:
    from mcu.derive import Derived
    from mcu.scores.audit import Audit

_FEWEST = 100  # items of a split that are worth an audit of their own


@app.command()
def derive(
    task: Annotated[str, typer.Argument(help="The task, such as coref, or all.")],
    name: Annotated[str, typer.Argument(help="The run; the newest complete by default.")] = "",
    audit: Annotated[
        bool, typer.Option("--audit", help="Look for leaks, too; exit 3 if one is found.")
    ] = False,
    set_: Setting = None,
    outputs: Outputs = OUTPUTS,
    as_json: Json = False,
) -> None:
    """Make items of a derived task from a complete run, as a set of its release."""
    from mcu.derive import derive as make
    from mcu.derive import tasks_named
    from mcu.errors import Incomplete
    from mcu.progress import watch

    chosen = tasks_named(task)
    run = finished(outputs, name, set_)
    facts, troubles = [], []
    for one in chosen:
        try:
            with counting(f"{one.name} items") as tell:
                made = make(run, one, watch, tell)
        except Incomplete as lack:  # of one task; the others may be possible
            troubles.append(str(lack))
            continue
        found = _audits(made) if audit and made.questions else {}
        facts.append(_facts(made, found))
        leaking = ", ".join(part for part, result in found.items() if not result.passed)
        if leaking:
            troubles.append(f"{one.name}: answers leak ({leaking}); the table names the probes")
        if not as_json:
            put("\n".join(_lines(made, found)))
    if as_json and facts:
        put_json(facts if task == "all" else facts[0])
    if troubles:
        raise Incomplete("; ".join(troubles))
    say(f"{sum(fact['items'] for fact in facts):,} items in {run.root / 'release'}")


def _audits(made: "Derived") -> dict[str, "Audit"]:
    """An audit of all items, and of each split that has enough of its own; kept with the set."""
    from mcu.items import SPLITS
    from mcu.scores.audit import audit
    from mcu.store import dump

    parts = {"all": made.questions}
    for split in SPLITS:
        own = [question for question in made.questions if question.split == split]
        if _FEWEST <= len(own) < len(made.questions):
            parts[split] = own
    found = {part: audit(questions) for part, questions in parts.items()}
    facts = {part: result.facts() for part, result in found.items()}
    (made.folder / "audit.json").write_bytes(dump(facts, indent=1))
    return found


def _facts(made: "Derived", found: dict[str, "Audit"]) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "task": made.task.name,
        "folder": str(made.folder),
        "items": made.counts.total(),
        "splits": dict(made.counts),
        "lost": dict(sorted(made.lost.items())),
    }
    return facts | ({"audit": {k: v.facts() for k, v in found.items()}} if found else {})


def _lines(made: "Derived", found: dict[str, "Audit"]) -> list[str]:
    splits = ", ".join(f"{number:,} {split}" for split, number in made.counts.items())
    lines = [f"{made.task.name}: {made.counts.total():,} items ({splits})"]
    lines += [f"  {number:,} lost: {reason}" for reason, number in made.lost.most_common(8)]
    for part, result in found.items():
        lines += [f"  audit of {part}:", *(f"    {line}" for line in result.lines())]
    return lines
