"""What a program may name: the public names of clipsearch."""

import ast
import functools
import inspect
import re
import sys
from importlib import import_module

import clipsearch


def test_every_class_that_public_annotations_name_is_public():
    """So that a program with strict types can name what methods return. A public class checks those of its fields in turn."""
    hidden = {}
    for name in clipsearch.__all__:
        for owner in getattr(getattr(clipsearch, name), "__mro__", [getattr(clipsearch, name)]):
            if not getattr(owner, "__module__", "").startswith("clipsearch."):
                continue
            homes = homes_of_names(owner.__module__)
            for word in re.findall(r"\w+", " ".join(annotations_of(owner))):
                found = getattr(import_module(homes[word]), word) if word in homes else None
                if isinstance(found, type) and getattr(clipsearch, word, None) is not found:
                    hidden[word] = name
    assert not hidden


@functools.cache
def homes_of_names(module):
    """Class, or imported name of clipsearch → its module, also of those that only type checkers import."""
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    homes = {
        alias.name: node.module
        for node in imports
        for alias in node.names
        if f"{node.module}".startswith("clipsearch.")
    }
    return homes | {node.name: module for node in tree.body if isinstance(node, ast.ClassDef)}


def annotations_of(owner):
    """The annotations of a function, or of a class's own fields, properties and public methods, as they are written."""
    members = vars(owner).items() if isinstance(owner, type) else [("", owner)]
    found = [
        getattr(member, "fget", None) or getattr(member, "__func__", member)
        for name, member in members
        if not name.startswith("_")
    ]
    functions = filter(inspect.isfunction, found)
    of_functions = [str(kind) for function in functions for kind in function.__annotations__.values()]
    return [*map(str, vars(owner).get("__annotations__", {}).values()), *of_functions]
