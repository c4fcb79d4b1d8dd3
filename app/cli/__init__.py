"""The command line: `eligo`."""

from app.cli.commands import main

__all__ = ["main"]
