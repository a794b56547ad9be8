"""The `ostiary-proxy` command: one proxy process on a rendered bundle."""

import asyncio
import contextlib
import gc
import os
import resource
from pathlib import Path
from typing import TextIO, cast

import click
import structlog
import uvloop

from ostiary import __version__
from ostiary_proxy.edge.endpoint import EndpointType
from ostiary_proxy.process import run
from ostiary_proxy.settings import Settings

__all__ = ["main"]


_PATH = click.Path(path_type=Path)
_ENDPOINT = EndpointType()
_YOUNG = 10_000
"""Objects made before young ones are walked: many more than the calls in flight hold at a time."""


class _StandardError:
    """Standard error; where it can't be written (a file on a full disk) no request fails."""

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            os.write(2, text.encode("utf-8", "backslashreplace"))

    def flush(self) -> None:
        """Do nothing: nothing is kept back."""


@click.command(
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "OSTIARY"},
    epilog="Every option can be given in the environment: OSTIARY_LISTEN=0.0.0.0:8080.",
)
@click.version_option(__version__, prog_name="ostiary-proxy")
@click.option("--bundle", type=_PATH, required=True, help="Folder of the rendered bundle.")
@click.option("--keys", type=_PATH, required=True, help="Key document (JSON).")
@click.option("--state", type=_PATH, required=True, help="SQLite file of the store.")
@click.option("--audit", type=_PATH, required=True, help="Folder of the audit log.")
@click.option(
    "--checkpoints", type=_PATH, required=True, help="Folder of the audit log's checkpoints."
)
@click.option("--listen", type=_ENDPOINT, default="127.0.0.1:8080", help="Public port.")
@click.option(
    "--tls", is_flag=True, help="Public port by TLS, with the certificates in the bundle."
)
@click.option("--status", type=_ENDPOINT, default="127.0.0.1:0", help="Health and metrics port.")
@click.option("--admin", type=_ENDPOINT, default="127.0.0.1:0", help="Admin port.")
@click.option("--admin-token", type=_PATH, help="File to write the admin port's token to.")
@click.option(
    "--admin-tls",
    type=_PATH,
    help="Folder with ca.crt, tls.crt and tls.key: the admin port by mutual TLS, without a token.",
)
@click.option("--ready-file", type=_PATH, help="File to write the addresses to, once it serves.")
@click.option(
    "--shutdown-delay",
    type=click.FloatRange(min=0),
    default=0.0,
    help="Seconds to go on taking calls after SIGTERM, until load balancers have noticed.",
)
@click.option("--operator-url", help="Where to ask at a start which revision is current.")
@click.option("--gateway-uid", help="Whose revision to ask for.")
def main(**options: object) -> None:
    """Serve one gateway from a rendered bundle; a new bundle is taken without restart."""
    if (options["admin_token"] is None) == (options["admin_tls"] is None):
        raise click.UsageError("give exactly one of --admin-token and --admin-tls")
    if (options["operator_url"] is None) != (options["gateway_uid"] is None):
        raise click.UsageError("give --operator-url and --gateway-uid together")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _StandardError())),
    )
    # What the imports made stays for good: a collection that walks it stops every call for 50 ms.
    gc.freeze()
    gc.set_threshold(_YOUNG, 10, 10)
    # A stream takes two files; shells mostly allow 1,024 and more to who asks.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    settings = Settings(**options)  # type: ignore[arg-type]  # click has made each of its type
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        raise SystemExit(runner.run(run(settings)))


if __name__ == "__main__":
    main()
