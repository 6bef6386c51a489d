"""A client of the server that `clipsearch serve` runs. It searches like SearchEngine and finds the same.

    with Client("http://127.0.0.1:8100") as client:
        for hit in client.search("a dog on a beach", top_k=5):
            print(hit.rank, hit.score, hit.path)

It uses Python's own http.client, which imports quickly and ignores proxies.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import os
import re
import ssl
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from http import HTTPStatus
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeAlias, TypeVar, get_args
from urllib.parse import SplitResult, parse_qs, quote, urlencode, urlsplit

from clipsearch._internal.arguments import (
    as_flag,
    as_whole,
    is_whole,
    require_list,
    require_number,
    require_one_of,
    require_paths,
    require_text,
    require_whole,
    short,
)
from clipsearch._internal.untrusted_files import parse_json
from clipsearch.conditions import Condition
from clipsearch.errors import ClipsearchError, ClipsearchWarning, ImageError, QueryError, UnknownAlbum
from clipsearch.query.hits import Explanation, Hits, QueryNote, in_order
from clipsearch.query.json_form import FARTHEST, FARTHEST_CHOSEN, MOST_HITS, condition_to_json, request_body
from clipsearch.query.keywords import SearchKeywords, make_query, with_mark_ids
from clipsearch.query.language import EMPTY
from clipsearch.query.photo_ids import Photo, is_same_file, photo_id, record_of
from clipsearch.query.sentences.understood import Understood
from clipsearch.render.json_output import failure_from_json, hit_from_json, photo_from_json
from clipsearch.store.albums import check_name
from clipsearch.terms import Content, Query, Term, empty_picture, is_picture
from clipsearch.types import Failure, Fingerprint, Hit, ImageRecord, Order

if TYPE_CHECKING:
    from PIL.Image import Image
    from typing_extensions import Unpack

    from clipsearch.indexing.status import Status

_MOST_NAMED = 5  # ids in a message
_MOST_IDS = 200  # in a request for photos
_LARGEST_ID = 10**18 - 1  # in such a request
_Body: TypeAlias = "bytes | dict[str, Any] | None"
_T = TypeVar("_T")

_NEW_FIELDS = (
    b"'filters'",
    b"one_per_shot",
    b"all_moments",
    b"smart",
    b"hybrid",
)  # which an older server does not know
_LONGEST_ADDRESS = 2000  # characters
_NO_HOST = re.compile(r"[^\w.\-\x80-\U0010ffff]", re.ASCII)  # a character that no host's name has
_LONGEST = 86_400.0  # seconds that an answer may take: a day
MOST_BYTES = 64 * 1024**2  # of a picture; servers refuse more
_ERRORS: dict[str, type[ClipsearchError]] = {
    "bad-query": QueryError,
    "bad-parameter": QueryError,
    "unknown-parameter": QueryError,
    "no-picture": ImageError,
    "no-such-album": UnknownAlbum,
}


class Client:
    """A server at an address. Use as a context manager, or call `close`. It belongs to one thread at a time.

    An address without a scheme is taken as http, and one without a port has port 80, or 443 for https, as in a browser.
    `token` is the server's token, if it has one; the address may also end with `?token=...`. An answer may take `timeout`
    seconds. Every method raises ClipsearchError with the server's message, or if no server answers or it is too old; QueryError
    and ImageError if the query or its picture is wrong. Photos and failures are as SearchEngine gives them, but their files
    have no time: `file.mtime_ns` is 0. For a hit or record, the server is asked whether it has this photo under its id;
    QueryError if it has another there.
    """

    def __init__(self, url: str, token: str | None = None, *, timeout: float = 60.0) -> None:
        if not isinstance(url, str):
            raise TypeError(f"url must be the address of a server (str), not {short(url)}")
        if not (token is None or isinstance(token, str)):
            raise TypeError(f"token must be a text (str) or None, not {short(token)}")
        require_number("timeout", timeout, 0.001, _LONGEST)
        parts = _parts_of(url)
        host = str(parts.hostname)
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self.is_local = is_loopback(host)
        self._base = parts.path.rstrip("/")
        self._headers = {"Clipsearch-Client": "python", "Accept-Encoding": "identity"}
        if token := token or parse_qs(parts.query).get("token", [None])[0]:
            if not (token.isascii() and token.isprintable()):
                raise QueryError("this token is not a server's: those have only ASCII letters, digits and signs")
            self._headers["Authorization"] = f"Bearer {token}"
            if parts.scheme == "http" and not self.is_local:
                warnings.warn(f"the token travels to {host} unencrypted, so others can read it", ClipsearchWarning, 2)
        is_encrypted = parts.scheme == "https"
        connection = http.client.HTTPSConnection if is_encrypted else http.client.HTTPConnection
        self._connection: http.client.HTTPConnection = connection(host, parts.port, timeout=timeout)

    def __reduce__(self) -> NoReturn:
        """Have multiprocessing, joblib and the like say what to do."""
        raise ClipsearchError("a Client cannot be copied or sent to another process; make one there, and send its url")

    def __repr__(self) -> str:
        """The server's address, without its token."""
        return f"<{type(self).__name__} of {self.url}>"

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def search(self, query: Content | Query | None = None, top_k: int = 10, **keywords: Unpack[SearchKeywords]) -> Hits:
        """Find the `top_k` photos nearest to a text, a picture (a Path or PIL image), an embedding or a Query.

        An embedding is float32 (dim,). Keywords are those of SearchEngine.search, and hits and scores are its own, to the
        last digit, or to the eighth if a text was encoded together with many others. The `query` of the hits is the one that
        was asked, also if it is `smart`. Pictures are uploaded. Folders in filters are folders of the server's machine. A
        server gives at most 1,000 photos at once; more come by one request after another. It skips at most 100,000 photos, and
        takes texts of at most 2,000 characters; QueryError for more.
        """
        top_k = as_whole("top_k", top_k)
        wanted = make_query(query, with_mark_ids(keywords, self._ids))
        if not wanted.terms and not wanted.filters:
            raise QueryError(EMPTY)
        return self._search(wanted, top_k, request_body(wanted, min(top_k, MOST_HITS), self._upload))

    def similar(
        self,
        image: Photo | os.PathLike[str] | Image,
        top_k: int = 10,
        *,
        filters: Sequence[Condition] = (),
        offset: int = 0,
        diverse: bool = False,
    ) -> Hits:
        """Find photos that look like an indexed photo, given by its id or a hit, or like a picture.

        It and its copies are left out.
        """
        top_k = as_whole("top_k", top_k)
        if isinstance(image, str):
            raise TypeError(f"an image is an id (int), a hit or a picture (a Path or PIL image), not {short(image)}")
        content: Any = image
        if not (is_whole(image) or record_of(image)):
            return self.search(Query((Term(content),), _several(filters), offset=offset, diverse=diverse), top_k)
        wanted = Query((), _several(filters), offset=offset, diverse=diverse)
        body = request_body(wanted, min(top_k, MOST_HITS), self._upload)
        return self._search(wanted, top_k, {**body, "terms": [{"id": self._id(content)}]})

    def images(
        self, filters: Sequence[Condition] = (), *, sort: Order = "date", offset: int = 0, top_k: int = 50
    ) -> tuple[list[ImageRecord], int]:
        """List photos without a query, newest first, oldest first or by name: `top_k` after the first `offset`.

        Returns them, and how many there are in all.
        """
        require_one_of("sort", sort, get_args(Order))
        require_whole("offset", offset, 0)
        require_whole("top_k", top_k, 1)
        parameters = {"sort": sort, "offset": str(offset), "top_k": str(top_k), **_filters(filters)}
        answer = self._json("GET", "/api/images", parameters)
        return [photo_from_json(photo) for photo in answer["images"]], int(answer["considered"])

    def image(self, image_id: Photo) -> ImageRecord:
        """One photo by its id, as it is now in the index if a hit or a record is given."""
        return photo_from_json(self._json("GET", f"/api/images/{self._id(image_id)}"))

    def file(self, image_id: Photo) -> bytes:
        """A photo or film as a browser gets it: the bytes of its file, or of a JPEG made from the photo, or from its page."""
        return self._request("GET", f"/api/images/{self._id(image_id)}/file")

    def original(self, image_id: Photo) -> bytes:
        """The bytes of a photo's or film's own file, whatever its format."""
        return self._request("GET", f"/api/images/{self._id(image_id)}/original")

    def download(
        self, image_ids: Iterable[Photo], kind: Literal["zip", "gallery", "sheet"] = "zip", title: str = "photos"
    ) -> bytes:
        """Photos as one file: their own files in a zip archive, a gallery as an HTML page, or a contact sheet as a PDF.

        ClipsearchError if one of the ids is no photo's.
        """
        require_one_of("kind", kind, ("zip", "gallery", "sheet"))
        require_text("title", title)
        ids = self._ids(require_list("ids", image_ids, "numbers or hits"))
        if not ids:
            raise QueryError("there are no ids; give at least one")
        body = {"ids": ids, "kind": kind, "title": title}
        answer = self._json("POST", "/api/downloads", body=body)
        if missing := answer.get("missing"):  # servers of an earlier version do not tell
            more = f" and {len(missing) - _MOST_NAMED:,} others" if len(missing) > _MOST_NAMED else ""
            raise ClipsearchError(f"there is no photo {', '.join(map(str, missing[:_MOST_NAMED]))}{more} in the index")
        return self._request("GET", f"/api/downloads/{answer['token']}")

    def thumbnail(self, image_id: Photo, size: Literal[256, 512, 1024] = 256) -> bytes:
        """A small picture of a photo, at most `size` pixels wide and high, as the bytes of a JPEG."""
        require_one_of("size", size, (256, 512, 1024))
        return self._request("GET", f"/api/thumbnails/{self._id(image_id)}", {"size": str(size)})

    def status(self) -> Status:
        """What is indexed and by which model. The folders are not compared with the disk."""
        from clipsearch.indexing.status import RootStatus, Status
        from clipsearch.store.approximate.index import ApproximateStatus

        answer = self._json("GET", "/api/status")
        answer["model"] = answer["model"] and _known(Fingerprint, answer["model"])
        answer["roots"] = tuple(_known(RootStatus, root) for root in answer["roots"])
        answer["approximate"] = answer.get("approximate") and _known(ApproximateStatus, answer["approximate"])
        return _known(Status, answer)

    def failures(self) -> list[Failure]:
        """The files that could not be indexed, with the reasons."""
        return [failure_from_json(failure) for failure in self._json("GET", "/api/failures")["failures"]]

    def facets(self, filters: Sequence[Condition] = ()) -> dict[str, dict[str, int]]:
        """The number of photos by year, camera, keyword and so on: {"year": {"2024": 17, ...}, "camera": ..., ...}."""
        answer = self._json("GET", "/api/facets", _filters(filters))["facets"]
        return {by: {count["value"]: count["images"] for count in counts} for by, counts in answer.items()}

    def albums(self) -> dict[str, list[int]]:
        """The albums, favourites first: their names and the ids of their photos."""
        return {album["name"]: album["ids"] for album in self._json("GET", "/api/albums")["albums"]}

    def change_album(self, name: str, *, add: Iterable[Photo] = (), remove: Iterable[Photo] = ()) -> list[int]:
        """Add photos to an album, or take some out. A new name makes a new album. Returns the ids of its photos."""
        check_name(name)
        added, removed = (require_list("ids", photos, "numbers or hits") for photos in (add, remove))
        body = {"add": self._ids(added), "remove": self._ids(removed)}
        return list(self._json("POST", f"/api/albums/{quote(name, safe='')}", body=body)["ids"])

    def rename_album(self, name: str, new_name: str) -> None:
        """Give an album another name; its photos stay in it."""
        check_name(name)
        check_name(new_name)
        self._json("POST", f"/api/albums/{quote(name, safe='')}", body={"name": new_name})

    def duplicates(self, filters: Sequence[Condition] = (), *, exact_only: bool = False) -> dict[str, Any]:
        """Photos that are copies of each other: "groups", each with "best" and "copies", and "copies", "bytes", "failures".

        It may take longer than other answers: give the client a larger `timeout` for a large library.
        """
        only_exact = str(as_flag("exact_only", exact_only)).lower()
        return self._json("GET", "/api/duplicates", {"only_exact": only_exact, **_filters(filters)})

    def start_index(self, folders: Sequence[str | os.PathLike[str]] = ()) -> dict[str, Any]:
        """Let the server update its index, all of it or some of its folders; returns the job, as `index_job` does."""
        named = require_list("folders", folders, "paths on the server's machine")
        require_paths("a folder", named)
        body = {"folders": list(map(os.fspath, named))} if named else {}
        return dict(self._json("POST", "/api/index", body=body)["job"])

    def index_job(self) -> dict[str, Any]:
        """The state of the indexing: "state" (idle, running, done, failed, cancelled), "done", "total", "added", ..."""
        return self._json("GET", "/api/index")

    def cancel_index(self) -> dict[str, Any]:
        """Stop the indexing soon. What is finished is kept."""
        return self._json("DELETE", "/api/index")

    def _id(self, photo: Photo) -> int:
        (number,) = self._ids([photo])
        return number

    def _ids(self, photos: Sequence[Photo], name: str = "a photo") -> list[int]:
        """The ids of photos. QueryError for a hit or record if the server has another photo under its id."""
        ids = [photo_id(photo, name) for photo in photos]
        records = [record for photo in photos if (record := record_of(photo))]
        given = sorted({record.image_id for record in records if 0 < record.image_id <= _LARGEST_ID})
        known: dict[int, ImageRecord] = {}
        for start in range(0, len(given), _MOST_IDS):
            wanted = ",".join(map(str, given[start : start + _MOST_IDS]))
            for photo in self._json("GET", "/api/photos", {"ids": wanted})["images"]:
                known[photo["id"]] = photo_from_json(photo)
        for record in records:
            if not is_same_file(record, known.get(record.image_id, record)):
                raise QueryError(
                    f"{record.file.path} is not the photo {record.image_id} of the server's index; give a photo that a search "
                    "of this server has found"
                )
        return ids

    def _search(self, query: Query, top_k: int, body: dict[str, Any]) -> Hits:
        """`top_k` hits. What a server does not give at once comes page by page; no photo twice, even if the index changes."""
        found = self._page(query, body)
        if top_k <= MOST_HITS or not found:
            return found
        pages, about = [found], found.explanation
        is_chosen = query.diverse or query.min_match is not None  # then a page may be short and not be the last one
        farthest = FARTHEST_CHOSEN if is_chosen or (query.one_per_shot and not body["terms"]) else FARTHEST
        count = len(found)
        while count < top_k and (is_chosen or len(pages[-1]) == MOST_HITS):
            offset = query.offset + count
            if not query.all_moments and offset >= about.considered:
                break
            if offset > farthest:
                raise QueryError(
                    f"`top_k` is {top_k}; of this query, a server gives at most the first {offset:,} photos"
                )
            page = self._page(query, {**body, "offset": offset, "top_k": min(MOST_HITS, top_k - count)})
            if not page:
                break
            pages.append(page)
            count += len(page)
        by_id: dict[int, Hit] = {}
        for hit in chain.from_iterable(pages):
            by_id.setdefault(hit.record.image_id, hit)
        hits = list(by_id.values())
        seconds = {stage: sum(page.explanation.seconds.get(stage, 0.0) for page in pages) for stage in about.seconds}
        scanned = sum(page.explanation.bytes_scanned for page in pages)
        about = replace(about, seconds=seconds, bytes_scanned=scanned)
        return Hits(in_order(hits, query.sort) if query.terms else hits, query, about)

    def _page(self, query: Query, body: dict[str, Any]) -> Hits:
        answer = self._json("POST", "/api/search", body=body)
        values = answer["explanation"]
        values["notes"] = tuple(_known(QueryNote, note) for note in values.get("notes", ()))
        values["understood"] = values.get("understood") and Understood.from_json(values["understood"])
        values["own_photos"] = tuple(map(photo_from_json, values.get("own_photos", ())))
        return Hits(map(hit_from_json, answer["hits"]), query, _known(Explanation, values))

    def _upload(self, term: Term) -> str:
        """Send the picture of a term; returns its token."""
        content = term.content
        name = f"{os.fspath(content)}: " if isinstance(content, os.PathLike) else ""
        try:
            too_large = isinstance(content, os.PathLike) and Path(content).stat().st_size > MOST_BYTES
            body = b"" if too_large else _picture_bytes(content)
        except (OSError, ValueError) as error:  # ValueError: a PIL image that was closed
            raise ImageError(f"{name}{getattr(error, 'strerror', None) or error}") from error
        if too_large or len(body) > MOST_BYTES:
            raise ImageError(f"{name}it is larger than {MOST_BYTES // 1024**2} MB, which a server refuses")
        try:
            answer = self._json("POST", "/api/uploads", body=body)
        except ImageError as error:
            raise ImageError(f"{name}{error}") from error
        return str(answer["token"])

    def _json(
        self, method: str, path: str, parameters: Mapping[str, str] | None = None, *, body: _Body = None
    ) -> dict[str, Any]:
        data = self._request(method, path, parameters, body)
        try:
            return dict(parse_json(data))
        except (ValueError, TypeError) as error:
            raise ClipsearchError(f"{self.url} is not a clipsearch server, or its answer is damaged") from error

    def _request(
        self, method: str, path: str, parameters: Mapping[str, str] | None = None, body: _Body = None
    ) -> bytes:
        address = quote(self._base, safe="/%") + path + (f"?{urlencode(parameters)}" if parameters else "")
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
        except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: an impossible host name
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise ClipsearchError(self._no_answer(error, reason)) from error
        if response.getheader("Clipsearch-Api") is None:
            raise ClipsearchError(f"{self.url} is not a clipsearch server")
        if response.status >= 300:
            if response.status == 405 or (response.status == 422 and any(name in data for name in _NEW_FIELDS)):
                raise ClipsearchError(
                    f"the clipsearch server at {self.url} is older than this client and cannot answer it; upgrade the server"
                )
            if response.status == HTTPStatus.UNAUTHORIZED:
                raise ClipsearchError(self._no_entry())
            raise _error(response.status, data)
        return data

    def _no_answer(self, error: Exception, reason: str) -> str:
        """Why no server has answered, and what to do."""
        start = f"no clipsearch server answers at {self.url}"
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"{start}: its certificate is not trusted on this machine ({error.verify_message})"
        if isinstance(error, ssl.SSLError):
            return f"{start}: what answers there does not speak https; try http{self.url.removeprefix('https')}"
        return f"{start} ({reason}); start one with: `clipsearch serve`"

    def _no_entry(self) -> str:
        """What to do about a token that is missing or wrong."""
        if "Authorization" in self._headers:
            return (
                f"the token is wrong: it is not that of the server at {self.url}; check CLIPSEARCH_TOKEN, or in Python what "
                "Client(url, token=...) gets"
            )
        return (
            f"the server at {self.url} needs its token: set CLIPSEARCH_TOKEN, or in Python use Client(url, token=...)"
        )

    def _exchange(
        self, method: str, address: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """Send one request; again if the server has closed the connection of the request before."""
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
        except BaseException:  # also Ctrl-C leaves half an answer in the connection
            self._connection.close()
            raise


def _parts_of(url: str) -> SplitResult:
    """The parts of a server's address. QueryError, without its secrets, if no server can have it."""
    text = url.strip()
    text = text if "://" in text else f"http://{text}"
    reason = ""
    try:
        if not text.isprintable():  # urlsplit would leave out line breaks
            reason = "it has a character that no address has"
        elif len(text) > _LONGEST_ADDRESS:
            reason = f"it has more than {_LONGEST_ADDRESS:,} characters"
        parts = urlsplit(text)
        host = parts.hostname or ""
        if parts.port == 0:
            reason = "no server has port 0"
        elif ":" not in host and (wrong := _NO_HOST.search(host)):
            reason = f"no host has {wrong[0]!r} in its name"
        elif parts.username is not None:
            reason = "a user and a password have no use in it; a server has a token"
        elif ":" not in host:
            host.encode("idna")  # as a connection does
    except UnicodeError:
        reason = "a part of the host's name is empty, too long or impossible"
    except ValueError as error:
        reason = str(error)
    if reason or parts.scheme not in ("http", "https") or not host:
        shown = re.sub(r"//[^/?#]*@", "//", text).partition("?")[0]
        shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
        because = f" ({reason})" if reason else ""
        raise QueryError(
            f"{repr(shown)[1:-1]} is not the address of a server{because}; give one like http://127.0.0.1:8100"
        )
    return parts


def _known(kind: type[_T], values: Mapping[str, Any]) -> _T:
    """A dataclass from an object of JSON, without the keys that only newer servers have."""
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in values.items() if name in names})


