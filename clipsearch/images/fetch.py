"""Download a picture that a query names, within limits of size and time, and never from a private network."""

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
"""For the whole download, from finding the server to the last byte."""

_MAX_REDIRECTIONS = 5
_BLOCK = 1 << 16
_SAFE = "%/:?#[]@!$&'()*+,;=~"  # kept in an address besides ASCII's letters; others become %XX
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # ends with the IPv4 address that the network translates to


def fetch_image(url: str, *, max_bytes: int = MAX_BYTES, seconds: float = SECONDS) -> bytes:
    """Download the bytes behind an http(s) address; they need not be a picture. ImageError if that fails.

    Each name is resolved once, checked, and connected to by its address. So neither a redirection nor a name that resolves
    differently the second time leads into a private network. Proxies are not used.
    """
    deadline = time.monotonic() + seconds
    try:
        for _ in range(_MAX_REDIRECTIONS + 1):
            outcome = _get(urlsplit(url), max_bytes, deadline)
            if isinstance(outcome, bytes):
                return outcome
            url = urljoin(url, outcome)
    except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: not an address
        reason = "it took too long" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
        raise ImageError(f"{url} cannot be downloaded: {reason}", "access") from error
    raise ImageError(f"{url} cannot be downloaded: more than {_MAX_REDIRECTIONS} redirections", "access")


def _get(url: SplitResult, max_bytes: int, deadline: float) -> bytes | str:
    """The bytes, or the address that the server redirects to."""
    connection = _connect(url, deadline)
    # A socket's timeout restarts with each piece, so a server that sends one now and then could go on for ever.
    watch = threading.Timer(_left(deadline), _hang_up, [connection.sock])
    watch.start()
    try:
        target = quote((url.path or "/") + (f"?{url.query}" if url.query else ""), safe=_SAFE)
        connection.request("GET", target, headers={"User-Agent": "clipsearch", "Accept": "image/*"})
        response = connection.getresponse()
        if response.status in (301, 302, 303, 307, 308) and response.getheader("Location"):
            return quote(str(response.getheader("Location")), safe=_SAFE, encoding="latin-1")  # the bytes as sent
        if response.status != 200:
            raise ValueError(f"the server answers {response.status} {response.reason}")
        data = bytearray()
        while block := response.read1(_BLOCK):
            data += block
            if len(data) > max_bytes:
                raise ValueError(f"it is larger than {max_bytes / 1e6:.0f} MB")
        _left(deadline)
        if response.length:
            raise ValueError("the connection broke off")
        return bytes(data)
    except (OSError, http.client.HTTPException):
        _left(deadline)  # raises TimeoutError if we hung up
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
    connection.sock = stream  # http.client uses it, and sends the host's name
    return connection


def _public_address(host: str, port: int) -> str:
    """The first address of a host. ValueError if any of its addresses is private."""
    addresses = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for address in addresses:
        if not _is_public(address.partition("%")[0]):
            what = address if address == host else f"{host} is {address}, which"
            raise ValueError(f"{what} belongs to a private network")
    return addresses[0]


def _is_public(address: str) -> bool:
    """Whether an address is public. For an IPv6 address that embeds an IPv4 address, both must be."""
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
