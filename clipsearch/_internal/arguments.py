"""Check the values that callers pass, and say in a sentence which ones are possible."""

from __future__ import annotations

import math
import os
from collections.abc import Hashable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from clipsearch._internal.cancel import CancelToken
from clipsearch._internal.paths import is_possible
from clipsearch.errors import ClipsearchError, QueryError


def require_one_of(
    name: str, value: object, choices: Iterable[object], error: type[ClipsearchError] = QueryError
) -> None:
    """Raise an error unless a parameter has one of these values."""
    known = list(choices)
    if not isinstance(value, Hashable) or value not in known:  # an array has no truth
        raise error(f"{name} must be one of {either(list(map(repr, known)))}, not {short(value)}")


def either(words: Sequence[str]) -> str:
    """Words as a choice: "a, b or c"."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def require_number(
    name: str, value: Any, least: float = -math.inf, most: float = math.inf, *, above: bool = False
) -> None:
    """Raise QueryError unless a parameter is a number within its limits; with `above`, it may not be the least itself."""
    if not (
        isinstance(value, Real)
        and not any(value is flag for flag in (True, False))
        and least <= float(value) <= most
        and not (above and float(value) == least)
    ):
        low, high = math.isfinite(least), math.isfinite(most)
        limits = f" from {least:g} to {most:g}" if low and high else f" of at least {least:g}" if low else ""
        if above:
            limits = f" above {least:g}" + (f" and at most {most:g}" if high else "")
        percent = "; 50% is 0.5" if isinstance(value, str) and value.rstrip().endswith("%") else ""
        raise QueryError(f"{name} must be a number{limits}, not {short(value)}{percent}")


def require_whole(name: str, value: Any, least: int | None = None, *, or_none: bool = False) -> None:
    """Raise QueryError unless a parameter is a whole number of at least `least`, or None if that is allowed."""
    if or_none and value is None:
        return
    if not is_whole(value) or (least is not None and int(value) < least):
        limits = "" if least is None else f" of at least {least}"
        raise QueryError(f"{name} must be {'None or ' if or_none else ''}a whole number{limits}, not {short(value)}")


def as_whole(name: str, value: Any) -> int:
    """A whole number, perhaps one of numpy, as Python's own, which does not overflow. QueryError for something else."""
    require_whole(name, value)
    return int(value)


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number, perhaps one of numpy, but not True or False."""
    return isinstance(value, Integral) and not any(value is flag for flag in (True, False))


def as_flag(name: str, value: object) -> bool:
    """A parameter that is True or False, perhaps one of numpy, as Python's own. QueryError for something else."""
    if not isinstance(value, bool) and (type(value).__module__, type(value).__name__[:4]) != ("numpy", "bool"):
        raise QueryError(f"{name} must be True or False, not {short(value)}")
    return bool(value)


def make_flags(owner: object, *names: str) -> None:
    """The same for fields of a frozen dataclass."""
    for name in names:
        object.__setattr__(owner, name, as_flag(name, getattr(owner, name)))


def require_text(name: str, value: object) -> None:
    """Raise QueryError unless a parameter is a text."""
    if not isinstance(value, str):
        raise QueryError(f"{name} must be a text (str), not {short(value)}")


def require_function(name: str, value: object) -> None:
    """Raise TypeError unless a parameter can be called, or is None."""
    if value is not None and not callable(value):
        raise TypeError(f"{name} must be a function or None, not {short(value)}")


def path_advice(value: object) -> str:
    """What to give in place of a hit if a path is wanted; "" for something else."""
    return "; give its `path`" if isinstance(getattr(value, "path", None), str) else ""


def require_paths(name: str, values: Iterable[object]) -> None:
    """Raise TypeError unless all of some values are paths, and QueryError for an empty one, which means no folder."""
    for value in values:
        if isinstance(value, str) and not value.strip():
            advice = "; for the current folder, give '.'" if "folder" in name else ""
            raise QueryError(f"{name} must be a path, not an empty text{advice}")
        if not isinstance(value, (str, os.PathLike)):
            advice = "; pass them one by one: *folders" if is_several(value) else path_advice(value)
            raise TypeError(f"{name} must be a path (str or Path), not {short(value)}{advice}")
        if "\0" in os.fsdecode(value):
            raise QueryError(f"{name} must be a path, and {short(os.fspath(value))} has a null character")
        if not is_possible(os.fspath(value)):
            raise QueryError(
                f"{name} must be a path, and {short(os.fspath(value))} has characters that no path has here"
            )


