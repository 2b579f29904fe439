"""Certificates, keys and authorities in PEM files: read, seen to be good, and warned of before they end."""

from __future__ import annotations

import asyncio
import math
import os
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from sysmonstm import logs
from sysmonstm.beats import Loop
from sysmonstm.config import UserError

log = logs.logger(__name__)

DAY_SECONDS = 86_400.0
WARN_DAYS = 14.0
# X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which the ssl module has no name for.
_NO_CHECK_TIME = 0x200000


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate with its chain and its key, both PEM, which belong together.

    `ends` is when it stops being valid, in seconds since 1970; of one that is not for a server, it is not looked at.
    """

    name: str
    chain: bytes
    key: bytes
    ends: float = math.inf


def read_identity(certificate: Path | None, key: Path | None, prefix: str) -> Identity | None:
    """What the settings `prefix`TLS_CERTIFICATE and `prefix`TLS_KEY point to; None if neither is set.

    UserError, which names them, if they are not good together.
    """
    return _read_identity(certificate, key, prefix)[0]


def read_served_identity(certificate: Path | None, key: Path | None, prefix: str) -> Identity | None:
    """The same of what a server is to show; UserError if it is not for servers."""
    identity, context = _read_identity(certificate, key, prefix)
    if not identity:
        return None
    try:
        return replace(identity, ends=_ends(context, identity.chain))
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", "") or error.reason
        raise UserError(f"{identity.name}: the certificate in {certificate} is none for a server: {reason}") from None


def _read_identity(certificate: Path | None, key: Path | None, prefix: str) -> tuple[Identity | None, ssl.SSLContext]:
    """The identity, and a context of a server's that has it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    name, key_name = f"{prefix}TLS_CERTIFICATE", f"{prefix}TLS_KEY"
    if bool(certificate) != bool(key):
        raise UserError(f"{key_name if certificate else name} must be set too: a certificate and its key go together")
    if not certificate or not key:
        return None, context
    chain, secret = _read(certificate, name), _read(key, key_name)
    _check_certificates(chain, certificate, name)
    try:
        _load(context, chain, secret)
    except _EncryptedError:
        raise UserError(f"{key_name}: the key in {key} is encrypted; nobody is there to type its password") from None
    except ssl.SSLError as error:
        reason = "is another's" if error.reason == "KEY_VALUES_MISMATCH" else "cannot be used"
        raise UserError(f"{key_name}: the key in {key} {reason}, for the certificate in {certificate}") from None
    return Identity(name, chain, secret), context


def read_authorities(file: Path, setting: str) -> bytes:
    """The certificates of authorities in a PEM file; UserError, which names the setting, if there are none."""
    authorities = _read(file, setting)
    _check_certificates(authorities, file, setting)
    return authorities


def serve_with(context: ssl.SSLContext, identity: Identity) -> None:
    """Have a context show this certificate from now on; connections that there are stay as they are."""
    _load(context, identity.chain, identity.key)


def warn_if_ending(identity: Identity, now: float) -> None:
    """Say that a certificate ends soon, or has ended; `now` is in seconds since 1970."""
    days = (identity.ends - now) / DAY_SECONDS
    if days >= WARN_DAYS:
        return
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(identity.ends))
    sentence = f"the certificate ends at {when}" if days > 0 else f"the certificate has ended at {when}"
    log.warning("certificate.expires", sentence, setting=identity.name, ends=when, days=round(days, 1))


async def warn_daily(current: Callable[[], Identity], loop: Loop) -> NoReturn:
    """Say each day that the certificate of now ends soon, if it does."""
    while True:
        warn_if_ending(current(), time.time())
        # The wait is for a clock, and nothing else is done here.
        with loop.waits(at_most=math.inf):
            await asyncio.sleep(DAY_SECONDS)


class _EncryptedError(Exception):
    """A key that needs a password."""


def _no_password() -> NoReturn:
    raise _EncryptedError


def _read(file: Path, setting: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UserError(f"{setting}: {file} cannot be read: {error.strerror}") from None


def _check_certificates(data: bytes, file: Path, setting: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        with _as_file(data) as path:
            context.load_verify_locations(path)
    except ssl.SSLError:
        raise UserError(f"{setting}: {file} holds no certificate in PEM") from None


def _load(context: ssl.SSLContext, chain: bytes, key: bytes) -> None:
    # From one file, so that they are those that were looked at, whatever becomes of the two on disk meanwhile.
    with _as_file(key + b"\n" + chain) as path:
        context.load_cert_chain(path, password=_no_password)


@contextmanager
def _as_file(data: bytes) -> Iterator[str]:
    """A path for what the ssl module reads from files only; it is in memory."""
    descriptor = os.memfd_create("pem")
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        yield f"/proc/self/fd/{descriptor}"


def _ends(server: ssl.SSLContext, chain: bytes) -> float:
    """When the certificate ends: a client asks that trusts it for itself, as the ssl module tells nobody else."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    with _as_file(chain) as path:
        client.load_verify_locations(path)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server)
    answering = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (asking, answering, asking):
        _shake(side)
    shown = asking.getpeercert()
    assert shown, "the client has asked for it"
    return float(ssl.cert_time_to_seconds(str(shown["notAfter"])))


def _shake(side: ssl.SSLObject) -> None:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        # It is the other side's turn.
        return
