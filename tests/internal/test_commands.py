"""Messages of the library use the words of Python; the command line shows its options instead."""

from clipsearch._internal.commands import with_flags
from tests.cli.running import run_here


def test_parameters_of_python_become_options():
    for python, shell in (
        ("`force=True` replaces it", "--force replaces it"),
        ("pass `model='mini'`", "pass --model mini"),
        ("say `folder=FOLDER`", "say --in FOLDER"),
        ("scale: `any_length=True`", "scale: --normalise"),
        ("confirm with `take_over=True`", "confirm with --take-over"),
        ("leave `min_match` out", "leave --min-match out"),
    ):
        assert with_flags(python) == shell


def test_the_command_line_says_an_option_where_python_says_a_parameter(engine, tmp_path):
    (tmp_path / "page.html").write_text("mine")
    errors = run_here("query", "x", "--html", "page.html", "--index", engine.index_folder, cwd=tmp_path)[2]
    assert "page.html is there already; --force replaces it" in errors
