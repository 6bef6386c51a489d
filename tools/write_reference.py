"""Write the reference pages that are made from the code itself: commands, help topics, Python, HTTP.

    python tools/write_reference.py            # after a change to a help text, a public docstring or a route
    python tools/write_reference.py --check    # exit status 1 if a page is not current
    clipsearch models --measure --json | python tools/write_reference.py --speeds "2 cores of an AMD EPYC"

A test runs the check. The pages are committed, so that they can be read without the site.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import itertools
import json
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, is_typeddict

import click

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
_HOME_OF_ALIASES = r"clipsearch\.(types|conditions|terms)\."
_NOTE = "<!-- Made by tools/write_reference.py: change the {source}, and run it again. -->\n\n"
_WIDTH = 96


def cli_page() -> str:
    """Every command as its --help prints it."""
    from clipsearch.cli import cli

    lines = [
        "# Command line\n",
        "`clipsearch COMMAND --help` prints the same. See also [Exit statuses](exit-statuses.md), [JSON](json.md) and "
        "[Configuration](configuration.md).\n",
        _fenced(_help(cli, "clipsearch")),
    ]
    for name, command in _commands(cli, "clipsearch"):
        level = "##" if name.count(" ") == 1 else "###"
        lines += [f"{level} {name}\n", _fenced(_help(command, name))]
    return _NOTE.format(source="help texts in clipsearch/cli") + "\n".join(lines)


def _commands(group: click.Group, above: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group, info_name=above)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        yield f"{above} {name}", command
        if isinstance(command, click.Group):
            yield from _commands(command, f"{above} {name}")


def _help(command: click.Command, name: str) -> str:
    context = click.Context(command, info_name=name, terminal_width=_WIDTH, max_content_width=_WIDTH)
    context.help_option_names = ["-h", "--help"]
    return command.get_help(context)


def _fenced(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```\n"


_FIRST = (
    "SearchEngine",
    "SearchKeywords",
    "Query",
    "Term",
    "parse_where",
    "Hits",
    "Hit",
    "load_encoder",
    "Encoder",
    "Client",
)


def python_page() -> str:
    """Every public name, its signature and its docstring."""
    import clipsearch
    from clipsearch import errors

    lines = [
        "# Python\n",
        "```python\nimport clipsearch\n```\n",
        "Importing the package is cheap: what a name needs is imported when the name is first used. Every function is typed "
        "(`py.typed`). `examples/` has short programs.\n",
        "The names below are public and stay. Other modules may change.\n",
    ]
    for name in sorted(clipsearch.__all__, key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST)):
        lines += list(_described(name, getattr(clipsearch, name)))
    tree = inspect.cleandoc(errors.__doc__ or "")
    lines += ["## The tree of errors\n", "They are in `clipsearch.errors`.\n", _fenced(tree.partition("\n\n")[2])]
    return _NOTE.format(source="docstrings") + "\n".join(lines)


def _described(name: str, value: Any) -> Iterator[str]:
    yield f"## {name}\n"
    text = _docstring(value)
    if inspect.isclass(value):
        if not (issubclass(value, Exception) or is_typeddict(value)):
            yield _code(f"class {name}{_parameters(value)}")
        yield text
        yield from _fields(value)
        yield from _members(name, value)
    elif callable(value):
        yield _code(f"{name}{_parameters(value)}")
        yield text
    else:
        yield _code(f"{name} = {re.sub(_HOME_OF_ALIASES, '', str(value))}")
        yield _comment_of(name) + "\n"


def _comment_of(name: str) -> str:
    """The string below the definition of an alias."""
    from clipsearch import conditions, terms, types

    bodies = (ast.parse(inspect.getsource(module)).body for module in (types, conditions, terms))
    for statement, below in itertools.chain.from_iterable(map(itertools.pairwise, bodies)):
        if isinstance(statement, ast.AnnAssign) and ast.unparse(statement.target) == name:
            return inspect.cleandoc(ast.literal_eval(below.value)) if isinstance(below, ast.Expr) else ""
    return ""


def _docstring(value: Any) -> str:
    text = inspect.getdoc(value) or ""
    if dataclasses.is_dataclass(value) and text.startswith(f"{getattr(value, '__name__', '')}("):
        text = ""  # the docstring that dataclass itself makes
    return text + "\n"


def _fields(value: type) -> Iterator[str]:
    """Describe the fields of a dataclass or NamedTuple, or the keys of a TypedDict, by the comments beside them."""
    if dataclasses.is_dataclass(value):
        names = {field.name: str(field.type) for field in dataclasses.fields(value)}
    elif is_typeddict(value) or issubclass(value, tuple):
        names = {name: _written(kind) for name, kind in value.__annotations__.items()}
    else:
        return
    owners = [owner for owner in value.__mro__ if owner.__module__.startswith("clipsearch.")]
    source = "\n".join(map(inspect.getsource, owners or [value]))
    rows = []
    for name, kind in names.items():
        kind_of_lines = r"\((?:\n {8}.*)+\n    \)"  # a long type, in brackets
        match = re.search(rf"^    {name}: (?:{kind_of_lines}|.*?)(?:  # (.*))?$", source, re.MULTILINE)
        rows.append((name, kind, match.group(1) or "" if match else ""))
    yield "| field | type | |\n|---|---|---|"
    for name, kind, comment in rows:
        kind, comment = (text.replace("|", "\\|") for text in (kind, comment))
        yield f"| `{name}` | `{kind}` | {comment} |"
    yield ""


def _members(name: str, value: type) -> Iterator[str]:
    inherited = [owner for owner in value.__mro__[:0:-1] if owner.__module__.startswith("clipsearch.")]
    makers = {member: found for member, found in vars(value).items() if isinstance(found, classmethod)}
    members = {**makers, **{member: found for owner in (*inherited, value) for member, found in vars(owner).items()}}
    for member, found in members.items():
        if member.startswith("_") or is_typeddict(value):
            continue
        if isinstance(found, property):
            returned = inspect.signature(found.fget).return_annotation if found.fget else ""
            yield f"### {name}.{member}\n"
            yield _code(f"{member}: {returned}")
        elif isinstance(found, (classmethod, staticmethod)) or inspect.isfunction(found):
            yield f"### {name}.{member}\n"
            is_awaited = inspect.iscoroutinefunction(found)
            prefix = "classmethod " if isinstance(found, classmethod) else "async " if is_awaited else ""
            yield _code(f"{prefix}{member}{_parameters(getattr(value, member))}")
        else:
            continue
        yield (inspect.getdoc(found) or "") + "\n"


def _parameters(value: Any) -> str:
    """The signature as it is written in the source, one parameter a line if it is long."""
    try:
        signature = inspect.signature(value)
    except ValueError:
        return ""
    parts, keyword_only = [], False
    for parameter in signature.parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
            keyword_only = True
            if not any(part.startswith("*") for part in parts):
                parts.append("*")
        star = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        kind = "" if parameter.annotation is parameter.empty else f": {_written(parameter.annotation)}"
        default = "" if parameter.default is parameter.empty else f" = {_default(parameter.default)}"
        parts.append(f"{star}{parameter.name}{kind}{default}")
    result = signature.return_annotation
    arrow = "" if result in (signature.empty, None, "None") else f" -> {result}"
    line = f"({', '.join(parts)}){arrow}"
    return line if len(line) < 80 else "(\n    " + ",\n    ".join(parts) + f",\n){arrow}"


def _written(kind: Any) -> str:
    """An annotation as the source has it, also a TypedDict's or NamedTuple's."""
    return str(getattr(kind, "__forward_arg__", kind))


def _default(value: Any) -> str:
    text = repr(value)
    return "..." if text.startswith("<") else text


def _code(text: str) -> str:
    return f"```python\n{text}\n```\n"


def http_page() -> str:
    """Every route, from the server's own description."""
    from starlette.testclient import TestClient

    from clipsearch.server.app import make_app
    from clipsearch.server.service import Service

    with tempfile.TemporaryDirectory() as folder:
        app = make_app(Service(Path(folder) / ".clipsearch"), host="127.0.0.1", port=8100)
        with TestClient(app, base_url="http://127.0.0.1:8100") as client:
            described = client.get("/api/openapi.json").json()
    lines = [(ROOT / "tools" / "http_introduction.md").read_text("utf-8")]
    for path, methods in described["paths"].items():
        for method, route in methods.items():
            lines += list(_route(f"{method.upper()} {path}", route, described["components"]["schemas"]))
    return _NOTE.format(source="descriptions in clipsearch/server") + "\n".join(lines)


