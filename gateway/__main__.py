"""`python -m gateway` is `lineside`."""

from gateway.cli.main import main

main()
