"""What the status of a run looks like: a line at its end, a table on demand."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

from mcu.status import dollars

_WIDTH = 100
_HEAD = ("", "shards", "records", "lost", "calls", "prompt", "cached", "reply", "cost")


def summary(facts: dict[str, Any]) -> str:
    """What a run has made and what it cost, and where the release is."""
    count = {stage["name"]: stage["records"] for stage in facts["stages"]}
    lost = sum(sum(stage["rejects"].values()) for stage in facts["stages"])
    text = (
        f"{facts['name']}: {facts['state']} in {facts['seconds']:.1f} s; "
        f"{count['persona']} personas, {count['events']} episodes, {count['dialogue']} sessions, "
        f"{count['align']} pictures; {facts['calls']} calls ({_cost(facts)}), "
    )
    if facts["repeated"]:
        text += f"{facts['repeated']} answers from the journal for nothing, "
    release = Path(facts["folder"]) / "release"
    return f"{text}{lost} rejects" + (f"\nrelease: {release}" if release.is_dir() else "")


def table(facts: dict[str, Any]) -> list[str]:
    """How far a run is, and what it cost: a line a stage, its shards below it if they are told."""
    lines = wrap(f"{facts['name']}: {facts['state']} {facts['reason']}".rstrip(), _WIDTH)
    lines.append(_line(*_HEAD))
    for stage in facts["stages"]:
        done, lost = f"{stage['shards_done']}/{stage['shards']}", sum(stage["rejects"].values())
        name = f"{stage['number']} {stage['name']}"
        lines.append(_line(name, done, f"{stage['records']:,}", f"{lost:,}", *_paid(stage)))
        for part in facts.get("shards", []):
            if part["stage"] == stage["name"]:
                state = "done" if part["done"] else "-"
                row = (f"{part['shard']:>9}", state, f"{part['records']:,}", "", *_paid(part))
                lines.append(_line(*row))
    lines.append(_line("all", "", "", "", *_paid(facts)))
    for stage in facts["stages"]:
        losses = ", ".join(f"{number:,} {code}" for code, number in stage["rejects"].items())
        if losses:
            lines += wrap(f"  lost in {stage['name']}: {losses}", _WIDTH, subsequent_indent="    ")
    said = [
        f"{facts['repeated']:,} answers from the journal for nothing" if facts["repeated"] else "",
        f"{facts['cache_share']:.1%} of the prompts were cached" if facts["cache_share"] else "",
        _cost(facts) if facts["unpriced"] else "",
        f"{facts['seconds']:,.1f} s",
    ]
    last = "; ".join(part for part in said if part)
    return [*lines, *wrap(last, _WIDTH, initial_indent="  ", subsequent_indent="    ")]


def _line(*cells: str) -> str:
    return line((-14, 11, 10, 7, 9, 9, 7, 9, 10), cells)


def line(widths: Sequence[int], cells: Sequence[str]) -> str:
    """A line of a table; a width below 0 is that of words, which begin at the left."""
    parts = [f"{c:<{-w}}" if w < 0 else f"{c:>{w}}" for c, w in zip(cells, widths, strict=True)]
    return f"  {' '.join(parts)}".rstrip()


def _paid(row: dict[str, Any]) -> tuple[str, ...]:
    return *asked(row), dollars(row["usd"])


def asked(row: dict[str, Any]) -> tuple[str, str, str, str]:
    """Calls, tokens of the prompts, the share of them that caches held, tokens of the replies."""
    share = row["cached_tokens"] / max(row["prompt_tokens"], 1)
    cached = f"{share:.0%}" if row["cached_tokens"] else ""
    prompt, reply = short(row["prompt_tokens"]), short(row["completion_tokens"])
    return f"{row['calls']:,}", prompt, cached, reply


def _cost(facts: dict[str, Any]) -> str:
    if facts["unpriced"]:
        return f"cost unknown: no price for {', '.join(facts['unpriced'])}; set prices"
    return dollars(facts["usd"])


def short(number: int) -> str:
    """A count of tokens, of which there may be thousands of millions."""
    if number < 10_000:
        return f"{number:,}"
    return f"{number / 1e3:.1f}k" if number < 1_000_000 else f"{number / 1e6:,.1f}M"
