"""Every error that reaches a caller is public."""

import ast
from pathlib import Path

import clipsearch
from clipsearch import errors

_PACKAGE = Path(clipsearch.__file__).parent


def test_every_error_of_the_library_is_public():
    """A server's own errors are turned into responses; outside it, no module has a private subclass of a public error."""
    public = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert public <= {*clipsearch.__all__}
    for path in _PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path == _PACKAGE / "errors.py" or path.is_relative_to(_PACKAGE / "server"):
            continue
        for node in ast.parse(text).body if "\nclass " in text else ():
            if isinstance(node, ast.ClassDef):
                assert not {ast.unparse(base) for base in node.bases} & public, f"{path}: {node.name}"
