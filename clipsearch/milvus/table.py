"""A collection of Milvus, as a table of rows with vectors. Only this module uses pymilvus."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from clipsearch.errors import ClipsearchError, CollectionError, StoreUnreachable
from clipsearch.milvus.address import StoreAddress
from clipsearch.milvus.filters import EVERYTHING, FIRST_PICTURE, among, both
from clipsearch.milvus.manifest import Manifest, newest
from clipsearch.milvus.rows import CHECK_FIELDS, NOTE, VECTOR, numbers_from, picture_id
from clipsearch.types import Embeddings, Scores

logger = logging.getLogger(__name__)

MAX_HITS = 16_384
"""Rows that one search may return, Milvus's own limit."""

MAX_IDS = 2000
"""Ids in one expression or call."""

LEASES_BELOW = -(2**40)
"""Rows below this number are leases. From here to 0 are manifests and their parts, above 0 photos."""

_MANIFESTS = f"row < 0 and row > {LEASES_BELOW}"

_LACKING = "a store needs pymilvus: pip install 'clipsearch[milvus]'"
_CONNECT_SECONDS = 10.0
_CERTIFICATES = "; if your own authority signed its certificate, name that file in GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
_SHORT_SECRET = 8  # characters below which a secret may be a part of other words
_NEVER = 2**62  # notes are born by a version that never comes
_INSERT_BYTES = 4 * 1024**2  # of vectors in one call; a server takes 64 MB
_SCAN_ROWS, _SCAN_LONG_ROWS = 8192, 2048  # in one call: some megabytes, and 33 MB of the longest captions
_MOST_RANGES = 200  # of row numbers, in one expression
_IDS_END = 2**31  # every image's id is below it
_SHORT, _LONG, _LONGEST = 2048, 16_384, 65_535  # characters
_INTEGERS = (*CHECK_FIELDS[1:], "root", "size", "mtime_ns", "width", "height", "pixels", "shape")
_TEXTS = {
    **dict.fromkeys(("name", "name_folded", "format", "taken"), _SHORT),
    **dict.fromkeys(("folder", "folder_folded", "camera", "caption", "caption_folded"), _LONG),
    "content": 64,
    NOTE: _LONGEST,
}
_NO_PHOTO: dict[str, Any] = {
    **dict.fromkeys(_INTEGERS, 0),
    **dict.fromkeys(_TEXTS, ""),
    "latitude": 0.0,
    "longitude": 0.0,
    "born": _NEVER,
}