def _route(title: str, route: dict[str, Any], schemas: dict[str, Any]) -> Iterator[str]:
    yield f"## {title}\n"
    yield _sentences(route.get("description") or route.get("summary") or "") + "\n"
    if parameters := route.get("parameters"):
        yield "| parameter | type | |\n|---|---|---|"
        for parameter in parameters:
            text = parameter.get("description") or parameter["schema"].get("description") or ""
            kind = _type(parameter["schema"])
            where = "" if parameter["in"] == "query" else f" ({parameter['in']})"
            yield f"| `{parameter['name']}`{where} | {kind} | {_cell(text)} |"
        yield ""
    for content, body in route.get("requestBody", {}).get("content", {}).items():
        yield f"The body is `{content}`.\n"
        yield from _body(body.get("schema", {}), schemas)


def _body(schema: dict[str, Any], schemas: dict[str, Any]) -> Iterator[str]:
    """The fields of an object, and of the objects in it."""
    names = [name for name in _named(schema) if schemas[name].get("properties")]
    for name in names:  # it grows while objects name other objects
        yield f"`{name}`: {_cell(schemas[name].get('description', ''))}\n"
        yield "| field | type | |\n|---|---|---|"
        for field, value in schemas[name]["properties"].items():
            yield f"| `{field}` | {_type(value)} | {_cell(value.get('description', ''))} |"
            names += [other for other in _named(value) if other not in names and schemas[other].get("properties")]
        yield ""


