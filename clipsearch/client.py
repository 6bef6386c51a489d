"""A client of clipsearch's server, `clipsearch serve`: the same questions and answers as SearchEngine's.

    with Client("http://127.0.0.1:8100") as client:
        for hit in client.search("a dog on a beach", top_k=5):
            print(hit.rank, hit.score, hit.path)

It needs nothing but Python's own http.client: that is quick to import, takes no proxy between, and few requests are made.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from clipsearch._internal.untrusted_files import parse_json
from clipsearch.errors import ClipsearchError, ClipsearchWarning, ImageError, QueryError
from clipsearch.query.hits import Explanation, Hits
from clipsearch.query.json_form import condition_to_json, query_to_json
from clipsearch.query.language import parse_query
from clipsearch.render.json_output import failure_from_json, hit_from_json, photo_from_json
from clipsearch.types import Failure, Fingerprint, ImageRecord, Query, Term

if TYPE_CHECKING:
    from PIL.Image import Image

    from clipsearch.indexing.status import Status
    from clipsearch.types import Condition

MOST_BYTES = 64 * 1024**2  # that a server takes of a picture
_ERRORS: dict[str, type[ClipsearchError]] = {
    "bad-query": QueryError,
    "bad-parameter": QueryError,
    "unknown-parameter": QueryError,
    "no-picture": ImageError,
}


class Client:
    """A server, by its address. Use as a context manager, or call `close`. It belongs to one thread at a time.

    `token` is what the server asks for, if it does; the address may have it at its end, as `clipsearch serve` opens it. An
    answer takes at most `timeout` seconds. Every method raises ClipsearchError with the server's own sentence, or with one that
    says that there is no server; QueryError and ImageError where the question is what is wrong.
    """

    def __init__(self, url: str, token: str | None = None, *, timeout: float = 60.0) -> None:
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise ClipsearchError(f"{url} is no address of a server ({error})") from error
        if parts.scheme not in ("http", "https") or not host or parts.username is not None:
            raise ClipsearchError(f"{url} is no address of a server; give one such as http://127.0.0.1:8100")
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self.is_local = _is_loopback(host)
        self._base = parts.path.rstrip("/")
        self._headers = {"Clipsearch-Client": "python", "Accept-Encoding": "identity"}
        if token := token or parse_qs(parts.query).get("token", [None])[0]:
            if not (token.isascii() and token.isprintable()):
                raise ClipsearchError(
                    "a server's token has only letters, digits and signs of ASCII; this one has others"
                )
            self._headers["Authorization"] = f"Bearer {token}"
            if parts.scheme == "http" and not self.is_local:
                warnings.warn(f"the token goes to {host} unencrypted, for all on the way to read", ClipsearchWarning, 2)
        self._connection: http.client.HTTPConnection
        if parts.scheme == "https":
            self._connection = http.client.HTTPSConnection(host, port, timeout=timeout)
        else:
            self._connection = http.client.HTTPConnection(host, port, timeout=timeout)

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def search(self, query: str | os.PathLike[str] | Image | Query, top_k: int = 10) -> Hits:
        """The `top_k` photos nearest to a text, a picture (a Path or PIL image; it is uploaded), or a Query.

        As SearchEngine.search, to the last digit; the Query's filters name folders as the server's machine does.
        """
        wanted = parse_query(query)
        return self._search(wanted, query_to_json(wanted, top_k, self._upload))

    def similar(
        self,
        image: int | os.PathLike[str] | Image,
        top_k: int = 10,
        *,
        filters: Sequence[Condition] = (),
        offset: int = 0,
        diverse: bool = False,
    ) -> Hits:
        """Photos that look like an indexed one, by its id, or like a picture. The photo itself and its copies are left out."""
        if not isinstance(image, int):
            return self.search(Query((Term(image),), tuple(filters), offset=offset, diverse=diverse), top_k)
        wanted = Query((), tuple(filters), offset=offset, diverse=diverse)
        return self._search(wanted, {**query_to_json(wanted, top_k, self._upload), "terms": [{"id": image}]})

    def images(
        self,
        filters: Sequence[Condition] = (),
        *,
        sort: Literal["date", "name"] = "date",
        offset: int = 0,
        top_k: int = 50,
    ) -> tuple[list[ImageRecord], int]:
        """Photos without a query, the newest first or by name; and how many meet the filters."""
        parameters = {"sort": sort, "offset": str(offset), "top_k": str(top_k), **_filters(filters)}
        answer = self._json("GET", "/api/images", parameters)
        return [photo_from_json(photo) for photo in answer["images"]], int(answer["considered"])

    def image(self, image_id: int) -> ImageRecord:
        """One photo."""
        return photo_from_json(self._json("GET", f"/api/images/{image_id}"))

    def file(self, image_id: int) -> bytes:
        """A photo as a browser gets it: the file itself, or a JPEG made of it."""
        return self._request("GET", f"/api/images/{image_id}/file")

    def thumbnail(self, image_id: int, size: Literal[256, 512, 1024] = 256) -> bytes:
        """A photo in a square of so many pixels, as WebP or JPEG."""
        return self._request("GET", f"/api/thumbnails/{image_id}", {"size": str(size)})

    def status(self) -> Status:
        """What is indexed, by which model. The folders are not compared with the disk."""
        from clipsearch.indexing.status import RootStatus, Status
        from clipsearch.store.approximate.folder import ApproximateStatus

        answer = self._json("GET", "/api/status")
        answer.pop("stale", None)
        model = Fingerprint(**answer.pop("model")) if answer["model"] else answer.pop("model")
        roots = tuple(RootStatus(**root) for root in answer.pop("roots"))
        about = answer.pop("approximate", None)
        return Status(**answer, model=model, roots=roots, approximate=ApproximateStatus(**about) if about else None)

    def failures(self) -> list[Failure]:
        """The files that could not be indexed, and why."""
        answer = self._json("GET", "/api/failures")["failures"]
        return [failure_from_json(failure) for failure in answer]

    def facets(self, filters: Sequence[Condition] = ()) -> dict[str, dict[str, int]]:
        """How many photos there are: {"year": {"2024": 17, ...}, "camera": ..., ...}."""
        answer = self._json("GET", "/api/facets", _filters(filters))["facets"]
        return {by: {one["value"]: one["images"] for one in counts} for by, counts in answer.items()}

    def start_index(self, folders: Sequence[str] = ()) -> dict[str, Any]:
        """Have the server index again what is indexed, or some of those folders; how the job is, as `index_job`."""
        return dict(self._json("POST", "/api/index", body={"folders": list(folders)} if folders else {})["job"])

    def index_job(self) -> dict[str, Any]:
        """How the indexing is: "state" (idle, running, done, failed, cancelled), "done", "total", "added", ..."""
        return self._json("GET", "/api/index")

    def cancel_index(self) -> dict[str, Any]:
        """End the indexing soon; what is finished is kept."""
        return self._json("DELETE", "/api/index")

    def _search(self, query: Query, body: dict[str, Any]) -> Hits:
        answer = self._json("POST", "/api/search", body=body)
        about = answer["explanation"]
        explanation = Explanation(
            **{field.name: about[field.name] for field in fields(Explanation) if field.name in about}
        )
        return Hits(map(hit_from_json, answer["hits"]), query, explanation)

    def _upload(self, term: Term) -> str:
        """Send the picture of a term; its token."""
        content = term.content
        name = f"{os.fspath(content)}: " if isinstance(content, os.PathLike) else ""
        try:
            too_large = isinstance(content, os.PathLike) and Path(content).stat().st_size > MOST_BYTES
            body = b"" if too_large else _picture_bytes(content)
        except OSError as error:
            raise ImageError(f"{name}{error.strerror or error}") from error
        if too_large or len(body) > MOST_BYTES:
            raise ImageError(f"{name}it is larger than the {MOST_BYTES // 1024**2} MB that a server takes")
        try:
            answer = self._json("POST", "/api/uploads", body=body)
        except ImageError as error:
            raise ImageError(f"{name}{error}") from error
        return str(answer["token"])

    def _json(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str] | None = None,
        *,
        body: bytes | dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        data = self._request(method, path, parameters, body)
        try:
            return dict(parse_json(data))
        except (ValueError, TypeError) as error:
            raise ClipsearchError(f"{self.url} is no clipsearch server, or one that is damaged") from error

    def _request(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str] | None = None,
        body: bytes | dict[str, Any] | None = None,
    ) -> bytes:
        address = quote(self._base) + path + (f"?{urlencode(parameters)}" if parameters else "")
        headers = dict(self._headers)
        if body is not None:
            headers["Content-Type"] = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        if isinstance(body, dict):
            try:
                body = json.dumps(body, allow_nan=False).encode()
            except ValueError:
                raise QueryError("the query has a number that is not finite") from None
        try:
            response, data = self._exchange(method, address, body, headers)
        except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: a host that no name can be
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise ClipsearchError(
                f"no clipsearch server answers at {self.url} ({reason}); start one with: `clipsearch serve`"
            ) from error
        if response.getheader("Clipsearch-Api") is None:
            raise ClipsearchError(f"what answers at {self.url} is no clipsearch server")
        if response.status >= 300:
            if response.status == 405 or (response.status == 422 and b"'filters'" in data):
                raise ClipsearchError(
                    f"the clipsearch server at {self.url} is older than this client and cannot answer it; upgrade the server"
                )
            raise _error(response.status, data)
        return data

    def _exchange(
        self, method: str, address: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """One request; again where the server had closed the connection that was kept from the one before."""
        kept = self._connection.sock is not None
        try:
            try:
                self._connection.request(method, address, body, headers)
                response = self._connection.getresponse()
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self._connection.close()
                if not kept:
                    raise
                self._connection.request(method, address, body, headers)
                response = self._connection.getresponse()
            return response, response.read()
        except BaseException:  # a Ctrl-C, too, leaves half an answer in it
            self._connection.close()
            raise


def _error(status: int, data: bytes) -> ClipsearchError:
    try:
        said = parse_json(data)["error"]
        kind, text = _ERRORS.get(said["code"], ClipsearchError), str(said["message"])
    except (ValueError, TypeError, KeyError):
        return ClipsearchError(f"the server refused, without saying why (HTTP {status})")
    return kind(text)


def _filters(filters: Sequence[Condition]) -> dict[str, str]:
    """Filters as a parameter of GET: JSON, in which names that are not UTF-8 are escaped."""
    return {"filters": json.dumps([condition_to_json(condition) for condition in filters])} if filters else {}


def _picture_bytes(content: Any) -> bytes:
    """A picture as a file's bytes: those of a path, or a PNG of a PIL image."""
    if isinstance(content, os.PathLike):
        return Path(content).read_bytes()
    from clipsearch.images.reader import to_rgb  # Pillow: not for a text query

    file = io.BytesIO()
    to_rgb(content).save(file, format="PNG")
    return file.getvalue()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