class Table:
    """The rows of photos and notes in one collection of a server or of Milvus Lite. It connects when it is first used.

    Every call waits for the address's timeout at most. StoreUnreachable if nothing answers, CollectionError if the store
    refuses the call.
    """

    def __init__(self, address: StoreAddress) -> None:
        self.address = address
        self._timeout = address.timeout
        self._connection: Any = None
        self._dim = 0  # of its vectors, once the collection is known to exist

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    @property
    def has_infix_like(self) -> bool:
        """Whether LIKE finds what is in the middle of a text: Milvus from 2.4 on."""
        version = re.match(r"v?(\d+)\.(\d+)", self.server)
        return self.address.is_local or bool(version and (int(version[1]), int(version[2])) >= (2, 4))

    @property
    def server(self) -> str:
        """The server's version."""
        if self.address.is_local:
            return "Milvus Lite"
        with self._translated_errors():
            return str(self._client.get_server_version(timeout=self._timeout))

    def exists(self) -> bool:
        """Whether the collection exists and is loaded. CollectionError if clipsearch did not make it."""
        if self._dim:
            return True
        if self.address.is_local and not Path(self.address.uri).exists():  # or Milvus Lite would make it
            return False
        if not self._call("has_collection"):
            return False
        fields = {field["name"]: field for field in self._call("describe_collection")["fields"]}
        if fields.keys() != {"row", "latitude", "longitude", VECTOR, *_INTEGERS, *_TEXTS}:
            raise CollectionError(f"{self.address} is not a collection that clipsearch made; name another one")
        if not self._call("list_indexes"):  # the push that made the collection was killed before it was whole
            return False
        self._call("load_collection")
        self._dim = int(fields[VECTOR]["params"]["dim"])
        return True

    def create(self, dim: int) -> None:
        """Make the collection for vectors of this dimension, or finish making it. Its index is FLAT, so its hits are exact."""
        pymilvus = _pymilvus()
        types = pymilvus.DataType
        schema = pymilvus.MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("row", types.INT64, is_primary=True)
        for name in _INTEGERS:
            schema.add_field(name, types.INT64)
        for name, longest in _TEXTS.items():
            schema.add_field(name, types.VARCHAR, max_length=longest)
        for name in ("latitude", "longitude"):
            schema.add_field(name, types.DOUBLE)
        schema.add_field(VECTOR, types.FLOAT_VECTOR, dim=dim)
        if not self._call("has_collection"):
            self._call("create_collection", schema=schema, consistency_level="Strong", num_shards=1)
        index = pymilvus.MilvusClient.prepare_index_params()
        index.add_index(field_name=VECTOR, index_type="FLAT", metric_type="IP")
        self._call("create_index", index)

    def drop(self) -> None:
        """Delete the collection with all its rows."""
        self._call("drop_collection")
        self._dim = 0

    def insert(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows, whose numbers must be new.

        pymilvus sends rows again if an answer is lost. A plain insert would then store them twice, so this is an upsert.
        """
        if not rows:
            return
        texts = max(2 * len(row["caption"]) + len(row[NOTE]) for row in rows)
        count = max(1, _INSERT_BYTES // (4 * len(rows[0][VECTOR]) + texts + 1024))
        for start in range(0, len(rows), count):
            block = [dict(row) for row in rows[start : start + count]]
            self._call("upsert", block)

    def insert_notes(self, notes: Mapping[int, str]) -> None:
        """Add notes to a collection that exists, under their numbers, which must be below 0 and new."""
        self.exists()
        vector = np.eye(1, self._dim, dtype=np.float32)[0]
        self.insert([{**_NO_PHOTO, "row": number, NOTE: text, VECTOR: vector} for number, text in notes.items()])

    def delete(self, numbers: Sequence[int]) -> None:
        """Remove rows by their numbers; numbers without a row are ignored."""
        for start in range(0, len(numbers), MAX_IDS):
            self._call("delete", ids=[int(number) for number in numbers[start : start + MAX_IDS]])

    @property
    def written_at(self) -> int:
        """The store's own timestamp of the last write from here; 0 if it is not known, then readers wait for all writes."""
        try:
            from pymilvus.client.ts_utils import get_collection_ts

            handler = self._client._get_connection()
            return int(get_collection_ts(self.address.collection, handler.server_address, self.address.database) or 0)
        except (ImportError, AttributeError, TypeError) as error:  # this is not a public interface of pymilvus
            logger.info("pymilvus does not say when it wrote (%s); readers will ask for strong consistency", error)
            return 0

    def query(self, expression: str, fields: Sequence[str], *, after: int = 0) -> list[dict[str, Any]]:
        """The rows that an expression holds for, in no order. It sees at least what was written by the timestamp `after`."""
        rows = self._call("query", filter=expression, output_fields=list(fields), **_consistency(after))
        return [dict(row) for row in rows]

    def count(self, expression: str, *, after: int = 0) -> int:
        """How many rows an expression holds for."""
        return int(self.query(expression, ["count(*)"], after=after)[0]["count(*)"])

    def fetch(
        self, column: str, numbers: Sequence[int], fields: Sequence[str], *, within: str = EVERYTHING, after: int = 0
    ) -> Iterator[dict[str, Any]]:
        """The rows whose column has one of some numbers, among those that the expression `within` holds for."""
        for start in range(0, len(numbers), MAX_IDS):
            expression = both(within, among(column, numbers[start : start + MAX_IDS]))
            yield from self.query(expression, fields, after=after)

    def fetch_pictures(
        self, ids: Sequence[int], fields: Sequence[str], *, within: str = EVERYTHING, after: int = 0
    ) -> Iterator[dict[str, Any]]:
        """The rows of pictures by their ids (ascending), which may be any of a file's, among those of `within`."""
        first = set()
        for row in self.fetch("image_id", ids, fields, within=both(within, FIRST_PICTURE), after=after):
            first.add(picture_id(row["row"]))
            yield row
        later = [image_id for image_id in ids if image_id not in first]
        for start in range(0, len(later), _MOST_RANGES):
            ranges = [
                f"(row >= {numbers_from(image_id)} and row < {numbers_from(image_id + 1)})"
                for image_id in later[start : start + _MOST_RANGES]
            ]
            yield from self.query(both(within, " or ".join(ranges)), fields, after=after)

    def scan(self, expression: str, fields: Sequence[str], *, after: int = 0) -> Iterator[list[dict[str, Any]]]:
        """The rows that an expression holds for, in blocks, by the ids of their pictures.

        Milvus neither sorts nor returns so many rows at once. So each block is a range of ids, which grows where ids are rare.
        """
        usual = _SCAN_LONG_ROWS if VECTOR in fields or "caption" in fields else _SCAN_ROWS
        fields = fields if "row" in fields else ("row", *fields)
        low, width = 1, usual
        while low < _IDS_END:
            end = min(low + width, _IDS_END)
            block = both(expression, f"row >= {numbers_from(low)} and row < {numbers_from(end)}")
            if width > usual and self.count(block, after=after) > usual:
                width //= 2
                continue
            rows = self.query(block, fields, after=after)
            if rows:
                yield sorted(rows, key=lambda row: int(row["row"]))
            low += width
            if len(rows) < width // 2:
                if not self.count(both(expression, f"row >= {numbers_from(low)}"), after=after):
                    return
                width *= 2

    def search(
        self, queries: Embeddings, expression: str, count: int, fields: Sequence[str], *, after: int = 0
    ) -> list[tuple[Scores, list[dict[str, Any]]]]:
        """For each of the queries (n, dim), at most `count` rows by their inner product in float32, the highest first."""
        answers = self._call(
            "search",
            data=[query.tolist() for query in queries],
            filter=expression,
            limit=count,
            output_fields=list(fields),
            search_params={"metric_type": "IP", "params": {}},
            anns_field=VECTOR,
            **_consistency(after),
        )
        return [
            (np.array([hit["distance"] for hit in hits], np.float64), [dict(hit["entity"]) for hit in hits])
            for hits in answers
        ]

    def notes(self, expression: str) -> list[tuple[int, str]]:
        """The numbers and texts of notes."""
        return [(int(row["row"]), str(row[NOTE])) for row in self.query(expression, ("row", NOTE))]

    def manifest(self) -> Manifest | None:
        """The manifest of the published version; None if nothing was published."""
        return newest(dict(self.notes(_MANIFESTS))) if self.exists() else None

    def publish(self, manifest: Manifest) -> None:
        """Make a manifest the current one, then remove earlier ones."""
        notes = manifest.to_notes()
        for number, text in notes.items():  # one by one: together they may be more than a server takes
            self.insert_notes({number: text})
        stored = [int(row["row"]) for row in self.query(_MANIFESTS, ("row",))]
        self.delete([number for number in stored if number not in notes])

    def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of pymilvus for this collection."""
        with self._translated_errors():
            call = getattr(self._client, method)
            return call(self.address.collection, *arguments, timeout=self._timeout, **options)

    @property
    def _client(self) -> Any:
        if self._connection is None:
            pymilvus, address = _pymilvus(), self.address
            for name in ("pymilvus", "milvus_lite"):  # they also print the errors that they raise
                logging.getLogger(name).setLevel(logging.CRITICAL + 1)
            logger.debug("connecting to %s", address)
            options = {} if address.is_local else {"token": address.token, "db_name": address.database}
            seconds = min(self._timeout, _CONNECT_SECONDS)
            self._connection = pymilvus.MilvusClient(uri=address.uri, timeout=seconds, **options)
        return self._connection

    @contextlib.contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Errors of pymilvus and grpc become ClipsearchErrors without secrets."""
        try:
            yield
        except ClipsearchError:
            raise
        except Exception as error:
            raise self._translate(error) from None  # the cause may contain the token

    def _translate(self, error: Exception) -> ClipsearchError:
        text = str(getattr(error, "message", "") or error)
        token = self.address.token  # perhaps USER:PASSWORD
        for secret in filter(None, (token, token.partition(":")[2])):
            edge = r"\b" if secret.isalnum() and len(secret) < _SHORT_SECRET else ""
            text = re.sub(f"{edge}{re.escape(secret)}{edge}", "***", text)
        text = " ".join(text.split())[:300]
        if "open local milvus failed" in text.lower():
            text = f"another process has it open, or nothing can be written there: {text}"
        lower = f"{type(error).__name__} {text}".lower()
        if any(word in lower for word in ("unavailable", "connect", "deadline", "timeout", "timed out", "handshake")):
            advice = _CERTIFICATES if self.address.uri.startswith("https:") else ""
            return StoreUnreachable(f"the store {self.address} does not answer ({text}){advice}")
        return CollectionError(f"the store {self.address} refuses ({text})")


def _consistency(after: int) -> dict[str, Any]:
    """How much a call must see: everything, or what was written by a timestamp of the store."""
    if after:
        return {"consistency_level": "Customized", "guarantee_timestamp": after}
    return {"consistency_level": "Strong"}


def require_pymilvus() -> None:
    """Raise ClipsearchError if pymilvus is not installed."""
    if find_spec("pymilvus") is None:
        raise ClipsearchError(_LACKING)


def _pymilvus() -> Any:
    try:
        import pymilvus
    except ImportError as error:
        raise ClipsearchError(_LACKING) from error
    return pymilvus
