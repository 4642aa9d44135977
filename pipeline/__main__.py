"""`python -m mcu` is `mcu`."""

from mcu.cli import main

main()