def _error(status: int, data: bytes) -> ClipsearchError:
    try:
        error = parse_json(data)["error"]
        message = str(error["message"]).removeprefix("the body's ")  # which the caller did not write
        return _ERRORS.get(error["code"], ClipsearchError)(message)
    except (ValueError, TypeError, KeyError):
        return ClipsearchError(f"the server refused the request without a reason (HTTP {status})")


def _filters(filters: Sequence[Condition]) -> dict[str, str]:
    """Filters as a parameter of GET: JSON, in which names that are not UTF-8 are escaped."""
    conditions = _several(filters)
    return {"filters": json.dumps([condition_to_json(condition) for condition in conditions])} if conditions else {}


def _several(filters: Sequence[Condition]) -> tuple[Condition, ...]:
    """Filters as a query has them. QueryError for all but a list of conditions."""
    return Query((), filters).filters  # type: ignore[arg-type]  # it takes lists, too


def _picture_bytes(content: Any) -> bytes:
    """A picture as a file's bytes: those of a path, or a PNG of a PIL image."""
    if isinstance(content, os.PathLike):
        return Path(content).read_bytes()
    from PIL.Image import fromarray  # not for a text query

    from clipsearch.images.orientation import upright_rgb
    from clipsearch.images.thumbnails import encoded

    if is_picture(content):
        if not content.size:
            raise ImageError(empty_picture(content.shape[1], content.shape[0]))
        content = fromarray(content)
    if not all(content.size):
        raise ImageError(empty_picture(*content.size))
    return encoded(upright_rgb(content), "PNG")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server at this host."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
