"""Installs and builds, once, what the tests on a cluster need; `make e2e` calls this.

Debian's packages come from apt-get where this is root; elsewhere the one command to run is printed.
"""

import sys
from functools import partial

from e2e.cluster.binaries import build
from setup_parts import install_all, install_programs

PROGRAMS = {
    "containerd": "containerd",
    "runc": "runc",
    "/usr/lib/cni/ptp": "containernetworking-plugins",
    "nft": "nftables",
    "iptables": "iptables",
    "ip": "iproute2",
}
"""Program → Debian package."""


def main() -> int:
    """Prepare all; return 1 where something stays missing and CI must not go on."""
    return install_all(partial(install_programs, PROGRAMS), build)


if __name__ == "__main__":
    sys.exit(main())
