"""Whether the hubs that this machine's collector sends to can be reached, and speak what it speaks."""

from __future__ import annotations

import enum
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path

from sysmonstm.ctl.doctor.finding import Finding, fail, ok, unseen, warn
from sysmonstm.ctl.doctor.place import Place
from sysmonstm.listen import parse_place

SECONDS = 3.0
# HTTP/2, as gRPC speaks it: the client's first words, and an empty SETTINGS frame.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
FRAME_HEAD_BYTES = 9
SETTINGS_FRAME = 4


class Reached(enum.Enum):
    """How a hub answers; the value ends the sentence "the hub at … "."""

    SPEAKS = "answers"
    DISTRUSTED = "shows a certificate that is not trusted here"
    UNTOLD = "does not speak TLS, or does not take what this machine shows; collectord is told to speak it"
    OTHER = "answers, but not as sysmon-aggregatord does: something else listens there, or it speaks TLS only"
    SILENT = "takes connections and says nothing: sysmon-aggregatord hangs, or has yet to start"
    REFUSED = "refuses connections: nothing listens there"
    UNREACHABLE = "cannot be reached: a firewall, or the network, is in the way"
    UNKNOWN = "has a name that nobody knows"
    MISSING = "is not there: sysmon-aggregatord.socket does not listen"
    DENIED = "may be used by the group sysmon only; ask again as root"
    NONSENSE = "has no address that can be understood"


FIXES = {
    Reached.DISTRUSTED: "look at it: openssl s_client -connect ADDRESS; mend tls_ca in /etc/sysmonstm/collectord.toml",
    Reached.UNTOLD: "look at tls_ca and tls_certificate in /etc/sysmonstm/collectord.toml, and at the hub's settings",
    Reached.OTHER: "look who listens there: ss -ltnp",
    Reached.SILENT: "on the hub: systemctl status sysmon-aggregatord",
    Reached.REFUSED: "on the hub: sysmonctl install --role hub --listen ADDRESS --now",
    Reached.UNREACHABLE: "on the hub: sysmonctl doctor, and let its firewall pass TCP 50051",
    Reached.UNKNOWN: "mend aggregator_url in /etc/sysmonstm/collectord.toml, or the name: getent hosts NAME",
    Reached.MISSING: "systemctl start sysmon-aggregatord.socket",
    Reached.NONSENSE: "mend aggregator_url in /etc/sysmonstm/collectord.toml",
}

# What an error means when a hub is connected to.
ENDINGS = (
    (ssl.SSLCertVerificationError, Reached.DISTRUSTED),
    (ssl.SSLError, Reached.UNTOLD),
    (socket.gaierror, Reached.UNKNOWN),
    (ConnectionResetError, Reached.OTHER),
    (ConnectionRefusedError, Reached.REFUSED),
    (FileNotFoundError, Reached.MISSING),
    (PermissionError, Reached.DENIED),
)


def check(place: Place) -> list[Finding]:
    """One finding for each address that is not well, or one for all."""
    if place.daemon("collectord") is None:
        return []
    told = place.setting("collectord", "aggregator_url")
    words = told if isinstance(told, list) else str(told or "").split(",")
    addresses = [str(word).strip() for word in words if str(word).strip()]
    if not addresses:
        return [unseen("where the collector sends to could not be found out")]
    try:
        context = _context(place)
    except OSError as error:
        return [unseen(f"what the collector trusts hubs by cannot be read: {error.strerror}", "sudo sysmonctl doctor")]
    return judge([(address, reach(address, context)) for address in addresses])


def _context(place: Place) -> ssl.SSLContext | None:
    """How the collector meets hubs by TLS, None if it does not."""
    ca, certificate, key = (place.text("collectord", f"tls_{name}") for name in ("ca", "certificate", "key"))
    if not ca:
        return None
    context = ssl.create_default_context(cafile=None if ca == "system" else ca)
    context.set_alpn_protocols(["h2"])
    if certificate and key:
        context.load_cert_chain(certificate, key)
    return context


def judge(found: Sequence[tuple[str, Reached]]) -> list[Finding]:
    """A collector needs one of its hubs."""
    well = [address for address, reached in found if reached is Reached.SPEAKS]
    if len(well) == len(found):
        return [ok(f"the hub at {', '.join(well)} answers")]
    sayings: list[Finding] = []
    for address, reached in found:
        if reached is Reached.DENIED:
            sayings.append(unseen(f"the hub at {address} {reached.value}"))
        elif reached is not Reached.SPEAKS:
            say = warn if well else fail
            sayings.append(say(f"the hub at {address} {reached.value}", FIXES[reached]))
    return sayings


def reach(address: str, context: ssl.SSLContext | None = None) -> Reached:
    """Connect to a hub, by TLS over TCP if there is a `context`, and hear how it greets."""
    try:
        where = parse_place(address)
    except ValueError:
        return Reached.NONSENSE
    try:
        if isinstance(where, Path):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(SECONDS)
                connection.connect(str(where))
                return _greet(connection)
        with socket.create_connection(where, SECONDS) as connection:
            return _greet_by_tls(connection, context, where.host) if context else _greet(connection)
    except OSError as error:
        return next((reached for kind, reached in ENDINGS if isinstance(error, kind)), Reached.UNREACHABLE)


def _greet_by_tls(connection: socket.socket, context: ssl.SSLContext, host: str) -> Reached:
    try:
        with context.wrap_socket(connection, server_hostname=host) as by_tls:
            return _greet(by_tls)
    except TimeoutError:
        return Reached.SILENT


def _greet(connection: socket.socket) -> Reached:
    connection.settimeout(SECONDS)
    heard = b""
    try:
        connection.sendall(PREFACE)
        while len(heard) < FRAME_HEAD_BYTES:
            more = connection.recv(4096)
            if not more:
                break
            heard += more
    except TimeoutError:
        return Reached.SILENT
    except ssl.SSLError:
        # Of TLS 1.3, whose handshake ends before the other side has looked at our certificate.
        return Reached.UNTOLD
    except OSError:
        return Reached.OTHER
    return judge_greeting(heard)


def judge_greeting(heard: bytes) -> Reached:
    """A server of HTTP/2 begins with a SETTINGS frame of stream 0."""
    is_settings = len(heard) >= FRAME_HEAD_BYTES and heard[3] == SETTINGS_FRAME and heard[5:9] == bytes(4)
    return Reached.SPEAKS if is_settings else Reached.OTHER
