"""What the authorization server needs from upstream accounts; runtime joins them."""

from typing import Protocol

from ostiary.config.document import Route
from ostiary_proxy.identity import Person

__all__ = ["Connecting"]


class Connecting(Protocol):
    """Connects a person's account behind a route, inside authorize (security decision 21)."""

    async def needed(self, route: Route, person: Person) -> bool:
        """Say whether `route` needs an account of `person` that is missing or dead."""

    def opened(self, issuer: str, query: list[tuple[str, str]], *, person: Person) -> Route:
        """Return the route of the link in a call's error, opened at `issuer` by `person`.

        Raises Refused: FlowEnded for a link that leads nowhere, OtherPerson for somebody else's.
        """

    async def start(self, route: Route, person: Person, *, browser: str, back: str) -> str:
        """Remember the flight and return the third party's authorization URL for the browser.

        `browser` is the keyed hash of the login cookie; the callback must come from the same
        browser and person.
        `back` is the path on the route's issuer where the browser goes afterwards.
        """

    async def finish(
        self, issuer: str, query: list[tuple[str, str]], *, person: Person, browser: str, now: float
    ) -> str:
        """Handle the callback at `<issuer>/account/callback`: store the account, return `back`.

        Raises Refused with a page's text where state, browser, person, issuer or the exchange do
        not hold.
        """