_FLAGS = frozenset(
    ("prune", "paranoid", "retry", "change_model", "keep_old", "newest_first", "scan", "exact_only", "force",
     "embeddings", "any_length", "trust_model", "take_over", "one_per_shot", "keep_empty")
)  # fmt: skip
_COUNTS = frozenset(("jobs", "batch_size", "max_bytes"))
_FUNCTIONS = frozenset(("progress", "text_progress", "on_busy"))


def require_keywords(values: dict[str, Any]) -> None:
    """Check the keywords that mean the same in all methods of an engine, and make Python's own flags of numpy's.

    Errors are those of the functions above.
    """
    for name, value in values.items():
        if name in _FLAGS or (name in ("date_from_files", "read_text") and value is not None):
            values[name] = as_flag(name, value)
        elif name in _COUNTS:
            require_whole(name, value, 1, or_none=True)
            values[name] = value if value is None else int(value)
        elif name in _FUNCTIONS:
            require_function(name, value)
        elif name == "cancel" and value is not None and not isinstance(value, CancelToken):
            raise TypeError(f"cancel must be a CancelToken or None, not {short(value)}")
        elif name == "settled_for":
            require_number(name, value, 0)
        elif name == "recall":
            require_number(name, value, 0, 1, above=True)
        elif name == "max_milliseconds" and value is not None:
            require_number(name, value, 0, above=True)
        elif name == "least_cosine" and value is not None:
            require_number(name, value, -1, 1)


def require_list(name: str, values: Any, of: str) -> list[Any]:
    """The values as a list, since a generator is read once. TypeError for a single value, also for a single text."""
    if not is_several(values):
        raise TypeError(f"{name} are a list of {of}, not {short(values)}")
    return list(values)


def is_several(value: object) -> bool:
    """Whether a value is several values: a list, a set, a generator, an array, a pandas Series and the like."""
    is_one = isinstance(value, (str, bytes, bytearray, memoryview, os.PathLike, Mapping))
    return isinstance(value, Iterable) and not is_one and getattr(value, "ndim", 1) > 0


def listed(value: Any) -> list[Any]:
    """One value, or several, as a list."""
    return list(value) if is_several(value) else [value]


def short(value: object) -> str:
    """A value for a message, in one line, cut if it is long."""
    text = " ".join(repr(value).splitlines())
    return text if len(text) <= 60 else f"{text[:57]}..."


def make_plain(owner: Any, *names: str) -> None:
    """Make Python's own numbers of fields that are others, such as numpy's: SQLite and JSON take no others.

    A whole number that SQLite has no room for becomes a float.
    """
    for name in names:
        value = getattr(owner, name)
        plain = int(value) if isinstance(value, Integral) else float(value)
        object.__setattr__(owner, name, plain if abs(plain) < 2**63 else float(plain))


def require_tuple(owner: Any, name: str, kind: type | tuple[type, ...], of: str) -> None:
    """Raise QueryError unless a field is a tuple whose values are of one kind. A list, an array and the like become one.

    `of` names the kind, perhaps with advice after a semicolon.
    """
    of, _, advice = of.partition("; ")
    advice = advice and f"; {advice}"
    values: Any = getattr(owner, name)
    if is_several(values) and not isinstance(values, tuple):
        values = tuple(values)
        object.__setattr__(owner, name, values)
    if not isinstance(values, tuple):
        raise QueryError(f"{name} must be a tuple of {of}, not {short(values)}{advice}")
    if kind is Integral and set(map(type, values)) <= {int}:
        return
    for value in values:
        if not isinstance(value, kind) or isinstance(value, bool):
            raise QueryError(f"{name} must be a tuple of {of}, and {short(value)} is not one of them{advice}")
    if kind is Integral:
        object.__setattr__(owner, name, tuple(map(int, values)))
