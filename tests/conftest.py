"""What tests share: no settings from the machine, and real servers on loopback."""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

if TYPE_CHECKING:
    from mcu.run import Run

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler | web.Application], str]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on whose machine it is."""
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "MCU_")):
            monkeypatch.delenv(name)


def _application(handler: Handler) -> web.Application:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{path:.*}", handle)
    return app


class Servers:
    """aiohttp applications on free ports of 127.0.0.1, in one thread with its own loop."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="servers")
        self._thread.start()
        self._runners: list[web.AppRunner] = []

    def start(self, served: Handler | web.Application) -> str:
        """Serve an application, or one handler for every path; gives the base URL."""
        app = served if isinstance(served, web.Application) else _application(served)
        return f"http://127.0.0.1:{self._wait(self._start(app))}/v1"

    async def _start(self, app: web.Application) -> int:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        self._runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port: int = runner.addresses[0][1]
        return port

    def close(self) -> None:
        """Stop all servers, then the thread."""
        for runner in self._runners:
            self._wait(runner.cleanup())
        self._wait(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """`serve(handler_or_app)` starts a server and gives its base URL, which ends in /v1."""
    servers = Servers()
    yield servers.start
    servers.close()


@pytest.fixture(scope="module")
def serve_module() -> Iterator[Serve]:
    """As `serve`, for servers that all tests of a module share."""
    servers = Servers()
    yield servers.start
    servers.close()


@pytest.fixture(scope="session")
def tiny_sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny random SDXL."""
    from tiny import write_sdxl

    return write_sdxl(tmp_path_factory.mktemp("sdxl"))


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> "Run":
    """A small release with all three sides of the split, made once a process."""
    import mcu

    run = mcu.make_run(
        tmp_path_factory.mktemp("runs") / "r",
        run={"episodes": 20, "seed": 10},
        release={"validation": 0.3, "test": 0.3},
    )
    run.execute()
    return run
