"""Which tests run on which of two clusters, where each worker has one of its own."""

from functools import cache

from xdist.scheduler import LoadScopeScheduling

from e2e.cluster.layout import ROOT

__all__ = ["TwoStages"]

_OF_THE_INSTALLED = ("installed", "three_proxies")


class TwoStages(LoadScopeScheduling):
    """Gives files with tests of the installed operator to one worker, all others to another.

    The groups of `--dist loadgroup` are not seen by pytest-xdist 3.8 under pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        return _stage(nodeid.partition("::")[0])


@cache
def _stage(file: str) -> str:
    text = (ROOT / file).read_text()
    return "installed" if any(name in text for name in _OF_THE_INSTALLED) else "bare"
