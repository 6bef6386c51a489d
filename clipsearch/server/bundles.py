"""The page's modules and style sheets in few files, so that its first photos do not wait for fifty requests.

The files in static/ stay plain ES modules, and are what tests, type checkers and people read. Each becomes a function here, so
that its names stay its own. FIRST has what the page needs to show photos; LATER has the panels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

FIRST, LATER, STYLES = "app.js", "panels.js", "app.css"
"""The names of the files that are made here."""

STYLE_SHEETS = ("base.css", "page.css", "photos.css", "scrubber.css", "filters.css", "dialogs.css")
"""In this order; later ones overrule earlier ones."""

_START = "main.js"
_ALONE = ("before-paint.js",)  # a classic script
_IMPORT = re.compile(r'^import (?:\{([^}]*)\}|\* as (\w+)) from "\./([\w-]+\.js)";$', re.MULTILINE)
_LAZY = re.compile(r'\bawait import\("\./([\w-]+\.js)"\)')
_EXPORT = re.compile(r"^export ((?:async )?function\*?|class|const) (\w+)", re.MULTILINE)
_DOC = re.compile(
    r"^[ \t]*/\*\*(?:(?!\*/).)*\*/[ \t]*\n", re.MULTILINE | re.DOTALL
)  # on lines of its own; a third of the bytes
_TYPE = re.compile(r"/\*\* @type (?:(?!\*/).)*\*/ ?")  # within a line, as in a cast
_NOTE = re.compile(r"""^((?:[^"'`\n]|"[^"\n]*"|'[^'\n]*'|`[^`\n]*`)*?)[ \t]+// .*$""", re.MULTILINE)  # not in a text
_STYLE_NOTE = re.compile(r"[ \t]*/\*(?:(?!\*/).)*\*/", re.DOTALL)
_OTHER = re.compile(r"^(?:import|export)\b.*|^[^`\n]*`(?:[^`\n]*`[^`\n]*`)*[^`\n]*$", re.MULTILINE)
"""Also a line with an odd number of backticks, since a text over several lines would lose its indents."""
_INDENT = re.compile(r"^\s+", re.MULTILINE)  # and empty lines
_NEED = """\
const modules = {};
const loaded = {};
export const register = (more) => Object.assign(modules, more);
export const need = (name) => (loaded[name] ??= modules[name]());
export const load = async (name) => {
  if (!modules[name]) await import("./panels.js");
  return need(name);
};
"""


def bundles(folder: Path) -> dict[str, str]:
    """The text of each file that is made of those in a folder, by name. ValueError if a module has syntax not known here."""
    files = sorted(path for path in folder.iterdir() if path.suffix in (".js", ".css"))
    return _bundles(folder, tuple((path.name, path.stat().st_mtime_ns) for path in files))


def is_module(name: str) -> bool:
    """Whether a file of the page is a module, which is inside one of the bundles."""
    return name.endswith(".js") and name not in _ALONE


def exports(source: str) -> list[str]:
    """The names that a module exports."""
    return [name for _, name in _EXPORT.findall(source)]


def entrance(name: str, source: bytes) -> bytes:
    """A file by its own address. A module is the one inside the bundles, since a second copy would have a state of its own."""
    names = exports(source.decode()) if is_module(name) else []
    if not names:
        return source
    imports = f'import {{ need }} from "./{FIRST}";\nimport "./{LATER}";\n'
    return f'{imports}export const {{ {", ".join(names)} }} = need("{name}");\n'.encode()


@lru_cache(maxsize=1)
def _bundles(folder: Path, state: tuple[tuple[str, int], ...]) -> dict[str, str]:
    names = [name for name, _ in state if is_module(name)]
    sources = {name: (folder / name).read_text(encoding="utf-8") for name in names}
    first = _needed(_START, sources)
    later = [name for name in names if name not in first]
    return {
        FIRST: f'{_NEED}{_registered(first, sources)}need("{_START}");\n',
        LATER: f'import {{ load, need, register }} from "./{FIRST}";\n{_registered(later, sources)}',
        STYLES: "\n".join(f"/* {name} */\n{_style(folder / name)}" for name in STYLE_SHEETS),
    }


def _style(path: Path) -> str:
    return _INDENT.sub("", _STYLE_NOTE.sub("", path.read_text(encoding="utf-8")))


def _needed(name: str, sources: dict[str, str]) -> list[str]:
    """A module and what it imports, each once."""
    found, waiting = [], [name]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.append(module)
            waiting += [imported for _, _, imported in _IMPORT.findall(sources[module])]
    return sorted(found)


def _registered(names: Iterable[str], sources: dict[str, str]) -> str:
    functions = "".join(_function(name, sources[name]) for name in names)
    return f"register({{\n{functions}}});\n"


def _function(name: str, source: str) -> str:
    """A module as a property whose value is a function that runs it and returns what it exports."""
    exported = exports(source)
    body = _IMPORT.sub(_needs, _NOTE.sub(r"\1", _TYPE.sub("", _DOC.sub("", source))))
    body = _EXPORT.sub(r"\1 \2", body)
    body = _LAZY.sub(r'await load("\1")', body)
    if other := _OTHER.search(body):
        raise ValueError(
            f"{name}: {other.group()!r} is written in a way that clipsearch/server/bundles.py does not know"
        )
    return f'"{name}": () => {{\n{_INDENT.sub("", body)}\nreturn {{ {", ".join(exported)} }};\n}},\n\n'


def _needs(found: re.Match[str]) -> str:
    names, everything, module = found.groups()
    wanted = everything or "{ " + ", ".join(part.strip().replace(" as ", ": ") for part in names.split(",")) + " }"
    return f'const {wanted} = need("{module}");'
