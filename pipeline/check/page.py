"""The report as files: report.json, and report.html with its charts inside."""

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcu.check import charts
from mcu.store import dump

if TYPE_CHECKING:
    from mcu.run import Run


def write(run: "Run", folder: Path, told: dict[str, Any]) -> None:
    """Write both files, the JSON last: a report that is there has its page."""
    folder.mkdir(exist_ok=True)
    run.store.write(folder / "report.html", html(told).encode("utf-8", "backslashreplace"))
    run.store.write(folder / "report.json", dump(told, indent=1))


def html(told: Mapping[str, Any]) -> str:
    """The page, which needs nothing from elsewhere."""
    figures = told["figures"]
    passed = told["state"] == "passed"
    sets = figures["sets"]
    episodes, personas = (sum(sets[name].values()) for name in ("episodes", "personas"))
    head = f"{episodes:,} episodes of {personas:,} personas"
    verdict = "All gates are open." if passed else f"Shut: {', '.join(told['failed'])}."
    text = (files("mcu.check") / "data/page.html").read_text(encoding="utf-8")
    for name, value in {
        "title": escape(f"Check of {told['run']}"),
        "head": escape(f"{head}. {verdict}"),
        "state": "passed" if passed else "failed",
        "gates": _gates(told["gates"]),
        "charts": sheet(told),
        "diversity": _diversity(figures["diversity"]),
        "contradictions": _table(
            ("fact", "statements", "wrong"),
            [(k, v["stated"], v["wrong"]) for k, v in figures["contradictions"].items()],
        ),
        "duplicates": _pairs(figures["duplicates"]["word for word"], "repeated word for word")
        + _pairs(figures["duplicates"]["pictures"], "stark-image"),
        "yield": _yield(figures["yield"]),
    }.items():
        text = text.replace(f"{{{{ {name} }}}}", value)
    return text


def sheet(told: Mapping[str, Any]) -> str:
    """All charts as one drawing."""
    figures, shape = told["figures"], told["figures"]["shape"]
    note = "with 95 % intervals; the paper's in brackets"
    drawn = [
        charts.gates("Gates", _by_gate(told["gates"])),
        charts.means("Means", shape["means"], note),
    ]
    for name, one in shape["shares"].items():
        note = f"{_distance(one['distance'])}; by chance up to {one['by chance']:.3f}"
        if name == "age groups" and shape["ages"]:
            note += f"; KS {_distance(shape['ages'], '')}"
        drawn.append(charts.shares(name, one["run"], one["paper"], note))
    for name, one in shape["counts"].items():
        draw = charts.columns if len(one) > 12 else charts.counts
        drawn.append(draw(name, one))
    drawn.append(
        charts.counts(
            "Records of each stage", {row["stage"]: row["records"] for row in figures["yield"]}
        )
    )
    # The tallest first leaves the columns level.
    drawn[2:] = sorted(drawn[2:], key=lambda one: -one[1])
    return charts.sheet([(charts.legend(), 22), *drawn])


def _by_gate(gates: Sequence[Mapping[str, Any]]) -> dict[str, tuple[int, int]]:
    """Number of checks, and of those that failed, by gate."""
    names = dict.fromkeys(one["gate"] for one in gates)
    own = {name: [one["passed"] for one in gates if one["gate"] == name] for name in names}
    return {name: (len(passed), passed.count(False)) for name, passed in own.items()}


def _distance(found: Mapping[str, float], head: str = "total variation ") -> str:
    return f"{head}{found['value']:.3f} ({found['low']:.3f}\u2013{found['high']:.3f})"


def _gates(gates: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for one in gates:
        mark = "passed" if one["passed"] else "failed"
        examples = "".join(f"<li>{escape(text)}</li>" for text in one["examples"])
        summary = escape(one["detail"] or "examples")
        more = f"<details><summary>{summary}</summary><ul>{examples}</ul></details>"
        rows.append(
            f'<tr class="{mark}"><td>{escape(one["gate"])}</td><td>{escape(one["name"])}</td>'
            f"<td>{_number(one['value'])}</td><td>{_number(one['limit'])}</td>"
            f"<td>{mark}</td><td>{more if examples else escape(one['detail'])}</td></tr>"
        )
    head = "".join(f"<th>{t}</th>" for t in ("gate", "what", "found", "limit", "", "of"))
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _diversity(figures: Mapping[str, Mapping[str, float]]) -> str:
    names = next(iter(figures.values()), {})
    rows = [(name, *(figures[kind][name] for kind in figures)) for name in names]
    return _table(("", *figures), rows)


def _pairs(found: Mapping[str, Any], title: str) -> str:
    rows = [(name, value) for name, value in found.items() if not isinstance(value, list)]
    return _table((title, ""), rows)


def _yield(stages: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (
            row["stage"],
            row["inputs"],
            row["records"],
            sum(row["rejects"].values()),
            ", ".join(f"{count:,} {code}" for code, count in row["rejects"].items()),
        )
        for row in stages
    ]
    return _table(("stage", "inputs", "records", "rejects", "why"), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    top = "".join(f"<th>{escape(str(cell))}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{_number(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{top}</tr>{body}</table>"


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}"
    return f"{value:,}" if isinstance(value, int) else escape(str(value))
