"""The user's own tile server, if the map of the page is to show its pictures."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from clipsearch.errors import QueryError

_HOST = re.compile(r"[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]")


def tile_origin(address: str) -> str:
    """The origin of an address such as "http://localhost:8080/{z}/{x}/{y}.png". QueryError if it is not one of tiles.

    The page's content security policy gets it, so it must be a plain host with a port.
    """
    missing = [part for part in ("{z}", "{x}", "{y}") if part not in address]
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    host = f"[{host}]" if ":" in host else host
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host) or "@" in parts.netloc or missing:
        raise QueryError(
            f"--map-tiles: {address!r} is not an address of map tiles; give one as http://localhost:8080/{{z}}/{{x}}/{{y}}.png"
        )
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}"
