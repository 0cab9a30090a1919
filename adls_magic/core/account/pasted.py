"""Cleaning and telling apart of what people paste into a field for a secret.

Keys come with a newline, in quotes, or cut off; SAS come with "?" or as a whole URL; and either
comes in the other's field. Nothing here repeats a pasted text in a message.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Literal

from adls_magic.core.errors import CredentialError
from adls_magic.core.secret import Secret

Kind = Literal["key", "sas", "connection string", "token", "unknown"]

KEY_BYTES = 64  # of every account key that Azure makes
_INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufeff]")
_QUOTES = "\"'`“”‘’«»"
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}", re.ASCII)
_CONNECTION_STRING = re.compile(
    r"(?i)(AccountKey|AccountName|SharedAccessSignature|DefaultEndpointsProtocol"
    r"|UseDevelopmentStorage|(Blob|Dfs)Endpoint)\s*="
)
_SAS = re.compile(r"(?i)(^|[?&])(sig|sv|se|sp)=")
_JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*", re.ASCII)
_KEY_LIKE = 40  # characters from which base64 without "=" is taken for a key
_WANTED = {
    "key": "an account key",
    "sas": "a SAS",
    "connection string": "a connection string",
}
_INSTEAD = {
    "sas": "{origin}: this is a SAS, not {wanted}: give it as sas_token (`--auth sas`).",
    "connection string": "{origin}: this is a connection string, not {wanted}: give it as "
    "connection_string (`--auth connection-string`).",
    "token": "{origin}: this is a bearer token, not {wanted}: give a credential object with "
    "get_token (`--credential NAME`).",
    "key": "{origin}: this is an account key, not {wanted}: give it as account_key (`--auth key`).",
}


def clean(text: str) -> str:
    """Return a pasted text without blanks and quotes around it and invisible characters in it."""
    return _INVISIBLE.sub("", text).strip().strip(_QUOTES).strip()


def as_secret(text: str, *, origin: str) -> Secret:
    """Return a text as a secret.

    Args:
        text: as given.
        origin: where it came from, for messages.

    Raises:
        CredentialError: it holds bytes that are no text, as the environment may.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise CredentialError(f"{origin} holds bytes that are no text. Copy it again.") from None
    return Secret(text)


def kind_of(text: str) -> Kind:
    """Tell what a pasted secret is by its look."""
    text = clean(text)
    if _CONNECTION_STRING.search(text):
        return "connection string"
    if _SAS.search(text):
        return "sas"
    if _JWT.fullmatch(text):
        return "token"
    text = "".join(text.split())
    is_key = _BASE64.fullmatch(text) and (len(text) >= _KEY_LIKE or text.endswith("="))
    return "key" if is_key else "unknown"


def refuse_other_kind(text: str, kind: Kind, *, origin: str) -> None:
    """Raise CredentialError when `text` is, by its look, another kind of credential."""
    found = kind_of(text)
    if found not in (kind, "unknown"):
        raise CredentialError(_INSTEAD[found].format(origin=origin, wanted=_WANTED[kind]))


def account_key(text: str, *, origin: str = "account_key", any_length: bool = False) -> Secret:
    """Return an account key that can be right, without the blanks and quotes of pasting.

    Args:
        text: as given; line breaks inside are removed.
        origin: where it came from, for messages.
        any_length: take other lengths than 64 bytes, as emulators do.

    Raises:
        CredentialError: it is no base64, too short or long, or another kind of credential.
    """
    key = "".join(clean(text).split())
    if not key:
        raise CredentialError(f"{origin}: the account key is empty.")
    refuse_other_kind(key, "key", origin=origin)
    try:
        decoded = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        raise CredentialError(
            f"{origin}: this is no account key (88 characters of base64 that end in ==). "
            "Copy it again from the portal's «Access keys»."
        ) from None
    if len(decoded) != KEY_BYTES and not any_length:
        raise CredentialError(
            f"{origin}: an account key has {KEY_BYTES} bytes, this one {len(decoded)}. "
            "Was a part of it lost in copying?"
        )
    return Secret(key)
