"""A picture from the web, for a query that asks for it: capped in size and time, and never from this machine's own network."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from clipsearch.errors import ImageError

MAX_BYTES = 50 * 1024 * 1024
SECONDS = 20.0
"""For everything: finding the server, redirections, and the last byte."""

_REDIRECTIONS = 5
_BLOCK = 1 << 16
_SAFE = "%/:?#[]@!$&'()*+,;=~"  # in an address, beside ASCII's letters; all others are written as %XX
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # at its end is an address of IPv4, which such a network sends one to


def fetch_image(url: str, *, max_bytes: int = MAX_BYTES, seconds: float = SECONDS) -> bytes:
    """The bytes behind an http(s) address, which may be no picture at all. ImageError says why there are none.

    Every name is resolved here and the connection goes to just that address, so that none can lead to a private network: not by
    a redirection, and not by a name that resolves to another address the second time. Proxies are not used.
    """
    deadline = time.monotonic() + seconds
    try:
        for _ in range(_REDIRECTIONS + 1):
            outcome = _get(urlsplit(url), max_bytes, deadline)
            if isinstance(outcome, bytes):
                return outcome
            url = urljoin(url, outcome)
    except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: an address that cannot be one
        reason = "it took too long" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
        raise ImageError(f"{url} cannot be downloaded: {reason}", "access") from error
    raise ImageError(f"{url} cannot be downloaded: more than {_REDIRECTIONS} redirections", "access")


def _get(url: SplitResult, max_bytes: int, deadline: float) -> bytes | str:
    """The bytes, or the address that the server sends one to."""
    connection = _connect(url, deadline)
    # A timeout of the socket's is for each piece that comes, and a server may send a piece now and then for ever.
    watch = threading.Timer(_left(deadline), _hang_up, [connection.sock])
    watch.start()
    try:
        target = quote((url.path or "/") + (f"?{url.query}" if url.query else ""), safe=_SAFE)
        connection.request("GET", target, headers={"User-Agent": "clipsearch", "Accept": "image/*"})
        answer = connection.getresponse()
        if answer.status in (301, 302, 303, 307, 308) and answer.getheader("Location"):
            return quote(str(answer.getheader("Location")), safe=_SAFE, encoding="latin-1")  # bytes of it, as they came
        if answer.status != 200:
            raise ValueError(f"the server answers {answer.status} {answer.reason}")
        data = bytearray()
        while block := answer.read1(_BLOCK):
            data += block
            if len(data) > max_bytes:
                raise ValueError(f"it is larger than {max_bytes / 1e6:.0f} MB")
        _left(deadline)
        if answer.length:
            raise ValueError("the connection broke off")
        return bytes(data)
    except (OSError, http.client.HTTPException):
        _left(deadline)  # too long, if it was we who hung up
        raise
    finally:
        watch.cancel()
        connection.close()


def _hang_up(stream: socket.socket) -> None:
    with contextlib.suppress(OSError):
        stream.shutdown(socket.SHUT_RDWR)


def _connect(url: SplitResult, deadline: float) -> http.client.HTTPConnection:
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError("only http and https addresses can be")
    port = url.port or (443 if url.scheme == "https" else 80)
    connection = http.client.HTTPConnection(url.hostname, port)
    address = _public_address(url.hostname, port)
    stream = socket.create_connection((address, port), timeout=_left(deadline))
    if url.scheme == "https":
        stream = ssl.create_default_context().wrap_socket(stream, server_hostname=url.hostname)
    connection.sock = stream  # http.client keeps to it, and writes the name into the request
    return connection


def _public_address(host: str, port: int) -> str:
    """The first address of a host. ValueError if any of its addresses is not for all the world."""
    found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for address in found:
        if not _is_public(address.partition("%")[0]):
            raise ValueError(f"{host} is {address}, which belongs to a private network")
    return found[0]


def _is_public(address: str) -> bool:
    """Whether an address is for all the world; one of IPv6 that stands for one of IPv4, if both are."""
    whole = ipaddress.ip_address(address)
    inside = whole.sixtofour if isinstance(whole, ipaddress.IPv6Address) else None
    if whole in _NAT64:
        inside = ipaddress.IPv4Address(int(whole) & 0xFFFFFFFF)
    return whole.is_global and (inside is None or inside.is_global)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
