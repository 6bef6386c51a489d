"""What can go wrong, as types.

ClipsearchError              anything a user can act on; the message says what, where and what to do next
├── Cancelled                the caller asked the work to stop
├── ImageError               a file cannot be read as a photo
├── DecodersUnavailable      no process that decodes photos can run now
├── ModelError               a model cannot be found, fetched or loaded
│   └── UnknownModel         there is no model of this name (also a QueryError)
├── QueryError               a query that asks for nothing or cannot be understood, or another value that makes no sense
│   └── UnknownAlbum         the index has no album of this name
├── StorageError             what is stored elsewhere cannot be reached
├── SidecarError             keywords cannot be written next to a photo
├── SyncRefused              a run would lose too much of an index to go on without being told to
└── CollectionError          something about an index
    ├── CollectionNotFound   there is no index here
    ├── CollectionBusy       another process is writing to it
    ├── CollectionDamaged    what is on disk is not what was written
    │   └── CatalogUnreadable  and nothing of it can be kept
    ├── ModelMismatch        the index was made with another model
    └── StoreUnreachable     the vector database does not answer
"""

from __future__ import annotations

from typing import Literal, TypeAlias

Cause: TypeAlias = Literal["content", "pixels", "bytes", "memory", "time", "crash", "access", "incomplete"]
"""Why a file could not be read as a photo, or not to its end.

content     the file's bytes are not a picture that today's decoders read
pixels      it has more pixels than allowed
bytes       it is larger than allowed
memory      decoding it needs more memory than allowed
time        decoding it took longer than allowed
crash       the decoding process died
access      its bytes could not be had: no permission, a failing or slow drive, a file that is being written or locked
incomplete  the file ends before the picture does; it is indexed as far as it goes
"""


class ClipsearchError(Exception):
    """Anything a user can act on."""


class Cancelled(ClipsearchError):
    """The caller asked long work to stop, by its CancelToken. What was finished before is kept where the work says so."""


class ImageError(ClipsearchError):
    """A file cannot be read as a photo; the message is the reason, without the path, and `cause` is its kind."""

    def __init__(self, reason: str, cause: Cause = "content") -> None:
        super().__init__(reason)
        self.cause = cause


class DecodersUnavailable(ClipsearchError):
    """No process that decodes photos can run now: memory, threads or processes are short. No photo is to blame."""


class ModelError(ClipsearchError):
    """A model cannot be found, fetched or loaded."""


class QueryError(ClipsearchError):
    """A query that asks for nothing or cannot be understood, or another value that makes no sense."""


class UnknownModel(ModelError, QueryError):
    """No folder here and no model on the hub has this name."""


class UnknownAlbum(QueryError):
    """The index has no album of this name. It is `name`; "" if a server says so."""

    def __init__(self, message: str, name: str = "") -> None:
        super().__init__(message)
        self.name = name


class SidecarError(ClipsearchError):
    """Keywords cannot be written next to a photo; the message is the reason, without the path. Nothing was changed."""


class StorageError(ClipsearchError):
    """What is stored elsewhere cannot be reached."""


class SyncRefused(ClipsearchError):
    """A run would lose too much of an index to go on without being told to."""


class CollectionError(ClipsearchError):
    """Something about an index."""


class CollectionNotFound(CollectionError):
    """There is no index here."""


class CollectionBusy(CollectionError):
    """Another process is writing to the index."""


class CollectionDamaged(CollectionError):
    """What is on disk is not what was written."""


class CatalogUnreadable(CollectionDamaged):
    """Nothing can be read of an index's catalog, so nothing of it can be kept. The message has `reason` and `advice`."""

    def __init__(self, message: str, reason: str = "", advice: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.advice = advice


class ModelMismatch(CollectionError):
    """The index was made with another model."""


class StoreUnreachable(CollectionError):
    """The vector database does not answer."""


class ClipsearchWarning(UserWarning):
    """Something worth knowing that stops nothing: a text cut short, a model chosen for want of a better one."""


def one_line(error: BaseException, most: int = 300) -> str:
    """A library's error message on one line, cut to `most` characters; its class, if it has no message."""
    return " ".join(str(error).split())[:most] or type(error).__name__
