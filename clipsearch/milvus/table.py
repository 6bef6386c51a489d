"""A collection of Milvus, as a table of rows with vectors. The only user of pymilvus."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clipsearch.errors import ClipsearchError, CollectionError, StoreUnreachable
from clipsearch.milvus.address import StoreAddress
from clipsearch.milvus.manifest import Manifest, newest
from clipsearch.milvus.rows import NOTE, VECTOR
from clipsearch.types import Embeddings, Scores

MOST_FOUND = 16_384
"""Rows that one search finds, Milvus's own limit."""

LEASES = -(2**40)
"""Rows below this number are leases; above it, and below 0, manifests and their parts; above 0, photos."""

_MANIFESTS = f"row < 0 and row > {LEASES}"

_PATIENCE = 10.0  # seconds to wait for a connection
_CERTIFICATES = (
    "; where an authority of your own signed its certificate, name that file in GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
)
_WORD = 8  # characters below which a secret may be a part of other words
_UNBORN = 2**62  # a note is born by no version
_AT_ONCE = 4 * 1024**2  # bytes of vectors that are sent together; a server takes 64 MB
_SHORT, _LONG, _LONGEST = 2048, 16_384, 65_535  # characters
_WHOLE = (
    "born", "image_id", "row_check", "vector_check", "root", "size", "mtime_ns", "width", "height", "pixels", "shape",
)  # fmt: skip
_TEXTS = {
    "folder": _LONG, "folder_folded": _LONG, "name": _SHORT, "name_folded": _SHORT, "format": _SHORT, "camera": _LONG,
    "taken": _SHORT, "content": 64, "caption": _LONG, "caption_folded": _LONG, NOTE: _LONGEST,
}  # fmt: skip
_NO_PHOTO: dict[str, Any] = {
    **dict.fromkeys(_WHOLE, 0),
    **dict.fromkeys(_TEXTS, ""),
    "latitude": 0.0,
    "longitude": 0.0,
    "born": _UNBORN,
}


