"""kubectl, as the tests speak it: one namespace, answers as values, bounded waits."""

import json
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

__all__ = ["Kubectl", "KubectlFailed", "eventually", "new_namespace", "whole_cluster"]

_TIMEOUT = 90
_T = TypeVar("_T")


class KubectlFailed(Exception):  # noqa: N818 - a statement
    """kubectl ended with an error; the text is what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubectl:
    """kubectl in one namespace of the cluster that KUBECONFIG names."""

    namespace: str

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl and return what it prints; raises KubectlFailed."""
        ended = subprocess.run(
            self._command(*arguments),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
        if ended.returncode:
            raise KubectlFailed(ended.stderr.strip() or ended.stdout.strip())
        return ended.stdout

    def apply(self, *manifests: str | dict[str, Any], options: tuple[str, ...] = ()) -> str:
        """Apply manifests on the server's side: YAML texts, or objects."""
        texts = (each if isinstance(each, str) else json.dumps(each) for each in manifests)
        return self("apply", "--server-side", "-f", "-", *options, stdin="\n---\n".join(texts))

    def get(self, *what: str) -> Any:
        """Return an object (`get("pod", "one")`) or a list of them (`get("pods")`)."""
        read = json.loads(self("get", *what, "-o", "json"))
        return read["items"] if read["kind"] == "List" else read

    def wait_for(self, what: str, condition: str = "condition=Ready", seconds: int = 60) -> None:
        """Wait until an object is there and a condition of `kubectl wait` holds.

        Where it does not, the failure tells what the cluster says of the object.
        """
        self("wait", what, "--for=create", f"--timeout={seconds}s")
        try:
            self("wait", what, f"--for={condition}", f"--timeout={seconds}s")
        except KubectlFailed as failed:
            told = self("describe", what)
            with suppress(KubectlFailed):  # what has no pods has no logs
                told += self("logs", what, "--tail=20", "--ignore-errors")
            raise KubectlFailed(f"{failed}\n{told}") from None

    def logs(self, what: str, *options: str) -> str:
        """Return what a pod (`pod/one`, `deploy/two`) has said."""
        return self("logs", what, *options)

    @contextmanager
    def port_forward(self, what: str, port: int) -> Iterator[int]:
        """Forward a loopback port to a pod or Service; yields the port."""
        with self._forwarding(what, f":{port}") as (local,):
            yield local

    @contextmanager
    def same_ports(self, what: str, *ports: int) -> Iterator[None]:
        """Forward loopback ports to the ports of the same numbers."""
        with self._forwarding(what, *map(str, ports)):
            yield

    @contextmanager
    def _forwarding(self, what: str, *ports: str) -> Iterator[list[int]]:
        command = self._command("port-forward", "--address=127.0.0.1", what, *ports)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                # Each says "Forwarding from 127.0.0.1:40123 -> 80".
                said = [process.stdout.readline() for _ in ports]
                if not all(said):
                    raise KubectlFailed(f"port-forward to {what} ended at once")
                yield [int(line.split(" ->")[0].rpartition(":")[2]) for line in said]
            finally:
                process.terminate()

    def _command(self, *arguments: str) -> list[str]:
        return ["kubectl", f"--namespace={self.namespace}", *arguments]


@contextmanager
def new_namespace() -> Iterator[Kubectl]:
    """Make a namespace which takes restricted pods only; yields kubectl in it."""
    kubectl = Kubectl(namespace=f"test-{secrets.token_hex(4)}")
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": kubectl.namespace, "labels": labels}
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    kubectl("wait", "serviceaccount/default", "--for=create", "--timeout=60s")  # pods need it
    try:
        yield kubectl
    finally:
        kubectl("delete", "namespace", kubectl.namespace, "--ignore-not-found", "--wait=false")


def eventually(
    read: Callable[[], _T], done: Callable[[_T], object] = bool, seconds: float = 30
) -> _T:
    """Read until what is read is as it should be, and return it."""
    deadline = time.monotonic() + seconds
    while not done(last := read()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {seconds:.0f} s it is still {last!r}")
        time.sleep(0.1)
    return last


def whole_cluster() -> set[str]:
    """Return the names of what is in no namespace, and of the namespaces."""
    kinds = (
        *("namespaces", "crds", "clusterroles", "clusterrolebindings", "persistentvolumes"),
        "validatingwebhookconfigurations",
    )
    return set(Kubectl(namespace="default")("get", ",".join(kinds), "--output=name").split())
