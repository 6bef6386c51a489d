"""The address of a store, as users write it.

milvus://[USER:PASSWORD@|TOKEN@]HOST[:PORT]/[DATABASE/]COLLECTION[?tls=1&timeout=SECONDS]
milvuss://...                       the same, encrypted: tls=1
milvus+lite:FOLDER/COLLECTION       Milvus Lite, in a folder of this machine
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from clipsearch._internal.arguments import require_text
from clipsearch.errors import QueryError

PORT = 19530
TOKEN_VARIABLE = "CLIPSEARCH_STORE_TOKEN"  # noqa: S105 - a name
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,200}")
_HELP = "give milvus://HOST:PORT/COLLECTION, milvuss:// for an encrypted connection, or milvus+lite:FOLDER/COLLECTION"


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """A store. `token` is secret and never part of a text made of this."""

    uri: str  # what pymilvus takes
    collection: str
    shown: str  # in messages and answers, without secrets
    database: str = ""
    token: str = field(default="", repr=False)
    is_local: bool = False
    timeout: float = 30.0  # seconds a call may take

    def __str__(self) -> str:
        return self.shown


def is_address(text: object) -> bool:
    """Whether a text names a store rather than a folder."""
    return isinstance(text, str) and text.startswith(("milvus:", "milvuss:", "milvus+lite:"))


def parse_address(text: str) -> StoreAddress:
    """Parse an address. The token may also be in $CLIPSEARCH_STORE_TOKEN. QueryError, without secrets, if invalid."""
    require_text("the address of a store", text)
    kind, _, rest = text.partition(":")
    if kind == "milvus+lite":
        return _lite(rest)
    try:
        parts = urlsplit(text)
        port = parts.port or PORT
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError:
        raise QueryError(f"this is not the address of a store; {_HELP}") from None
    if kind not in ("milvus", "milvuss") or not parts.hostname or parts.fragment or re.search(r"\s", text):
        raise QueryError(f"this is not the address of a store; {_HELP}")
    tls, timeout = options.pop("tls", "1" if kind == "milvuss" else "0"), options.pop("timeout", "30")
    tls_is_valid = tls == "1" or (tls == "0" and kind == "milvus")
    if options or not tls_is_valid or not re.fullmatch(r"[1-9]\d{0,3}", timeout):
        raise QueryError("the address of a store takes only the options tls=1 and timeout=SECONDS")
    *databases, collection = [unquote(part) for part in parts.path.strip("/").split("/")]
    if len(databases) > 1 or not all(_NAME.fullmatch(name) for name in (*databases, collection)):
        raise QueryError(f"the address of a store ends with the name of a collection: letters, digits and _; {_HELP}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    token = f"{user}:{password}" if parts.password is not None else user
    return StoreAddress(
        uri=f"http{'s' if tls == '1' else ''}://{host}:{port}",
        collection=collection,
        shown=f"milvus{'s' if tls == '1' else ''}://{host}:{port}/{'/'.join([*databases, collection])}",
        database="".join(databases),
        token=token or os.environ.get(TOKEN_VARIABLE, ""),
        timeout=float(timeout),
    )


def _lite(rest: str) -> StoreAddress:
    text = unquote(rest[2:] if rest.startswith("///") else rest)
    folder, _, collection = text.rstrip("/").rpartition("/")
    if not folder or "?" in folder or not _NAME.fullmatch(collection):
        raise QueryError(f"this is not the address of a store; {_HELP}")
    path = os.path.abspath(os.path.expanduser(folder))
    path = path if path.endswith(".db") else f"{path}.db"  # pymilvus takes other names for a host
    return StoreAddress(path, collection, f"milvus+lite:{quote(path)}/{collection}", is_local=True)
