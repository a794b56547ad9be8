"""The `ostiary-operator` command: one replica of the operator."""

import asyncio
import os
import socket
from pathlib import Path
from typing import Any, Final

import click
import uvloop

from ostiary import __version__
from ostiary.decode.fault import Faulty
from ostiary.translate.world import Cluster
from ostiary_operator.default_gateway import read_gateway
from ostiary_operator.logs import configure_logs
from ostiary_operator.process import run
from ostiary_operator.settings import Settings

__all__ = ["main"]

_EPILOG: Final = """
Every option can be given in the environment: OSTIARY_OPERATOR_PROXY_IMAGE=...; options that may be
repeated take several words there. Outside a cluster KUBECONFIG says which one to serve.

\b
Examples:
  ostiary-operator --proxy-image registry.example.com/ostiary-proxy:0.1.0
  ostiary-operator --proxy-image ... --namespace team-a --namespace team-b
  KUBECONFIG=~/.kube/config ostiary-operator --proxy-image ... --own-namespace ostiary-system
"""


@click.command(
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "OSTIARY_OPERATOR",
    },
    epilog=_EPILOG,
)
@click.version_option(__version__, prog_name="ostiary-operator")
@click.option("--proxy-image", help="Image of the proxy, unless a gateway names one.")
@click.option(
    "--proxy-template",
    help="PodTemplate in the operator's own namespace that says it instead: the image of its first"
    " container. A change is taken within ten seconds.",
)
@click.option(
    "--image-pull-policy",
    type=click.Choice(["Always", "IfNotPresent", "Never"]),
    default="IfNotPresent",
    help="When a node pulls the proxy's image.",
)
@click.option(
    "--image-pull-secret",
    multiple=True,
    help="Secret to pull it with, in each gateway's namespace. May be repeated.",
)
@click.option(
    "--namespace",
    multiple=True,
    help="Serve only this namespace: no right on the whole cluster is needed. May be repeated.",
)
@click.option(
    "--own-namespace",
    required=True,
    help="The operator's own namespace, where its Lease is.",
)
@click.option(
    "--identity",
    default=socket.gethostname,
    show_default="the host's name",
    help="Name of this replica in the Lease.",
)
@click.option(
    "--operator-url",
    help="Where proxies reach this port; the Service ostiary-operator unless given.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=8082, help="Port to listen on.")
@click.option(
    "--webhook-port",
    type=click.IntRange(1, 65535),
    help="Port for the API server's questions about objects (HTTPS); without it nothing is asked.",
)
@click.option(
    "--default-gateway",
    type=click.Path(path_type=Path),
    help="File of an MCPGateway to create once: it is not made again after it was deleted."
    " Where there is no such file none is made.",
)
def main(
    *,
    proxy_image: str | None,
    proxy_template: str | None,
    image_pull_policy: str,
    image_pull_secret: tuple[str, ...],
    namespace: tuple[str, ...],
    own_namespace: str,
    identity: str,
    operator_url: str | None,
    port: int,
    webhook_port: int | None,
    default_gateway: Path | None,
) -> None:
    """Roll out and configure proxies as MCPGateway, MCPRoute and MCPPolicy objects say."""
    configure_logs()
    if namespace and webhook_port is not None:
        said = "--webhook-port is for the whole cluster; leave it out beside --namespace"
        raise click.UsageError(said)
    if (proxy_image is None) == (proxy_template is None):
        raise click.UsageError("give one of --proxy-image and --proxy-template")
    kubeconfig = os.environ.get("KUBECONFIG")
    settings = Settings(
        scope=tuple(sorted(set(namespace))) or ("",),
        namespace=own_namespace,
        identity=identity,
        port=port,
        cluster=Cluster(
            image=proxy_image or "",
            operator_url=operator_url or f"http://ostiary-operator.{own_namespace}.svc:{port}",
            pull_policy=image_pull_policy,
            pull_secrets=image_pull_secret,
        ),
        proxy_template=proxy_template,
        kubeconfig=Path(kubeconfig) if kubeconfig else None,
        default_gateway=_gateway(default_gateway),
        webhook_port=webhook_port,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        raise SystemExit(runner.run(run(settings)))


def _gateway(path: Path | None) -> dict[str, Any] | None:
    try:
        return read_gateway(path) if path is not None and path.exists() else None
    except Faulty as faulty:
        raise click.UsageError("\n".join(str(fault) for fault in faulty.faults)) from None


if __name__ == "__main__":
    main()
