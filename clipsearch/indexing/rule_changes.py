"""Change some of the rules that an index remembers for its walks, and keep the others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from clipsearch._internal.arguments import is_several, make_flags, require_text, short
from clipsearch.errors import QueryError
from clipsearch.indexing.walk import ARCHIVES_ONLY, WalkRules


@dataclass(frozen=True, slots=True)
class RuleChanges:
    """Changes of the rules that each indexed folder has. None keeps a rule as it is; a new folder begins with the defaults."""

    hidden: bool | None = None  # as in WalkRules
    defaults: bool | None = None  # as in WalkRules
    follow_links: bool | None = None  # as in WalkRules
    exclude: tuple[str, ...] = ()  # patterns that are added to the excluded ones
    no_exclude: tuple[str, ...] = ()  # patterns that are no longer excluded

    def __post_init__(self) -> None:
        """QueryError for a value of another kind, and for a pattern that no name can match."""
        for name in ("hidden", "defaults", "follow_links"):
            if getattr(self, name) is not None:
                make_flags(self, name)
        for name in ("exclude", "no_exclude"):
            patterns: Any = getattr(self, name)
            if not is_several(patterns):
                raise QueryError(f"{name} must be a tuple of names, not {short(patterns)}")
            object.__setattr__(self, name, tuple(_pattern(name, pattern) for pattern in patterns))
        if both := [pattern for pattern in self.exclude if pattern in self.no_exclude]:
            raise QueryError(f"{both[0]} is in both `exclude` and `no_exclude`; leave out one of them")

    def applied_to(self, rules: WalkRules) -> WalkRules:
        """The rules after these changes."""
        kept = tuple(pattern for pattern in rules.exclude if pattern not in self.no_exclude)
        return WalkRules(
            rules.hidden if self.hidden is None else self.hidden,
            rules.defaults if self.defaults is None else self.defaults,
            rules.follow_links if self.follow_links is None else self.follow_links,
            tuple(dict.fromkeys(kept + self.exclude)),
        )


def next_rules(asked: WalkRules | RuleChanges | None, known: WalkRules | None, *, is_named: bool) -> WalkRules:
    """The rules of a folder's next walk: `known` are those of the last one, and None for a new folder.

    WalkRules count as they are. A folder with archives only is walked once the user has named it.
    """
    if isinstance(asked, WalkRules):
        return replace(asked, exclude=tuple(_pattern("exclude", name) for name in asked.exclude))
    if known is None or (known == ARCHIVES_ONLY and is_named):
        known = WalkRules()
    return known if asked is None or known == ARCHIVES_ONLY else asked.applied_to(known)


def _pattern(parameter: str, value: object) -> str:
    """A pattern for names, without the separator that a shell completes after a folder."""
    require_text(f"a name in {parameter}", value)
    pattern = str(value).rstrip("/")
    if not pattern or "/" in pattern:
        raise QueryError(
            f"`{parameter}` takes the name of a file or folder, such as screenshots or *.png, not a path like {value!r}"
        )
    return pattern
