"""What a store holds."""

from __future__ import annotations

from dataclasses import dataclass

from clipsearch.milvus.address import parse_address
from clipsearch.milvus.store import StoreReader
from clipsearch.types import Fingerprint


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """A store, as its published version says it is."""

    store: str
    server: str  # and its version
    model: Fingerprint
    images: int
    failures: int  # files that the index could not read
    photo_bytes: int
    version: int
    pushed_at: str  # ISO 8601
    outdated: int  # rows that await their deletion: a push was interrupted, or goes on
    unpublished: int  # rows that nobody sees yet
    roots: tuple[str, ...]  # on the machine that pushed


def store_status(address: str) -> StoreStatus:
    """The status of the store at an address. CollectionNotFound where nothing was pushed there."""
    with StoreReader(parse_address(address)) as reader:
        return reader.at_one_state(lambda: _read(reader))


def _read(reader: StoreReader) -> StoreStatus:
    manifest, table = reader.manifest, reader.table
    born = table.count(f"row > 0 and born <= {manifest.version}")
    return StoreStatus(
        store=reader.name,
        server=table.server,
        model=manifest.fingerprint,
        images=manifest.count,
        failures=manifest.failures,
        photo_bytes=manifest.photo_bytes,
        version=manifest.version,
        pushed_at=manifest.pushed_at,
        outdated=born - manifest.count,
        unpublished=table.count("row > 0") - born,
        roots=tuple(manifest.roots.values()),
    )
