"""What a server offers in answer to initialize or server/discover, less what is not served here."""

from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.message import Object
from ostiary_proxy.mcp.methods import MODERN, REVISIONS
from ostiary_proxy.mcp.results import BadResult, announcing
from ostiary_proxy.mcp.tasks import declared

__all__ = ["discovered", "narrowed"]


def narrowed(result: Object, version: str) -> Object:
    """Return the result without capabilities that `version` does not know."""
    capabilities = result.get("capabilities")
    if not isinstance(capabilities, dict):
        return result
    served = declared(capabilities, version)
    return result if served == capabilities else {**result, "capabilities": dict(served)}


def discovered(result: Object) -> Object:
    """Return a discover result that names only versions served here (rule 35); raises BadResult."""
    versions = result.get("supportedVersions")
    if not isinstance(versions, list):
        raise BadResult("the result has no list 'supportedVersions'")
    kept: list[Json] = [version for version in versions if version in REVISIONS]
    result = result if kept == versions else {**result, "supportedVersions": kept}
    return announcing(narrowed(result, MODERN))
