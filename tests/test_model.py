"""The whole road with a real, small model: whatever it writes, the run ends well."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from helpers import environment, mcu, rejects

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """SmolLM2-135M under xllamacpp, in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = Path(__file__).with_name("serve_smollm2.py")
    with (tmp_path / "model.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, str(script), str(port)], stdout=log, stderr=log, env=environment()
        )
        url = f"http://127.0.0.1:{port}/v1"
        try:
            wait_for(url, process)
            yield url
        finally:
            process.terminate()
            process.wait(30)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None, "the model server ended"
        try:
            urlopen(f"{url}/models").close()
        except (URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the model server did not start")


def test_smollm2_writes_an_episode(server: str, tmp_path: Path) -> None:
    done = mcu(
        *("run", "--profile", "openai", "--stages", "1-8", "--episodes", "1", "--name", "real"),
        *("--set", f"chat.base_url={server}", "--set", "chat.model=smollm2"),
        *("--set", "run.turns=4", "--set", "run.moments=1", "--set", "run.sessions=[1, 2]"),
        *("--set", "chat.max_tokens=500", "--set", "chat.repairs=1", "--set", "chat.timeout=300"),
        *("--set", "chat.max_in_flight=2", "--json"),
        cwd=tmp_path,
        timeout=590,
    )
    assert done.returncode in (0, 3), done.stderr
    facts = json.loads(done.stdout)
    assert facts["calls"] > 0
    assert facts["completion_tokens"] > 0
    lost = rejects(tmp_path / "outputs/real")
    assert all(row["code"] and row["reason"] for row in lost)
    assert lost or facts["state"] == "complete"
