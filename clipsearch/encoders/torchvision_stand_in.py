"""Importing OpenCLIP and timm where torchvision is missing, or is of another build of torch.

Both import torchvision for preprocessing and training, which clipsearch does without. While they are imported, empty classes
stand in for it; afterwards no other code sees them.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_NAME = "torchvision"


def import_without_torchvision(*names: str) -> list[ModuleType]:
    """Import modules. If torchvision cannot be imported, empty classes stand in for it meanwhile."""
    parallelism = os.environ.get("TOKENIZERS_PARALLELISM")
    try:
        with contextlib.nullcontext() if _has_torchvision() else _stand_in():
            return [importlib.import_module(name) for name in names]
    finally:  # OpenCLIP switches it off for the whole process
        if parallelism is None:
            os.environ.pop("TOKENIZERS_PARALLELISM", None)
        else:
            os.environ["TOKENIZERS_PARALLELISM"] = parallelism


def _has_torchvision() -> bool:
    try:
        importlib.import_module(_NAME)
    except (ImportError, RuntimeError):  # of another build of torch, it lacks its operators
        _forget()
        return False
    return True


@contextlib.contextmanager
def _stand_in() -> Iterator[None]:
    importlib.import_module("transformers")  # it looks for torchvision, and must find the truth
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        _forget()


def _forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == _NAME]:
        del sys.modules[name]


class _EmptyClass(type):
    """A class whose attributes are empty classes as well: members of an enumeration, functions, classes to derive from."""

    def __getattr__(cls, name: str) -> Any:
        return _attribute(name)


class _EmptyModule(ModuleType):
    def __getattr__(self, name: str) -> Any:
        return _attribute(name)


class _Finder(MetaPathFinder, Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self, is_package=True) if fullname.partition(".")[0] == _NAME else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _EmptyModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """See Loader: there is nothing to run."""


def _attribute(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return _EmptyClass(name, (), {})
