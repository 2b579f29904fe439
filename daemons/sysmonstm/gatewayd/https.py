"""The gateway's certificate: shown by https, exchanged while it serves, and warned of before it ends."""

from __future__ import annotations

import ssl
import time

from sysmonstm.certificates import Identity, serve_with, warn_if_ending


class Https:
    """A living context of TLS. Connections that there are outlive an exchange."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        serve_with(self.context, identity)

    def exchange(self, identity: Identity) -> None:
        """Show this from now on."""
        # It was loaded into a fresh context when it was read, and is the same to the byte.
        serve_with(self.context, identity)
        self.identity = identity
        warn_if_ending(identity, time.time())
