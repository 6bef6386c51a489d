"""What a run of indexing did, and how it tells of its progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from clipsearch.types import Failure, SkipReason


@dataclass(slots=True)
class SyncReport:
    """What a run did."""

    added: int = 0
    updated: int = 0
    moved: int = 0
    copied: int = 0  # of `added` and `updated`: content known already (copies, touched files), not embedded again
    removed: int = 0  # photos whose files are gone, left out by the rules, or cannot be decoded any more
    failed: int = 0  # in this run
    kept: int = 0  # of `failed`: photos that are indexed already, and stay in the index as they were
    withheld: int = 0  # of `kept`: their files are broken, but too many would leave the index without `prune`
    known_failures: int = 0  # not tried again: they have not changed
    unchanged: int = 0
    waiting: int = 0  # written a moment ago, and left for a later run
    others: int = 0
    placeholders: int = 0  # only in a cloud, and not read
    unreadable: list[Failure] = field(default_factory=list)
    interrupted: bool = False
    left: int = 0  # files not reached before the run was cancelled
    seconds: float = 0.0  # walk, model and all
    skipped: dict[str, int] = field(default_factory=dict)  # suffix → how many of `others`, most first; "" for no suffix
    links: int = 0  # links to folders, which are not followed
    left_alone: int = 0  # folders of deleted or derived pictures, or of the machine itself, which are not walked
    exclude: list[str] = field(default_factory=list)  # the patterns that the walked folders exclude
    no_longer_excluded: list[str] = field(default_factory=list)  # the patterns that this run has taken back
    excluded: dict[str, int] = field(default_factory=dict)  # suffix → files that `exclude` leaves out, most first
    excluded_folders: dict[str, int] = field(
        default_factory=dict
    )  # name → folders that `exclude` leaves out, most first
    own: int = 0  # pictures that clipsearch made from photos, and does not index
    left_out: dict[SkipReason, int] = field(
        default_factory=dict
    )  # of `removed`: reason → photos that the rules leave out now
    former_model: str | None = None  # if the index has changed its model in this run: the one before
    kept_index: str | None = None  # the folder of the index before, if it was kept
    facts: int = 0  # unchanged photos whose facts were read again, because a file beside them or the reader has changed
    next_model: str | None = None  # the model that the index is being changed to, which is not finished
    read: int = 0  # photos whose text was looked for in this run
    with_text: int = 0  # of `read`
    not_read: int = 0  # photos whose text could not be read now
    not_read_reason: str = ""  # of the last of these
    no_index: bool = False  # there was nothing to keep in a new index, so none was made

    @property
    def found_nothing(self) -> bool:
        """Whether nothing was found that an index keeps: no photo, and no file that could not be read."""
        kept = (self.added, self.unchanged, self.moved, self.failed, self.known_failures, self.unreadable, self.waiting)
        return not any(kept) and not self.interrupted


IndexProgress = Callable[[SyncReport, int, int], None]
"""Called with the report so far, the number of files that are finished, and the number of all."""
