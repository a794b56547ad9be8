"""The `ostiary` command: one module a subcommand."""
