"""The one exception that stops a request for a reason.

Anything else that escapes is a bug and answers 500.

Every code stands in `CODES` with its HTTP status, its JSON-RPC code and the text a caller reads,
and has an anchor in docs/errors.md. JSON-RPC codes of our own lie outside the range the
specification reserves (rule 25).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ostiary.decode.strict_json import Json

__all__ = ["CODES", "DOCS", "Code", "Refused", "link"]

DOCS: Final = "https://ostiary.dev/docs/errors"


@dataclass(frozen=True, slots=True)
class Code:
    """How one kind of refusal looks outside.

    HTTP `status`, JSON-RPC `rpc` code, `text` for people.
    """

    status: int
    rpc: int
    text: str


CODES: Final[Mapping[str, Code]] = {
    # who: answered before anything of the message is looked at
    "NoToken": Code(401, -31001, "log in first: this MCP server asks for an access token"),
    "InvalidToken": Code(401, -31002, "the access token is not valid here; log in again"),
    "InvalidHttp": Code(400, -32600, "the request is not valid HTTP"),
    "RepeatedHeader": Code(400, -32600, "a header that may stand once was sent twice"),
    "UnknownRoute": Code(404, -32600, "nothing is served at this address"),
    "MethodNotAllowed": Code(405, -32600, "this HTTP method is not served here"),
    "ForbiddenOrigin": Code(403, -32600, "this web origin may not call the MCP server"),
    # what: the message can't be read without doubt
    "UnsupportedMediaType": Code(415, -32600, "send Content-Type: application/json, not encoded"),
    "TooLarge": Code(413, -32600, "the message is larger than this gateway takes"),
    "TooSlow": Code(408, -32600, "the message did not come in time; send it again"),
    "ParseError": Code(
        400, -32700, "the body is not one JSON value that can be read without doubt"
    ),
    "InvalidRequest": Code(400, -32600, "the message is not one valid JSON-RPC message"),
    "InvalidParams": Code(400, -32602, "the parameters are missing or wrong"),
    "HeaderMismatch": Code(400, -32020, "an MCP header is missing or differs from the body"),
    "UnsupportedProtocolVersion": Code(400, -32022, "this protocol version is not served here"),
    "MissingClientCapability": Code(
        400, -32021, "the server asks for something that the client did not declare"
    ),
    "MethodNotFound": Code(200, -32601, "this method is not served here"),
    "UnknownSession": Code(404, -32600, "no such session; initialize again"),
    "SessionRequired": Code(400, -32600, "the Mcp-Session-Id header is missing; initialize first"),
    # whether: policy, limits, consent
    "Denied": Code(200, -31003, "not permitted by policy"),
    "Hidden": Code(200, -32602, "not found or not permitted"),
    "NoPolicy": Code(200, -31004, "no policy allows anything on this route yet"),
    "RouteClosed": Code(200, -31005, "this route is closed because its configuration is faulty"),
    "RateLimited": Code(200, -31006, "too many calls; try again later"),
    "Cancelled": Code(200, -31008, "the client cancelled this call"),
    "TooManyStreams": Code(429, -31009, "too many streams are open; close one, or try later"),
    "TooMuchKept": Code(429, -31015, "too much is kept for you here; try again later"),
    "AccountNotConnected": Code(
        200, -31007, "connect your account at the service behind this server"
    ),
    "UrlElicitationRequired": Code(
        200, -32042, "open the address to connect your account, then call again"
    ),
    # OAuth: registration, authorize, login, consent, token
    "InvalidOAuthRequest": Code(400, -32600, "the OAuth request is incomplete or wrong"),
    "InvalidClient": Code(401, -32600, "this client is not registered here; register it again"),
    "InvalidRedirectUri": Code(400, -32600, "this redirect URI may not be used"),
    "InvalidClientMetadata": Code(400, -32600, "the client's registration is not acceptable"),
    "InvalidGrant": Code(400, -32600, "the code or refresh token is no longer valid; log in again"),
    "InvalidTarget": Code(400, -32600, "the resource is not one that this server protects"),
    "InvalidScope": Code(400, -32600, "the scope is wider than what was granted"),
    "UnsupportedGrantType": Code(400, -32600, "this grant type is not served here"),
    "UnsupportedResponseType": Code(400, -32600, "only response_type=code is served here"),
    "AccessDenied": Code(403, -32600, "access was not granted"),
    "FormRefused": Code(403, -32600, "this form was not sent from its own page; open it again"),
    "FlowEnded": Code(400, -32600, "this page is no longer valid; start again in your MCP client"),
    "LoginFailed": Code(403, -32600, "the identity provider's answer could not be trusted"),
    "LoginUnavailable": Code(503, -32600, "the identity provider can't be reached; try again"),
    "OtherPerson": Code(403, -32600, "this link was made for somebody else"),
    "TooManyRequests": Code(429, -32600, "too many requests; try again later"),
    # beyond: something that we need is not there
    "UpstreamUnavailable": Code(502, -31010, "the MCP server behind this gateway can't be reached"),
    "UpstreamTimeout": Code(
        504, -31011, "the MCP server behind this gateway did not answer in time"
    ),
    "UpstreamInvalid": Code(
        502, -31012, "the MCP server behind this gateway sent an invalid answer"
    ),
    "UpstreamRefused": Code(
        502, -31013, "the MCP server behind this gateway refused our credential"
    ),
    "UpstreamRejected": Code(
        400, -31014, "the MCP server behind this gateway rejected the request"
    ),
    "StoreUnavailable": Code(503, -31020, "the gateway can't read its store; try again"),
    "AuditUnavailable": Code(503, -31021, "the gateway can't write its audit log; try again"),
    "Internal": Code(500, -31099, "the gateway failed; the operator finds the reason in its log"),
}


def link(code: str) -> str:
    """Return the address that explains `code`."""
    return f"{DOCS}#{code.lower()}"


class Refused(Exception):  # noqa: N818 - a statement, not an error of ours
    """A request is stopped.

    `code` is a key of `CODES`. `message` replaces the code's text for the caller (a rule's
    `message`, the mend). `detail` is for the audit record and never leaves. `data` is the JSON-RPC
    `error.data`. `retry_after` is in seconds. `headers` are further response headers. `result` is
    what a request gets instead of an error: the question whose answer would help.
    """

    def __init__(
        self,
        code: str,
        *,
        message: str | None = None,
        detail: str = "",
        data: Json = None,
        retry_after: float | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        result: Mapping[str, Json] | None = None,
    ) -> None:
        self.code = code
        self.how = CODES[code]
        self.message = message or self.how.text
        self.detail = detail
        self.data = data
        self.retry_after = retry_after
        self.headers = headers
        self.result = result
        super().__init__(f"{code}: {self.message}" + (f" ({detail})" if detail else ""))

    @property
    def challenge(self) -> bool:
        """Say whether the answer carries a WWW-Authenticate challenge."""
        return self.how.status == 401
