"""What lives as long as the process follows what changes while it lives."""

import os
from pathlib import Path

from ostiary.config.bundle import complete
from ostiary.config.document import Config, Gateway
from ostiary.config.keys import KeyDocument
from ostiary_proxy.edge.endpoint import Endpoint
from ostiary_proxy.ending import Ending
from ostiary_proxy.foundation import Foundation
from ostiary_proxy.pipeline.mailbox import Mailbox
from ostiary_proxy.settings import Settings

GATEWAY = Gateway(namespace="team", name="gw", public_url="http://localhost")


async def test_what_waits_for_another_replica_is_sealed_by_the_keys_in_force(
    tmp_path: Path,
) -> None:
    before, after = (KeyDocument.generate(os.urandom).rings() for _ in range(2))
    anywhere = Endpoint(host="127.0.0.1", port=0)
    settings = Settings(
        bundle=tmp_path, keys=tmp_path, state=tmp_path / "state", audit=tmp_path / "audit",
        checkpoints=tmp_path / "checkpoints", listen=anywhere, status=anywhere, admin=anywhere,
        admin_token=None,
    )  # fmt: skip
    foundation = Foundation(settings, before, Ending())
    bundle = complete(Config(gateway=GATEWAY), {}, revision=1, seal=before.seal)
    process = await foundation.process(bundle, lambda: None)
    other = Mailbox(process.store, after.seal, clock=process.clock, entropy=os.urandom)

    await foundation.rekey(after)
    await process.mailbox.put("k", b"the answer", seconds=60)

    assert await other.wait("k", seconds=1) == b"the answer"
    await foundation.close()
