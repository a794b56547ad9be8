"""Installs and builds, once, what the tests on a cluster need; `make e2e` calls this.

Debian's packages come from apt-get where this is root; elsewhere the one command to run is printed.
"""

import sys

from e2e.provider import choose
from setup_parts import install_all, say

if __name__ == "__main__":
    provider = choose()
    say(f"the cluster: {provider.name}")
    sys.exit(install_all(provider.prepare))
