"""`python -m ostiary_cli.demo`."""

from ostiary_cli.demo.run import command

command()
