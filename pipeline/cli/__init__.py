"""The command line, a module for commands that belong together; nothing else prints."""

import sys
from typing import NoReturn

from mcu.cli.terminal import app
from mcu.errors import Incomplete, McuError

# isort: off
# Each registers its commands on `app`; `mcu --help` lists them in this order.
from mcu.cli import runs as runs
from mcu.cli import cancel as cancel
from mcu.cli import look as look
from mcu.cli import derive as derive
from mcu.cli import export as export
from mcu.cli import score as score
from mcu.cli import index as index
from mcu.cli import estimate as estimate
from mcu.cli import calibrate as calibrate
from mcu.cli import simulate as simulate
from mcu.cli import check as check
from mcu.cli import push as push
# isort: on

__all__ = ["app", "main"]


def main() -> NoReturn:
    """Run the command line: errors are one sentence, with a traceback on --debug alone."""
    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    try:
        app()
    except McuError as error:
        if debug:
            raise
        kind = "incomplete" if isinstance(error, Incomplete) else "error"
        print(f"mcu: {kind}: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except Exception as error:
        if debug:
            raise
        print(f"mcu: unforeseen error: {error!r}; --debug shows where", file=sys.stderr)
        raise SystemExit(1) from None
    raise SystemExit(0)
