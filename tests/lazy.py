"""Heavy modules for tests. Each xdist worker collects every file, so no file imports them at its top."""

from importlib import import_module
from importlib.util import find_spec

import pytest


class LazyModule:
    """A module that is imported when a test first reads one of its attributes."""

    def __init__(self, name):
        self._name = name

    def __getattr__(self, attribute):
        if attribute.startswith("_"):  # pytest reads such attributes of all that a file holds
            raise AttributeError(attribute)
        return getattr(import_module(self._name), attribute)


def require_library(name, reason):
    """Skip the whole file if a library is not installed. It is not imported."""
    if find_spec(name) is None:
        pytest.skip(reason, allow_module_level=True)
