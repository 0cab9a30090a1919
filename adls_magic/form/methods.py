"""The ways to connect that the form offers, as data: which fields, which rules, which words.

The patterns are JavaScript's as well as Python's; a test compares them with the rules of
`core.address`. They serve live checking: what counts is checked again when connecting.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Field:
    """A text field.

    Attributes:
        label: what stands before it.
        rule: what the text must be, shown below it; red when broken.
        hint: shown below it instead of the rule as long as nothing is wrong.
        pattern: what the whole text must match; "" takes anything.
        characters: what unfinished text may look like, while it is typed.
        placeholder: an example.
        suggests: a list is offered.
        more: shown only when the user opens "Other endpoint".
        secret: the text never becomes part of the widget.
    """

    label: str
    rule: str = ""
    hint: str = ""
    pattern: str = ""
    characters: str = ""
    placeholder: str = ""
    suggests: bool = False
    more: bool = False
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Method:
    """A way to connect.

    Attributes:
        name: what the browser sends back.
        label: its line in the list.
        hint: small print of that line.
        note: the sentence above the fields.
        fields: names of the fields that it needs.
        secret: label, pattern and rule of the secret field, for methods that have it.
        keeps: what a profile would hold besides names; "" where there can be no profile.
    """

    name: str
    label: str
    hint: str
    note: str
    fields: tuple[str, ...]
    secret: Field | None = None
    keeps: str = ""


FIELDS = {
    "account": Field(
        "Account",
        rule="3 to 24 lower-case letters and digits",
        pattern="[a-z0-9]{3,24}",
        characters="[a-z0-9]{0,24}",
        placeholder="such as contoso",
    ),
    "saved": Field("Profile", rule="One of the profiles in the list", suggests=True),
    "variable": Field(
        "Variable",
        rule="The name of a variable, not its value",
        pattern="[A-Za-z_][A-Za-z0-9_]{0,60}",
        placeholder="such as credential",
    ),
    "folder": Field(
        "Folder",
        hint="Made if it is missing; files are plain files below it",
        placeholder="adls-lake",
    ),
    "secret": Field("Secret", secret=True),
    "filesystem": Field(
        "Filesystem",
        rule="3 to 63 lower-case letters, digits and single hyphens",
        hint="Also called container. Empty: choose after connecting",
        pattern=r"\$(?:web|root|logs)|(?!.*--)[a-z0-9][a-z0-9\-]{1,61}[a-z0-9]",
        characters=r"\$[a-z]{0,4}|(?!.*--)(?:[a-z0-9][a-z0-9\-]{0,62})?",
        placeholder="such as raw",
        suggests=True,
    ),
    "endpoint": Field(
        "Endpoint",
        rule="A URL such as https://contoso.dfs.core.windows.net, without ? and what follows",
        hint="Private links, sovereign clouds, OneLake, emulators",
        pattern=r"https?:\/\/[^\s?#@;]+",
        characters=r"h(?:t(?:t(?:p(?:s?(?::\/{0,2}[^\s?#@;]*)?)?)?)?)?",
        more=True,
    ),
    "profile": Field(
        "Profile name",
        rule="1 to 40 letters, digits, dots, hyphens and underscores",
        pattern=r"[A-Za-z0-9_.\-]{1,40}",
        placeholder="default",
    ),
}

_NOWHERE = "Goes to the kernel's memory and nowhere else"
_NAMES = ("account", "filesystem", "endpoint")

FOUND = Method(
    "found",
    "Use what is there",
    "",
    "",
    ("filesystem",),
)
PROFILE = Method(
    "saved",
    "Profile",
    "saved on this machine",
    "Uses the names and the credential of a saved profile.",
    ("saved", "filesystem"),
)
FIXED = (
    Method(
        "identity",
        "Microsoft Entra ID",
        "az login, managed identity, …",
        "Signs in with what azure-identity finds: az login, a managed identity, VS Code or the "
        "AZURE_CLIENT_… variables. Nothing secret is typed.",
        _NAMES,
        keeps="nothing secret",
    ),
    Method(
        "variable",
        "Notebook variable",
        "a credential object, key or SAS",
        "Takes the object in a variable: a key, a SAS or anything with get_token.",
        ("variable", *_NAMES),
    ),
    Method(
        "local",
        "Local lake",
        "a folder here, no Azure needed",
        "Starts (or finds) a lake over a folder of this machine.",
        ("folder", "filesystem"),
    ),
    Method(
        "anonymous",
        "No credential",
        "public data",
        "Sends no credential at all: for data that everybody may see.",
        _NAMES,
        keeps="nothing secret",
    ),
    Method(
        "key",
        "Account key",
        "",
        "One of the two keys under «Access keys» in the portal.",
        ("account", "secret", "filesystem", "endpoint"),
        Field(
            "Key",
            rule="An account key has 88 characters and ends in ==",
            hint=_NOWHERE,
            pattern="[A-Za-z0-9+\\/]{86}==",
            secret=True,
        ),
        keeps="key",
    ),
    Method(
        "sas",
        "SAS token",
        "shared access signature",
        "A token with or without the leading ?, or the whole URL that it came in.",
        ("account", "secret", "filesystem", "endpoint"),
        Field(
            "SAS",
            rule="A SAS has sig=… in it",
            hint=_NOWHERE,
            pattern=r"\S*\bsig=\S+",
            secret=True,
        ),
        keeps="SAS",
    ),
    Method(
        "connection-string",
        "Connection string",
        "",
        "As the portal and az CLI give it; it names the account itself.",
        ("secret", "filesystem"),
        Field(
            "String",
            rule="A connection string looks like AccountName=…;AccountKey=…",
            hint=_NOWHERE,
            pattern=r"[^\n]*(?:AccountKey|SharedAccessSignature|UseDevelopmentStorage)=[^\n]+",
            secret=True,
        ),
        keeps="connection string",
    ),
)


SECRET_METHODS = frozenset(method.name for method in FIXED if method.secret)


def fields_trait() -> dict[str, dict[str, Any]]:
    """Return the fields as the browser wants them."""
    return {name: asdict(field) for name, field in FIELDS.items()}


def method_trait(method: Method, **changes: str) -> dict[str, Any]:
    """Return a method as the browser wants it, with other words where they depend on the day."""
    return asdict(method) | changes