class Table:
    """Rows of photos and notes, in one collection of a server or of Milvus Lite. It connects when it is first used.

    Every call waits for the address's timeout at most. StoreUnreachable where nobody answers, CollectionError where the store
    refuses.
    """

    def __init__(self, address: StoreAddress) -> None:
        self.address = address
        self._timeout = address.timeout
        self._opened: Any = None
        self._dim = 0  # of its vectors, once it was found to be there

    def close(self) -> None:
        """Let go of the connection."""
        if self._opened is not None:
            self._opened.close()
        self._opened = None

    @property
    def infix(self) -> bool:
        """Whether LIKE finds what is in the middle of a text: Milvus from 2.4 on."""
        found = re.match(r"v?(\d+)\.(\d+)", self.server)
        return self.address.is_local or bool(found and (int(found[1]), int(found[2])) >= (2, 4))

    @property
    def server(self) -> str:
        """The server's version."""
        if self.address.is_local:
            return "Milvus Lite"
        with self._our_words():
            return str(self._client.get_server_version(timeout=self._timeout))

    def exists(self) -> bool:
        """Whether there is such a collection, ready to be asked. CollectionError where it is none of clipsearch's."""
        name, timeout = self.address.collection, self._timeout
        if self._dim:
            return True
        if self.address.is_local and not Path(self.address.uri).exists():  # or Milvus Lite would make it
            return False
        with self._our_words():
            if not self._client.has_collection(name, timeout=timeout):
                return False
            fields = {
                field["name"]: field for field in self._client.describe_collection(name, timeout=timeout)["fields"]
            }
        if fields.keys() != {"row", "latitude", "longitude", VECTOR, *_WHOLE, *_TEXTS}:
            raise CollectionError(f"{self.address} is not a collection that clipsearch made; name another one")
        with self._our_words():
            if not self._client.list_indexes(name, timeout=timeout):  # whoever made it was killed before it was whole
                return False
            self._client.load_collection(name, timeout=timeout)
            self._dim = int(fields[VECTOR]["params"]["dim"])
        return True

    def create(self, dim: int) -> None:
        """Make the collection for vectors of this dimension, or finish it, with a FLAT index: whatever it finds is exact."""
        from pymilvus import DataType, MilvusClient

        with self._our_words():
            schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
            schema.add_field("row", DataType.INT64, is_primary=True)
            for name in _WHOLE:
                schema.add_field(name, DataType.INT64)
            for name, longest in _TEXTS.items():
                schema.add_field(name, DataType.VARCHAR, max_length=longest)
            for name in ("latitude", "longitude"):
                schema.add_field(name, DataType.DOUBLE)
            schema.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=dim)
            index = self._client.prepare_index_params()
            index.add_index(field_name=VECTOR, index_type="FLAT", metric_type="IP")
            if not self._client.has_collection(self.address.collection, timeout=self._timeout):
                self._client.create_collection(
                    self.address.collection,
                    schema=schema,
                    consistency_level="Strong",
                    num_shards=1,
                    timeout=self._timeout,
                )
            self._client.create_index(self.address.collection, index, timeout=self._timeout)

    def drop(self) -> None:
        """Delete the collection, and all that is in it."""
        with self._our_words():
            self._client.drop_collection(self.address.collection, timeout=self._timeout)
        self._dim = 0

    def insert(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows, whose numbers are new.

        Where an answer is lost, pymilvus sends them again, and a server that inserts them a second time has them twice.
        """
        if not rows:
            return
        captions = 2 * max(len(row["caption"]) for row in rows)
        some = max(1, _AT_ONCE // (4 * len(rows[0][VECTOR]) + captions + 1024))
        for start in range(0, len(rows), some):
            with self._our_words():
                self._client.upsert(
                    self.address.collection, [dict(row) for row in rows[start : start + some]], timeout=self._timeout
                )

    def insert_notes(self, notes: Mapping[int, str]) -> None:
        """Add notes under their numbers, which are below 0 and new, to a collection that is there."""
        self.exists()
        vector = np.eye(1, self._dim, dtype=np.float32)[0]
        self.insert([{**_NO_PHOTO, "row": number, NOTE: text, VECTOR: vector} for number, text in notes.items()])

    def delete(self, numbers: Sequence[int]) -> None:
        """Remove rows by their numbers; those that are not there are passed over."""
        for start in range(0, len(numbers), _SHORT):
            with self._our_words():
                self._client.delete(
                    self.address.collection,
                    ids=[int(number) for number in numbers[start : start + _SHORT]],
                    timeout=self._timeout,
                )

    @property
    def written_at(self) -> int:
        """The store's own timestamp of what was written last from here; 0 where it cannot be told, and readers see to it."""
        try:
            from pymilvus.client.ts_utils import get_collection_ts

            handler = self._client._get_connection()
            return int(get_collection_ts(self.address.collection, handler.server_address, self.address.database) or 0)
        except (ImportError, AttributeError, TypeError):  # none of these is promised to stay
            return 0

    def query(self, expression: str, fields: Sequence[str], *, after: int = 0) -> list[dict[str, Any]]:
        """The rows that an expression holds of, in no order."""
        with self._our_words():
            found = self._client.query(
                self.address.collection,
                filter=expression,
                output_fields=list(fields),
                timeout=self._timeout,
                **_seeing(after),
            )
            return [dict(row) for row in found]

    def count(self, expression: str, *, after: int = 0) -> int:
        """How many rows an expression holds of."""
        with self._our_words():
            found = self._client.query(
                self.address.collection,
                filter=expression,
                output_fields=["count(*)"],
                timeout=self._timeout,
                **_seeing(after),
            )
            return int(found[0]["count(*)"])

    def search(
        self, queries: Embeddings, expression: str, count: int, fields: Sequence[str], *, after: int = 0
    ) -> list[tuple[Scores, list[dict[str, Any]]]]:
        """For each of the queries (n, dim), at most `count` rows by their inner product in float32, the highest first."""
        with self._our_words():
            answers = self._client.search(
                self.address.collection, data=[query.tolist() for query in queries], filter=expression, limit=count,
                output_fields=list(fields), search_params={"metric_type": "IP", "params": {}}, anns_field=VECTOR,
                timeout=self._timeout, **_seeing(after),
            )  # fmt: skip
            return [
                (np.array([hit["distance"] for hit in hits], np.float64), [dict(hit["entity"]) for hit in hits])
                for hits in answers
            ]

    def notes(self, expression: str) -> list[tuple[int, str]]:
        """The numbers and texts of notes."""
        return [(int(row["row"]), str(row[NOTE])) for row in self.query(expression, ("row", NOTE))]

    def manifest(self) -> Manifest | None:
        """What is published; None where nothing is."""
        return newest(dict(self.notes(_MANIFESTS))) if self.exists() else None

    def publish(self, manifest: Manifest) -> None:
        """Make a manifest the one that counts, then remove those before it."""
        notes = manifest.to_notes()
        for number, text in notes.items():  # one by one: together they may be more than a server takes
            self.insert_notes({number: text})
        there = [int(row["row"]) for row in self.query(_MANIFESTS, ("row",))]
        self.delete([number for number in there if number not in notes])

    @property
    def _client(self) -> Any:
        if self._opened is None:
            try:
                from pymilvus import MilvusClient
            except ImportError as error:
                raise ClipsearchError("a store needs pymilvus: pip install 'clipsearch[milvus]'") from error
            for name in ("pymilvus", "milvus_lite"):  # they print what is raised here as well
                logging.getLogger(name).setLevel(logging.CRITICAL + 1)
            address = self.address
            options = {} if address.is_local else {"token": address.token, "db_name": address.database}
            self._opened = MilvusClient(uri=address.uri, timeout=min(self._timeout, _PATIENCE), **options)
        return self._opened

    @contextlib.contextmanager
    def _our_words(self) -> Iterator[None]:
        """What pymilvus and grpc raise, in our words and without secrets."""
        try:
            yield
        except ClipsearchError:
            raise
        except Exception as error:
            raise self._as_ours(error) from None  # the cause may have the token in it

    def _as_ours(self, error: Exception) -> ClipsearchError:
        text = str(getattr(error, "message", "") or error)
        for secret in _secrets(self.address.token):
            edge = r"\b" if secret.isalnum() and len(secret) < _WORD else ""  # or it would be found within other words
            text = re.sub(f"{edge}{re.escape(secret)}{edge}", "***", text)
        text = " ".join(text.split())[:300]
        if "open local milvus failed" in text.lower():
            text = f"another process has it open, or nothing can be written there: {text}"
        lower = f"{type(error).__name__} {text}".lower()
        if any(word in lower for word in ("unavailable", "connect", "deadline", "timeout", "timed out", "handshake")):
            more = _CERTIFICATES if self.address.uri.startswith("https:") else ""
            return StoreUnreachable(f"the store {self.address} does not answer ({text}){more}")
        return CollectionError(f"the store {self.address} refuses ({text})")


def _secrets(token: str) -> list[str]:
    """What of USER:PASSWORD, or of another token, is in no message."""
    return [secret for secret in (token, token.partition(":")[2]) if secret]


def _seeing(after: int) -> dict[str, Any]:
    """How much of what was written a call must see: all, or what was written by a timestamp of the store."""
    if after:
        return {"consistency_level": "Customized", "guarantee_timestamp": after}
    return {"consistency_level": "Strong"}
