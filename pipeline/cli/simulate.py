"""The simulator, started from the command line."""

from pathlib import Path
from typing import Annotated

import typer

from mcu.cli.terminal import app, say


@app.command()
def simulate(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")] = 8900,
    latency: Annotated[float, typer.Option(help="Seconds before each answer.")] = 0.0,
    max_in_flight: Annotated[int, typer.Option(help="More than these get 429; 0: no limit.")] = 0,
    faults: Annotated[float, typer.Option(help="Share of answers bad on purpose.")] = 0.0,
    log: Annotated[Path | None, typer.Option(help="File that gets a line a request.")] = None,
    fault: Annotated[
        list[str] | None, typer.Option(metavar="KIND=SHARE", help="Such as torn=0.05; repeatable.")
    ] = None,
    limits: Annotated[str, typer.Option(help="Limits in flight by second, such as 64@0,8@5.")] = "",
    requests_per_minute: Annotated[float, typer.Option(help="0: no limit.")] = 0.0,
    tokens_per_minute: Annotated[float, typer.Option(help="0: no limit.")] = 0.0,
    key: Annotated[str, typer.Option(help="The only API key that is taken.")] = "",
    model: Annotated[
        list[str] | None, typer.Option(help="A model that is served, repeatable.")
    ] = None,
    prompt_cache: Annotated[
        bool, typer.Option("--prompt-cache", help="Count cached tokens.")
    ] = False,
    prices: Annotated[
        Path | None, typer.Option(help="TOML file of prices, as in mcu.toml.")
    ] = None,
    batch_latency: Annotated[float, typer.Option(help="Seconds until a batch is done.")] = 1.0,
) -> None:
    """Serve the scripted author as an OpenAI-compatible server, for trials and load tests."""
    from mcu.simulate import Simulator, serve
    from mcu.simulate.faults import shares_of
    from mcu.simulate.limits import steps_of
    from mcu.simulate.writer import prices_of

    simulator = Simulator(
        latency,
        max_in_flight,
        faults,
        log,
        fault=shares_of(fault or ()),
        limits=steps_of(limits),
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
        key=key,
        models=model or (),
        prompt_cache=prompt_cache,
        prices=prices_of(prices),
        batch_latency=batch_latency,
    )
    serve(simulator, port, say)
