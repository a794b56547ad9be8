"""Reading form bodies and query strings: every parameter at most once (RFC 6749 section 3.1)."""

from collections import Counter
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl

from ostiary_proxy.refused import Refused
from ostiary_proxy.wire import Incoming

__all__ = ["Parameters", "parameters", "read_form"]

LIMIT: Final = 16 * 1024
_MANY: Final = 64


class Parameters(dict[str, str]):
    """Parameters by name; `resources` are the `resource` parameters, which alone may repeat."""

    __slots__ = ("resources",)
    resources: tuple[str, ...]

    def required(self, name: str) -> str:
        """Return a parameter; raises Refused(InvalidOAuthRequest) where it is missing or empty."""
        value = self.get(name)
        if not value:
            raise Refused("InvalidOAuthRequest", message=f"{name} is missing")
        return value


def parameters(pairs: Sequence[tuple[str, str]]) -> Parameters:
    """Return `pairs` by name; raises Refused(InvalidOAuthRequest) where one stands twice.

    Empty values count as left out, as RFC 6749 section 3.1 says.
    """
    twice = [n for n, times in Counter(n for n, _ in pairs).items() if times > 1]
    if any(name != "resource" for name in twice):
        raise Refused("InvalidOAuthRequest", message="a parameter stands twice")
    found = Parameters((name, value) for name, value in pairs if value and name != "resource")
    found.resources = tuple(value for name, value in pairs if value and name == "resource")
    return found


async def read_form(request: Incoming) -> Parameters:
    """Return the form in the body of `request`; raises Refused."""
    media = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if media != "application/x-www-form-urlencoded":
        message = "send Content-Type: application/x-www-form-urlencoded"
        raise Refused("InvalidOAuthRequest", message=message)
    body = await request.read(LIMIT)
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=_MANY,
        )
    except ValueError:
        raise Refused("InvalidOAuthRequest", message="the form can't be read") from None
    return parameters(pairs)
