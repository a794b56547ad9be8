"""Parsing manifests, each once: results are kept by uid and version in a cache of the caller."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from ostiary.decode.fault import Fault, Faulty
from ostiary.resources.manifest import Manifest, Resource, read_resource

__all__ = ["Cache", "Parsed", "identity", "parse"]

T = TypeVar("T")


@dataclass(slots=True)
class Cache:
    """What earlier plans worked out; a plan with a cache equals one without.

    Entries that a plan did not ask for are dropped when the next one starts.
    """

    _kept: dict[tuple[Any, ...], Any] = field(default_factory=dict)
    _asked: dict[tuple[Any, ...], Any] = field(default_factory=dict)
    _surroundings: Any = None
    _generation: int = 0

    def start(self) -> None:
        """Begin a plan: forget what the last one did not ask for."""
        self._kept, self._asked = self._asked, {}

    def generation(self, surroundings: object) -> int:
        """Return a number that is the same as last time exactly if `surroundings` are equal."""
        if surroundings != self._surroundings:
            self._surroundings = surroundings
            self._generation += 1
        return self._generation

    def once(self, key: tuple[Any, ...], work: Callable[[], T]) -> T:
        """Return what `work` gave for an equal key in this or the last plan, or its result now."""
        if key in self._asked:
            found: T = self._asked[key]
            return found
        value: T = self._kept[key] if key in self._kept else work()
        self._asked[key] = value
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A manifest with the resource that it is, or every fault."""

    manifest: Manifest
    resource: Resource | None
    faults: tuple[Fault, ...] = ()


def parse(manifests: Iterable[Manifest], cache: Cache) -> tuple[Parsed, ...]:
    """Return every manifest parsed."""
    return tuple(
        cache.once(("parsed", *identity(item)), partial(_parse, item)) for item in manifests
    )


def identity(manifest: Manifest) -> tuple[str, ...]:
    """Return what differs wherever the manifest does."""
    meta = manifest.meta
    return (manifest.kind, manifest.key, meta.uid, manifest.version, meta.creation_timestamp)


def _parse(manifest: Manifest) -> Parsed:
    try:
        return Parsed(manifest=manifest, resource=read_resource(manifest))
    except Faulty as faulty:
        return Parsed(manifest=manifest, resource=None, faults=faulty.faults)
