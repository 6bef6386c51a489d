"""The page's modules in few files."""

import re
from pathlib import Path

import pytest

from clipsearch.server import bundles as made
from clipsearch.server.bundles import FIRST, LATER, STYLES, bundles, entrance, exports, is_module

FOLDER = Path(made.__file__).parent / "static"
MODULES = {path.name: path.read_text() for path in FOLDER.glob("*.js") if is_module(path.name)}


def test_each_module_is_in_one_bundle_and_the_panels_are_not_in_the_first():
    files = bundles(FOLDER)
    inside = {name: re.findall(r'^"([\w-]+\.js)": \(\) => \{$', files[name], re.MULTILINE) for name in (FIRST, LATER)}
    assert sorted(inside[FIRST] + inside[LATER]) == sorted(MODULES)
    assert "main.js" in inside[FIRST] and "viewer.js" in inside[LATER] and "map-outlines.js" in inside[LATER]


def test_modules_get_each_other_from_the_bundles():
    files = bundles(FOLDER)
    for name in (FIRST, LATER):
        code = files[name]
        assert "/**" not in code  # neither descriptions nor types are sent
        assert len(re.findall(r"^ ", code, re.MULTILINE)) <= 2  # nor indents
        assert (
            re.findall(r"^.*\bimport\b.*$", code, re.MULTILINE)
            == {
                FIRST: [f'  if (!modules[name]) await import("./{LATER}");'],
                LATER: [f'import {{ load, need, register }} from "./{FIRST}";'],
            }[name]
        )
        assert set(re.findall(r'(?:need|load)\("([^"]+)"\)', code)) <= MODULES.keys()


def test_modules_do_not_import_each_other_in_a_circle():
    def visit(name, path):
        assert name not in path, [*path, name]
        for _, _, imported in made._IMPORT.findall(MODULES[name]):
            visit(imported, [*path, name])

    for name in MODULES:
        visit(name, [])


def test_all_style_sheets_are_in_one_file():
    assert sorted(made.STYLE_SHEETS) == sorted(path.name for path in FOLDER.glob("*.css"))
    styles = bundles(FOLDER)[STYLES]
    for name in made.STYLE_SHEETS:
        rules = [re.sub(r"[ \t]*/\*.*?\*/", "", line).strip() for line in (FOLDER / name).read_text().splitlines()]
        assert rules and all(rule in styles for rule in rules)  # without comments and indents


def test_a_module_by_its_own_address_is_the_one_of_the_bundle():
    text = entrance("photos.js", MODULES["photos.js"].encode()).decode()
    names = exports(MODULES["photos.js"])
    assert "photos" in names and f'export const {{ {", ".join(names)} }} = need("photos.js");' in text
    assert entrance("base.css", b"a {}") == b"a {}" and entrance("land.bin", b"\xff") == b"\xff"


@pytest.mark.parametrize(
    "line",
    [
        "export let changing = 1;",
        "export default 1;",
        'import thing from "./dom.js";',
        'export * from "./dom.js";',
        "const text = `two\n  lines`;",
    ],
)
def test_what_a_bundle_cannot_hold_is_refused(line):
    with pytest.raises(ValueError, match=r"main\.js: .*bundles\.py"):
        made._function("main.js", f"{line}\n")
