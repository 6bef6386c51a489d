"""Explain why a hub did not give a model, from an error of urllib or huggingface_hub, and what to do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from clipsearch.errors import one_line

HUB = "https://huggingface.co"
_OFFLINE_VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_YES = frozenset({"1", "ON", "YES", "TRUE"})
_MOST_CAUSES = 20  # length of an error's chain of causes


class OfflineSetting(ConnectionError):
    """A variable of the environment forbids asking the hub."""


@dataclass(frozen=True, slots=True)
class HubTrouble:
    """The two halves of a message: the event, and what to do about it."""

    reason: str
    advice: str


def endpoint() -> str:
    """The hub's address: HF_ENDPOINT, or the public hub."""
    return os.environ.get("HF_ENDPOINT", HUB).rstrip("/")


def offline_variable() -> str | None:
    """The variable of the environment that forbids asking the hub, if one does."""
    return next((name for name in _OFFLINE_VARIABLES if os.environ.get(name, "").upper() in _YES), None)


def hub_trouble(error: BaseException, model: str) -> HubTrouble | None:
    """The meaning of an error of a request for a model; None if its kind is not known."""
    import socket  # a query does not need these two
    import ssl

    causes = list(_causes(error))
    kinds = {type(cause).__name__ for cause in causes}
    hub = urlsplit(endpoint()).netloc or endpoint()
    if kinds & {"OfflineSetting", "OfflineModeIsEnabled"}:
        variable = offline_variable() or _OFFLINE_VARIABLES[0]
        return HubTrouble(f"{variable} is set, so the hub is not asked", f"unset {variable}")
    if any("CERTIFICATE_VERIFY_FAILED" in str(cause) for cause in causes):
        reasons = [cause.verify_message for cause in causes if isinstance(cause, ssl.SSLCertVerificationError)]
        reason = reasons[0] if reasons else "it cannot be verified"
        return HubTrouble(
            f"the certificate of {hub} is not trusted here ({reason})",
            "if a proxy of your network opens encrypted connections, name the file of its certificate in SSL_CERT_FILE",
        )
    if "GatedRepoError" in kinds:
        return HubTrouble(
            f"{model} needs an account that accepted its terms",
            f"accept them at {HUB}/{model}, and log in with `hf auth login`",
        )
    if (status := http_status(error)) is not None:
        return _of_status(status, model, hub)
    proxy = _proxy()
    if "ProxyError" in kinds or any("unnel connection failed" in str(cause) for cause in causes):
        return HubTrouble(f"the proxy {proxy} does not lead to {hub} ({_last(causes)})", _proxy_advice(hub))
    if any(isinstance(cause, TimeoutError) or "Timeout" in type(cause).__name__ for cause in causes):
        through = f", asked through the proxy {proxy}," if proxy else ""
        return HubTrouble(f"{hub}{through} did not answer in time", "try again later, or from another network")
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return HubTrouble(
            f"no encrypted connection to {hub} can be made ({_last(causes)})", "check HF_ENDPOINT and the proxy"
        )
    if kinds & {"ConnectError", "ConnectionError"} or any(
        isinstance(cause, ConnectionError | socket.gaierror) for cause in causes
    ):
        if proxy:
            return HubTrouble(f"the proxy {proxy} cannot be reached ({_last(causes)})", _proxy_advice(hub))
        return HubTrouble(
            f"{hub} cannot be reached ({_last(causes)})",
            "go online, or name the proxy of your network in HTTPS_PROXY",
        )
    return None


def _of_status(status: int, model: str, hub: str) -> HubTrouble | None:
    """The meaning of an HTTP status of the hub."""
    if status == 401:
        return HubTrouble(
            f"{hub} does not show {model} without a login, or refuses your token (HTTP 401)",
            "check the name; for a private model, log in with `hf auth login`, and check HF_TOKEN",
        )
    if status == 403:
        return HubTrouble(
            f"{hub} does not let you download {model} (HTTP 403)",
            f"ask for access at {HUB}/{model}, and log in with `hf auth login`",
        )
    if status == 404 and endpoint() != HUB:
        return HubTrouble(
            f"the mirror {hub}, which HF_ENDPOINT names, does not have {model} (HTTP 404)",
            "unset HF_ENDPOINT to ask the public hub, or name another mirror",
        )
    if status == 407:
        return HubTrouble(f"the proxy {_proxy()} wants a login (HTTP 407)", _proxy_advice(hub))
    if status == 429:
        return HubTrouble(
            f"{hub} has had too many requests from here (HTTP 429)", "wait some minutes, or log in with `hf auth login`"
        )
    if status >= 500:
        return HubTrouble(f"{hub} is out of order (HTTP {status})", "try again later")
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error, and those it was raised from, the outermost first."""
    cause: BaseException | None = error
    for _ in range(_MOST_CAUSES):
        if cause is None:
            return
        yield cause
        reason = getattr(cause, "reason", None)  # of urllib's URLError
        cause = cause.__cause__ or (reason if isinstance(reason, BaseException) else None) or cause.__context__


def http_status(error: BaseException) -> int | None:
    """An error's HTTP status. urllib's errors have it themselves; huggingface_hub's errors have the response."""
    for cause in _causes(error):
        status = getattr(cause, "code", None) or getattr(getattr(cause, "response", None), "status_code", None)
        if isinstance(status, int):
            return status
    return None


def _last(causes: list[BaseException]) -> str:
    """The innermost error, in its own words."""
    return getattr(causes[-1], "strerror", None) or one_line(causes[-1]) or type(causes[-1]).__name__


def _proxy() -> str:
    """The address of the proxy for requests to the hub, without its password; "" without a proxy."""
    from urllib.request import getproxies, proxy_bypass

    address = urlsplit(endpoint())
    proxy = getproxies().get(address.scheme) or getproxies().get("all") or ""
    return "" if proxy_bypass(address.netloc) else (urlsplit(proxy).netloc or proxy).rpartition("@")[2]


def _proxy_advice(hub: str) -> str:
    return f"check HTTPS_PROXY, which may need a name and password, or add {hub} to NO_PROXY"
