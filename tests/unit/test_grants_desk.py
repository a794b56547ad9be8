"""The admin port's grants desk: what people gave clients is found and taken back, however many."""

from dataclasses import dataclass
from typing import Any

from oauth_parts import World
from ostiary_proxy.edge.grants import GrantsDesk
from ostiary_proxy.identity import Person
from ostiary_proxy.oauth.context import Context
from ostiary_proxy.oauth.grants import GrantRow, listed, new_gid, write
from ostiary_proxy.oauth.kept import KeptPerson

MANY = 2300


@dataclass
class Served:
    """Stands where a Runtime does."""

    oauth: Context


async def desk_of(context: Context) -> GrantsDesk:
    """Return a desk before a store with one grant of each of many people to two clients."""
    for number in range(MANY):
        person = Person(issuer="https://idp.example", subject=f"p{number}")
        row = GrantRow(
            gid=new_gid(context, person),
            issuer="https://tools.example",
            person=KeptPerson.of(person),
            client_id="even" if number % 2 == 0 else "odd",
            client_name="A client",
            resource="https://tools.example/mcp",
            route="apps/tools",
            scopes=("mcp",),
            upstream_scopes=None,
            created=context.clock(),
            expires=context.clock() + 3600,
        )
        await write(context, row, version=0)
    return GrantsDesk(current=lambda: Served(context))  # type: ignore[arg-type, return-value]  # stands for a Runtime


async def test_pages_of_a_list_hold_every_grant_once() -> None:
    desk = await desk_of(World().context)
    page: Any = await desk.list({})
    sizes, gids = [], []
    while True:
        sizes.append(len(page["grants"]))
        gids += [grant["gid"] for grant in page["grants"]]
        if "next" not in page:
            break
        page = await desk.list({"after": page["next"]})

    assert sizes == [1000, 1000, 300]
    assert len(set(gids)) == MANY


async def test_a_filter_looks_at_every_page() -> None:
    desk = await desk_of(World().context)

    page: Any = await desk.list({"user": f"p{MANY - 1}"})
    (found,) = page["grants"]

    assert (found["user"], found["client"]) == (f"p{MANY - 1}", "odd")


async def test_revoking_a_client_ends_every_grant_it_has_and_no_other() -> None:
    context = World().context
    desk = await desk_of(context)

    assert await desk.revoke({"client": "even"}) == MANY // 2

    alive = {row.client_id async for row in listed(context) if row.revoked is None}
    assert alive == {"odd"}
    assert await desk.revoke({"user": "p1"}) == 1
