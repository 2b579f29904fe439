"""Keeps secrets out of what is written: user and password in addresses, settings of that kind, and values made known.

What a database or an HTTP client says of its failure may have the address in it that it was given, password and all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote, urlsplit

CONCEALED = "[concealed]"
# A shorter word is found in ordinary sentences; where it is the password of an address it is left out all the same.
SHORTEST = 6

# `scheme://user:password@`, up to the last @ of what may be an address: an @ may be in the password as it is.
# The example that a hint gives has these very words, and is no secret.
_USERINFO = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]{0,30}://)(?!user:password@host\b)[^\s/?#\"'<>]*@")
# User and the rest of an address whose password may hold anything, as libpq and people take it.
_LOGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^:@/?#]*):(.*)", re.DOTALL)
_NAME = r"password|passwd|pwd|passphrase|secret|token|api[_-]?key|authorization"
_QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
# `password=…` of libpq, `"token": "…"` of JSON, `Authorization: Bearer …` of HTTP.
_SETTING = re.compile(
    rf"(?i)((?:{_NAME})[\"']?\s*[=:]\s*)({_QUOTED}|(?:bearer|basic)\s+[^\s,;&\"']+|[^\s,;&\"')\]}}]+)"
)
_MAY_HOLD_A_SETTING = re.compile(rf"(?i){_NAME}")

_known: tuple[str, ...] = ()


def conceal(values: Iterable[str | None]) -> None:
    """From now on leave these out, and what is secret in them if they are addresses.

    Those from before stay concealed: what was begun with them may still fail.
    """
    global _known  # noqa: PLW0603 - the log of a process is one, and so is what it must not say
    found = {form for value in values if value for secret in secrets_in(value) for form in _forms(secret)}
    # The longest first: one may be a part of another.
    known = {*_known, *(one for one in found if len(one) >= SHORTEST)}
    _known = tuple(sorted(known, key=lambda one: (-len(one), one)))


def secrets_in(value: str) -> list[str]:
    """What of a secret setting must not be written; of a webhook's address the path too, which often is a key."""
    try:
        parts = urlsplit(value)
        password, user = parts.password, parts.username
    except ValueError:
        return [value, *_passwords(value)]
    # libpq's `password=…`, after a question mark too.
    found = [found[2].strip("'\"") for found in _SETTING.finditer(value)]
    if not parts.scheme or not parts.netloc:
        # The path of a socket is none, and of words for libpq only those.
        return found if value.startswith(("unix:", "/")) or "=" in value else [value]
    found += _passwords(value)
    if password and password != user:
        found.append(password)
    if parts.scheme in {"http", "https"}:
        found += [value, (parts.path + ("?" + parts.query if parts.query else "")).lstrip("/")]
    return found


def _passwords(address: str) -> list[str]:
    """What may be the password in an address: where it has unquoted /, ?, # or @ in it, all that it might be."""
    login = _LOGIN.fullmatch(address)
    if not login:
        return []
    user, rest = login.groups()
    ends = (at.start() for at in re.finditer("@", rest))
    return [rest[:end] for end in ends if rest[:end] not in ("", user)]


def _forms(secret: str) -> set[str]:
    """A secret as errors may write it: as it is, with and without per cent signs, and as Python shows a string."""
    plain = unquote(secret)
    return {secret, plain, quote(plain, safe=""), quote(plain), repr(secret)[1:-1], repr(plain)[1:-1]}


def is_secret(name: str) -> bool:
    """Whether what bears this name is a secret."""
    return bool(_MAY_HOLD_A_SETTING.search(name))


def redacted(text: str) -> str:
    """The text without secrets."""
    for secret in _known:
        if secret in text:
            text = text.replace(secret, CONCEALED)
    if "://" in text:
        text = _USERINFO.sub(rf"\1{CONCEALED}@", text)
    if _MAY_HOLD_A_SETTING.search(text):
        text = _SETTING.sub(rf"\1{CONCEALED}", text)
    return text
