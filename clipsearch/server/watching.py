"""`serve --watch`: the index is kept up to date while it is served, by a thread that has jobs done after changes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from clipsearch._internal.cancel import CancelToken
from clipsearch.errors import ClipsearchError
from clipsearch.indexing.watch import Watch
from clipsearch.server.jobs import Jobs

_PAUSE = 1.0  # seconds after a job that was cancelled


class Watching:
    """Watches the indexed folders until `close`. `notice` gets a sentence when something is in the way."""

    def __init__(self, index_folder: Path, jobs: Jobs, notice: Callable[[str], None]) -> None:
        self._cancel = CancelToken()
        self._notice = notice
        self._watch = Watch(index_folder, update=jobs.update, notice=notice, cancel=self._cancel)
        self._thread = threading.Thread(target=self._run, name="clipsearch-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Begin no further round; the one that is on its way must be cancelled."""
        self._cancel.cancel()

    def close(self, seconds: float = 5.0) -> None:
        """Stop, and wait at most so long."""
        self.stop()
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            while not self._cancel.cancelled:
                for _ in self._watch.rounds():
                    pass
                self._cancel.wait(_PAUSE)  # a job that was cancelled has ended the rounds
        except (ClipsearchError, OSError) as error:
            if not self._cancel.cancelled:
                self._notice(f"{error}. The folders are no longer watched")
