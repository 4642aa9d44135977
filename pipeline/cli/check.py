"""Checking a release: gates, figures, and the page of charts."""

from typing import TYPE_CHECKING, Annotated

import typer

from mcu.cli.counting import counting
from mcu.cli.terminal import OUTPUTS, Json, Outputs, app, finished, put, put_json
from mcu.errors import Incomplete

if TYPE_CHECKING:
    from mcu.check import Report


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="The run; the newest complete by default.")] = "",
    sample: Annotated[
        int, typer.Option(min=0, metavar="N", help="Pictures opened at most, about.")
    ] = 20_000,
    outputs: Outputs = OUTPUTS,
    as_json: Json = False,
) -> None:
    """Check a release: whole, consistent, safe, like the paper's; exit code 3 when a gate shuts."""
    from mcu.check import check as examine

    run = finished(outputs, name)
    with counting("episodes") as tell:
        report = examine(run, sample, lambda what, done, of: tell(done, of, what))
    if as_json:
        put_json(report.as_json())
    else:
        put("\n".join(_lines(report)))
    if report.failed:
        shut = ", ".join(report.failed)
        raise Incomplete(f"gates are shut: {shut}; {report.folder / 'report.html'} shows why")


def _lines(report: "Report") -> list[str]:
    """A line a gate, and below one that is shut what was found."""
    lines = []
    for gate in dict.fromkeys(finding.gate for finding in report.findings):
        own = [finding for finding in report.findings if finding.gate == gate]
        bad = [finding for finding in own if not finding.passed]
        lines.append(f"  {gate:<16} {'shut' if bad else 'open'}   {len(own)} checks")
        for finding in bad:
            of = f" ({finding.detail})" if finding.detail else ""
            lines.append(f"    {finding.name}: {finding.value:.6g}, limit {finding.limit:g}{of}")
            lines += [f"      {example}" for example in finding.examples[:3]]
    return [*lines, f"report: {report.folder / 'report.html'}"]
