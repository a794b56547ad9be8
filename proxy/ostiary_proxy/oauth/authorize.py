"""The way from `/authorize` to a code: login, consent, the upstream account, in this order.

What was asked stays in a row until the code is made. Each step looks at that row and the browser
again, so that none can be skipped by opening a later URL (rules 130-134).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ostiary.config.document import Route
from ostiary.decode.strict_json import Json
from ostiary_proxy.audit.record import Kind
from ostiary_proxy.oauth import browser, clients, codes, consents, grants, login, pages
from ostiary_proxy.oauth import request as requests
from ostiary_proxy.oauth.answers import see_other, with_query
from ostiary_proxy.oauth.browser import Login
from ostiary_proxy.oauth.context import Context
from ostiary_proxy.oauth.form import parameters, read_form
from ostiary_proxy.oauth.kept import Kept, KeptPerson, load, save
from ostiary_proxy.oauth.ports import Connecting
from ostiary_proxy.oauth.provider import LoginProvider
from ostiary_proxy.oauth.request import Asked, Receiver
from ostiary_proxy.oauth.resource import Site
from ostiary_proxy.oauth.trail import note, note_refusal
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import Conflict
from ostiary_proxy.wire import Incoming, Reply

__all__ = ["Authorizing", "TransactionRow"]

TABLE: Final = "authorize"
LIFE: Final = 900.0
"""Seconds from the request to the code: login, consent and connecting together."""
_DENIED: Final = "the person said no"


class TransactionRow(Kept):
    """What one client asked in one browser; `approved` names who agreed to exactly what."""

    issuer: str
    browser: str
    client_id: str
    redirect_uri: str
    state: str | None
    challenge: str
    route: str
    resource: str
    scopes: tuple[str, ...]
    ask_again: bool
    created: float
    approved: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """A transaction at one moment: its row, its parts looked up anew, and who is logged in."""

    id: str
    row: TransactionRow
    version: int
    site: Site
    route: Route
    subject: consents.Subject
    login: Login

    @property
    def receiver(self) -> Receiver:
        """Return where answers go."""
        return Receiver(
            client=self.subject.client, redirect_uri=self.row.redirect_uri, state=self.row.state
        )


class Authorizing:
    """Serves `/authorize`, `/authorize/continue` and `/authorize/decision`."""

    def __init__(
        self,
        context: Context,
        provider: LoginProvider,
        connecting: Connecting,
        patterns: Mapping[str, tuple[str, ...]],
    ) -> None:
        self._context = context
        self._provider = provider
        self._connecting = connecting
        self._patterns = patterns

    async def begin(self, site: Site, request: Incoming) -> Reply:
        """Answer `GET /authorize`."""
        context = self._context
        query = parameters(request.parameters())
        to = await requests.receiver(context, site, query)
        try:
            asked = requests.asked(site, query, to)
        except Refused as refused:
            await note_refusal(context, refused, request, {"client_id": to.client.client_id})
            return _tell(context, site, to, refused)
        here = browser.browser_of(context, request)
        transaction = await self._remember(site, asked, here.hash)
        location = with_query(f"{site.issuer}/authorize/continue", {"tx": transaction})
        return see_other(location, here.headers)

    async def _remember(self, site: Site, asked: Asked, here: str) -> str:
        context = self._context
        row = TransactionRow(
            issuer=site.issuer,
            browser=here,
            client_id=asked.receiver.client.client_id,
            redirect_uri=asked.receiver.redirect_uri,
            state=asked.receiver.state,
            challenge=asked.challenge,
            route=asked.route.key,
            resource=asked.route.url,
            scopes=asked.scopes,
            ask_again=asked.ask_again,
            created=context.clock(),
        )
        transaction = context.random()
        await save(context.store, TABLE, transaction, row, expires=row.created + LIFE, version=0)
        return transaction

    async def proceed(self, site: Site, request: Incoming) -> Reply:
        """Answer `GET /authorize/continue`: the next step that is still missing, or the code."""
        transaction = dict(request.parameters()).get("tx", "")
        step = await self._step(site, request, transaction)
        if step is None:
            back = with_query("/authorize/continue", {"tx": transaction})
            return await login.leave(self._context, self._provider, site, request, back=back)
        if not await self._is_approved(step, request):
            return self._ask(step)
        if await self._connecting.needed(step.route, step.login.person):
            return see_other(await self._connect(step))
        return await self._finish(step, request)

    async def decide(self, site: Site, request: Incoming) -> Reply:
        """Answer `POST /authorize/decision`: the person's yes or no."""
        form = await read_form(request)
        transaction = form.required("tx")
        step = await self._step(site, request, transaction)
        if step is None:
            raise Refused("FlowEnded", detail="consent without login")
        browser.check_form(
            self._context,
            request,
            form,
            issuer=site.issuer,
            login=step.login,
            purpose=_purpose(step),
        )
        approved = form.get("approve") == "yes"
        await self._note(step, "consent-given" if approved else "consent-denied", request)
        if not approved:
            await self._context.store.take(TABLE, transaction)
            refused = Refused("AccessDenied", message=_DENIED)
            return see_other(requests.error_location(site.issuer, step.receiver, refused))
        await self._approve(step)
        return see_other(with_query(f"{site.issuer}/authorize/continue", {"tx": transaction}))

    async def _step(self, site: Site, request: Incoming, transaction: str) -> _Step | None:
        """Look everything up anew; None where nobody is logged in. Raises Refused(FlowEnded)."""
        context = self._context
        found = await _transaction(context, transaction)
        here = browser.browser_of(context, request)
        if found is None or (found[0].issuer, found[0].browser) != (site.issuer, here.hash):
            raise Refused("FlowEnded", detail="unknown transaction or another browser")
        row, version = found
        client = await clients.client_of(context, site.issuer, row.client_id)
        route = next((r for r in site.routes if (r.key, r.url) == (row.route, row.resource)), None)
        if client is None or route is None or not client.redirect(row.redirect_uri):
            raise Refused("FlowEnded", detail="client or route is gone")
        known = await browser.login_of(context, site, request)
        if known is None:
            return None
        cut = await grants.cut_off(context, known.person, site.issuer, row.client_id)
        if cut >= row.created:
            raise Refused("FlowEnded", detail="cut off since")
        subject = consents.Subject(
            client=client, redirect_uri=row.redirect_uri, route=route, scopes=row.scopes
        )
        return _Step(
            id=transaction,
            row=row,
            version=version,
            site=site,
            route=route,
            subject=subject,
            login=known,
        )

    async def _is_approved(self, step: _Step, request: Incoming) -> bool:
        if step.row.approved is not None:
            return step.row.approved == _approval(self._context, step)
        if step.row.ask_again:
            return False
        if not await consents.remembered(self._context, step.login.person, step.subject):
            return False
        await self._note(step, "consent-remembered", request)
        return True

    async def _approve(self, step: _Step) -> None:
        context = self._context
        approved = step.row.model_copy(update={"approved": _approval(context, step)})
        try:
            await save(
                context.store,
                TABLE,
                step.id,
                approved,
                expires=step.row.created + LIFE,
                version=step.version,
            )
        except Conflict:
            raise Refused("FlowEnded", detail="decided twice") from None
        await consents.remember(context, step.login.person, step.subject)

    def _ask(self, step: _Step) -> Reply:
        context = self._context
        return pages.consent(
            pages.Question(
                client=step.subject.client.name,
                redirect_uri=step.row.redirect_uri,
                person=step.login.person,
                route=step.route,
                patterns=self._patterns.get(step.route.key, ()),
                transaction=step.id,
                proof=browser.form_proof(context, step.login, _purpose(step)),
            ),
            context.config.gateway.redirect_uris,
        )

    async def _connect(self, step: _Step) -> str:
        return await self._connecting.start(
            step.route,
            step.login.person,
            browser=step.login.hash,
            back=with_query("/authorize/continue", {"tx": step.id}),
        )

    async def _finish(self, step: _Step, request: Incoming) -> Reply:
        """Take the transaction, once, and send its code to the client."""
        context, row = self._context, step.row
        if await context.store.take(TABLE, step.id) is None:
            raise Refused("FlowEnded", detail="finished elsewhere")
        await clients.keep_alive(context, step.subject.client)
        await self._note(step, "code-issued", request)
        stands_for = codes.CodeRow(
            issuer=row.issuer,
            client_id=row.client_id,
            client_name=step.subject.client.name,
            redirect_uri=row.redirect_uri,
            challenge=row.challenge,
            route=row.route,
            resource=row.resource,
            scopes=row.scopes,
            upstream_scopes=step.route.upstream_scopes,
            person=KeptPerson.of(step.login.person),
            created=context.clock(),
        )
        code = await codes.issue(context, stands_for)
        answer = {"code": code, "state": row.state, "iss": row.issuer}
        return see_other(with_query(row.redirect_uri, answer))

    async def _note(self, step: _Step, event: str, request: Incoming) -> None:
        scopes = step.route.upstream_scopes
        facts: dict[str, Json] = {
            "issuer": step.row.issuer,
            "route": step.row.route,
            "client_id": step.row.client_id,
            "client_name": step.subject.client.name,
            "redirect_uri": step.row.redirect_uri,
            "scopes": list(step.row.scopes),
            "upstream_scopes": None if scopes is None else list(scopes),
        }
        person, source = step.login.person, request.source
        await note(self._context, Kind.CONSENT, event, facts, person=person, source=source)


async def _transaction(context: Context, transaction: str) -> tuple[TransactionRow, int] | None:
    if len(transaction) != 43 or not transaction.isascii():
        return None
    return await load(context.store, TABLE, transaction, TransactionRow)


def _tell(context: Context, site: Site, to: Receiver, refused: Refused) -> Reply:
    location = requests.error_location(site.issuer, to, refused)
    if requests.is_trusted(context, to.redirect_uri):
        return see_other(location)
    return pages.error(refused, status=400, onward=location)


def _approval(context: Context, step: _Step) -> str:
    person = step.login.person
    whose = context.steady("approval", f"{person.issuer}\0{person.subject}")
    return f"{whose} {step.subject.digest}"


def _purpose(step: _Step) -> str:
    """Bind a consent form to what was shown on it, not to the transaction alone."""
    return f"consent {step.id} {step.subject.digest}"
