"""Processes that decode for the pools of many tests in turn: to start one takes longer than to decode what most tests have."""

import subprocess
from types import SimpleNamespace

from clipsearch.images import pool

_MOST = 3  # processes that wait for another pool


class KeptDecoders:
    """Keeps the processes of closed pools for pools that would start the same ones, but none that was killed."""

    def __init__(self, patch):
        self.keeping = True
        self._spare = []  # the one that has waited longest first
        patch.setattr(pool, "_Worker", type("KeptWorker", (_KeptWorker,), {"kept": self}))
        patch.setattr(pool, "subprocess", SimpleNamespace(**{**vars(subprocess), "Popen": self._start}))

    def _start(self, command, **options):
        """In place of subprocess.Popen."""
        for process in self._spare if self.keeping else ():
            if process.args == command and process.poll() is None:
                self._spare.remove(process)
                return process
        return subprocess.Popen(command, **options)

    def keep(self, process):
        """Let another pool have a process that waits for a file."""
        self._spare.append(process)
        self._end(len(self._spare) - _MOST)

    def close(self):
        """End all that are kept."""
        self._end(len(self._spare))

    def _end(self, count):
        for _ in range(count):
            process = self._spare.pop(0)
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()


class _KeptWorker(pool._Worker):
    """A worker whose process is kept at its end, if it waits for a file then."""

    kept: KeptDecoders
    _is_kept = False

    @property
    def _waits(self):
        return self.kept.keeping and self.alive and self._phase is not None and self._seconds_left is None

    def stop(self):
        if not self._is_kept and not self._waits:
            super().stop()

    def close(self):
        if self._is_kept:
            return  # a pool may be closed twice
        if self._waits and self.is_running:
            self._is_kept = True
            self.kept.keep(self._process)
        else:
            super().close()
