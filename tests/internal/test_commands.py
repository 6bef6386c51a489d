"""Messages of the library use the words of Python; the command line shows its options, and the server its parameters."""

import ast
import re

from clipsearch._internal.commands import for_requests, option_of, with_flags
from tests.cli.running import run_here
from tests.conftest import ROOT

# The parts that are only run by the command line, and so may name its options.
_SHELL = ("cli", "server", "render", "mcp_server", "terminal")
# Commands are between backticks, or after a colon at the end of a sentence.
_COMMAND = re.compile(r"`(clipsearch|pip|hf) [^`]*`?|pip install .*")
_OF_PROGRAMS = ("clipsearch/_internal/commands.py",)  # they make the commands


def test_parameters_of_python_become_options():
    for python, shell in (
        ("`force=True` replaces it", "--force replaces it"),
        ("pass `model='mini'`", "pass --model mini"),
        ("say `folder=FOLDER`", "say --in FOLDER"),
        ("scale: `any_length=True`", "scale: --normalise"),
        ("confirm with `take_over=True`", "confirm with --take-over"),
        ("leave `min_match` out", "leave --min-match out"),
        ("use `defaults=False`", "use --no-default-excludes"),
        ("because of `exclude`", "because of --exclude"),
    ):
        assert with_flags(python) == shell
    assert [option_of(name) for name in ("people", "min_width", "folders")] == ["--person", "--min-width", "--in"]


def test_a_request_has_its_own_parameters_by_name_and_those_of_the_command_as_options():
    assert for_requests("leave `relevant` and `min_match` out") == "leave relevant and min_match out"
    assert for_requests("say `hybrid=True`, or `model='mini'`") == "say hybrid=true, or --model mini"


def test_the_library_names_no_options():
    """Who calls it from Python has none."""
    found = []
    for path in (ROOT / "clipsearch").rglob("*.py"):
        name, text = path.relative_to(ROOT).as_posix(), path.read_text("utf-8")
        if name.split("/")[1] in _SHELL or name in _OF_PROGRAMS or not re.search(r"--[a-z]", text):
            continue
        nodes = list(ast.walk(ast.parse(text)))
        docs = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        arguments = {id(word) for node in nodes if isinstance(node, ast.Call) for word in node.args}
        for node in nodes:
            value = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            if id(node) in docs or (id(node) in arguments and re.fullmatch("--[a-z-]+", value)):  # a word of `command`
                continue
            if re.search(r"--[a-z]", _COMMAND.sub("", value)):
                found.append((name, node.lineno, value))
    assert not found


def test_the_command_line_says_an_option_where_python_says_a_parameter(engine, tmp_path):
    (tmp_path / "page.html").write_text("mine")
    status, _, errors = run_here("query", "x", "--html", "page.html", "--index", engine.index_folder, cwd=tmp_path)
    assert status == 2 and "page.html is there already; --force replaces it" in errors
