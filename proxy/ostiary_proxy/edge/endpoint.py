"""Where to listen: HOST:PORT, as a value and as an option of a command."""

import re
from dataclasses import dataclass
from typing import Self

import click

__all__ = ["Endpoint", "EndpointType"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to listen: a host and a port; port 0 takes a free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `HOST:PORT` (`[::1]:8080` for IPv6); raises ValueError."""
        found = re.fullmatch(r"(?:\[([^\]]+)\]|([^:\[\]]+)):(\d{1,5})", text, re.ASCII)
        if found is None or int(found[3]) > 65535:
            raise ValueError(f"{text!r} is not HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080")
        return cls(found[1] or found[2], int(found[3]))

    @property
    def bind(self) -> str | None:
        """Return the host as a server takes it: `::` is every address, those of IPv4 too.

        An event loop would make an IPv6 socket take no IPv4, and fail where there is no IPv6.
        """
        return None if self.host == "::" else self.host

    def __str__(self) -> str:
        """Return `HOST:PORT`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class EndpointType(click.ParamType[Endpoint]):
    """HOST:PORT on the command line."""

    name = "host:port"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Endpoint:
        """Read the text; a bad one is a usage error."""
        if isinstance(value, Endpoint):
            return value
        try:
            return Endpoint.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