def _named(schema: Any) -> list[str]:
    """The names of the schemas that a schema refers to."""
    return re.findall(r"#/components/schemas/(\w+)", json.dumps(schema))


def _type(schema: dict[str, Any]) -> str:
    kinds = [part for part in schema.get("anyOf", [schema]) if part.get("type") != "null"]
    text = " or ".join(dict.fromkeys(_one_type(kind) for kind in kinds))
    default = schema.get("default")
    return text + (f", default `{default}`" if default not in (None, [], "") else "")


def _one_type(schema: dict[str, Any]) -> str:
    if choices := schema.get("enum"):
        return ", ".join(f"`{choice}`" for choice in choices)
    if schema.get("type") == "array":
        return f"list of {_one_type(schema.get('items', {}))}"
    return str(schema.get("type", schema.get("$ref", "").rpartition("/")[2] or "any"))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _sentences(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def formats_page() -> str:
    """Every format that is read, with its suffixes."""
    from clipsearch.images.animation import MOST_FRAME_PIXELS, MOST_FRAMES_SEEN
    from clipsearch.images.file_types import FORMATS
    from clipsearch.images.pages import MOST_FRAMES_TAKEN, MOST_PAGE_PIXELS, MOST_PAGES

    lines = [
        "# Formats\n",
        "A file with one of these suffixes counts as a photo. A file with an unknown suffix is looked at: if its content is "
        "that of a picture, it counts too. What counts is the content, so a PNG named `.jpg` is read as a PNG.\n",
        "| format | suffixes | |\n|---|---|---|",
    ]
    for kind in FORMATS:
        suffixes = " ".join(f"`{suffix}`" for suffix in kind.suffixes.split())
        lines.append(f"| {kind.name} | {suffixes} | {kind.note} |")
    lines += [
        "\nPictures with a colour profile, such as AdobeRGB, Display P3 or ProPhoto, and HEIC files that only name "
        "Display P3, are converted to sRGB before the model sees them.\n",
        f"Some files hold several pictures. Every page of a TIFF or HEIC file is indexed, up to {MOST_PAGES} pages or "
        f"{MOST_PAGE_PIXELS // 10**6} million pixels. Thumbnails, masks and copies in another resolution are not pages. Of an "
        f"animation, {MOST_FRAMES_TAKEN} frames are indexed, spread evenly over it; frames that look nearly the same are left "
        f"out. An animation counts as if it ended after {MOST_FRAMES_SEEN:,} frames or {MOST_FRAME_PIXELS // 10**6} million "
        "pixels. After half of the time that one file may take, no further picture of it is decoded. Files of other kinds, "
        "such as MPO and icons, count as one picture.\n",
        "A JPEG that is cut in its last rows is indexed as far as it goes. `clipsearch failures` names it with the cause "
        "`incomplete`.\n",
        "`--format` takes the names `jpeg`, `png`, `heic`, `tiff`, `webp` and so on, a camera's format such as `nef`, or `raw` "
        "for those of all cameras. A name that clipsearch does not know is refused; one that no photo has finds nothing.",
    ]
    return _NOTE.format(source="FORMATS in clipsearch/images/file_types.py") + "\n".join(lines)


README_START, README_END = "<!-- formats, made by tools/write_reference.py -->\n", "<!-- end of formats -->\n"


def readme_with_formats(text: str) -> str:
    """The README, with the current sentence about formats."""
    from clipsearch.images.file_types import COMMON_FORMATS, FORMATS, RAW_FORMATS

    names = [kind.name for kind in FORMATS]
    others = len(names) - len(COMMON_FORMATS)
    sentence = (
        f"It reads {', '.join(COMMON_FORMATS)} ({', '.join(RAW_FORMATS)}) and {others} other kinds of pictures: "
        "[Formats](docs/reference/formats.md).\n"
    )
    before, _, rest = text.partition(README_START)
    _, _, after = rest.partition(README_END)
    return before + README_START + sentence + README_END + after


MODELS_START, MODELS_END = "<!-- models, made by tools/write_reference.py -->\n", "<!-- end of models -->\n"
SPEEDS = ROOT / "docs" / "model_speeds.json"


def models_with_table(text: str) -> str:
    """docs/models.md, with the current table of recommended models and the speeds of docs/model_speeds.json."""
    from clipsearch.encoders.recommended import MINI_ENTRY, MODELS, REFERENCE_MODEL
    from clipsearch.render.text import human_bytes

    measured = json.loads(SPEEDS.read_text("utf-8"))
    speeds = measured["photos_per_second"]
    lines = [
        "| model | good for | recall, COCO | German | languages | download | speed | licence | layout |\n"
        "|---|---|---|---|---|---|---|---|---|"
    ]
    for entry in (MINI_ENTRY, *MODELS):
        relative = speeds[entry.model] / speeds[REFERENCE_MODEL] if entry.model in speeds else None
        cells = [
            f"`{entry.model}`",
            entry.good_for,
            "" if entry.coco is None else f"{entry.coco} ({entry.source})",
            "" if entry.german is None else str(entry.german),
            entry.languages,
            human_bytes(int(entry.megabytes * 1e6)) if entry.megabytes else "none",
            "" if relative is None else f"{relative:.2g}x",
            entry.licence + (", not commercial" if entry.forbids_commercial_use else ""),
            entry.layout,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines.append(
        f"\nSpeed: pictures a second without decoding, compared with `{REFERENCE_MODEL}`, which encodes "
        f"{speeds[REFERENCE_MODEL]:.3g} a second on {measured['machine']}. Weights are random, in fp32; `mini` runs in int8."
    )
    before, _, rest = text.partition(MODELS_START)
    _, _, after = rest.partition(MODELS_END)
    return before + MODELS_START + "\n".join(lines) + "\n" + MODELS_END + after


def write_speeds(rows: dict[str, Any], machine: str) -> None:
    """Keep what `clipsearch models --measure --json` printed in docs/model_speeds.json."""
    speeds = {row["model"]: round(row["photos_per_second"], 2) for row in rows["models"] if row["photos_per_second"]}
    SPEEDS.write_text(json.dumps({"machine": machine, "photos_per_second": speeds}, indent=2) + "\n", "utf-8")


def left_alone_page() -> str:
    """The files and folders that an index leaves alone by default."""
    from clipsearch.indexing.default_excludes import DEFAULT_EXCLUDES, NO_MEDIA

    lines = [
        "# What is left alone\n",
        "`clipsearch index` does not look into these folders, because they hold deleted photos or pictures made from others. "
        "Capitals do not matter. `--no-default-excludes` turns the list off, and `index --dry-run` names what it leaves out.\n",
        "| folders | inside | what they are |\n|---|---|---|",
    ]
    for entry in DEFAULT_EXCLUDES:
        folders = "all but " + _listed(entry.but) if entry.but else _listed(entry.names)
        lines.append(f"| {folders} | {_listed(entry.inside)} | {entry.why} |")
    lines.append(f"| any folder with a file `{NO_MEDIA}` | | what Android's galleries do not show |")
    lines.append(
        "\nA folder that you name yourself is walked, whatever it is called. Contact sheets and pictures of charts that "
        "clipsearch has made are left alone too: they carry a mark in their comment. A gallery is an `.html` file, which is "
        "no photo. Hidden files and folders are left alone as well; `--hidden` takes them. No option makes it enter "
        "file systems of the machine itself, such as `/proc`, `/sys` and `/dev`."
    )
    return _NOTE.format(source="list in clipsearch/indexing/default_excludes.py") + "\n".join(lines)


def _listed(globs: tuple[str, ...]) -> str:
    return ", ".join(f"`{glob}`" for glob in globs)


def pages() -> dict[str, str]:
    """Every page by its name in docs/reference, with its text."""
    made = {
        "cli": cli_page(),
        "python": python_page(),
        "http": http_page(),
        "formats": formats_page(),
        "left-alone": left_alone_page(),
    }
    for path in (ROOT / "clipsearch" / "cli" / "topics").glob("*.md"):  # `clipsearch help TOPIC` prints the same
        made[path.stem] = _NOTE.format(source=f"topic in {path.relative_to(ROOT).as_posix()}") + path.read_text("utf-8")
    return made


def main() -> int:
    """Write the pages, or check them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument(
        "--speeds", metavar="MACHINE", help="first take speeds from `clipsearch models --measure --json` on stdin"
    )
    arguments = parser.parse_args()
    check = arguments.check
    if arguments.speeds:
        write_speeds(json.load(sys.stdin), arguments.speeds)
    old = []
    for name, page in pages().items():
        path, text = REFERENCE / f"{name}.md", page.rstrip() + "\n"
        if not path.exists() or path.read_text("utf-8") != text:
            old.append(path.relative_to(ROOT))
            if not check:
                path.write_text(text, "utf-8")
    for path, filled_in in (
        (ROOT / "README.md", readme_with_formats),
        (ROOT / "docs" / "models.md", models_with_table),
    ):
        if (text := filled_in(path.read_text("utf-8"))) != path.read_text("utf-8"):
            old.append(path.relative_to(ROOT))
            if not check:
                path.write_text(text, "utf-8")
    for path in old:
        print(f"{path} {'is not current; run `python tools/write_reference.py`' if check else 'was written'}")
    return 1 if check and old else 0


if __name__ == "__main__":
    sys.exit(main())
