"""Every option that the documentation names exists on the command line."""

import re

import click
import pytest

from clipsearch.cli import cli
from tests.conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMAND = re.compile(r"(?:^\$ |`)(clipsearch (?!\|)[^`\n]*)", re.MULTILINE)


def options(command, name="clipsearch"):
    """The name of each command, and the options that it takes."""
    context = click.Context(
        command, info_name=name, help_option_names=["-h", "--help"]
    )  # a command keeps the help option of its first context
    yield (
        name,
        {
            option
            for parameter in command.get_params(context)
            for option in (*parameter.opts, *parameter.secondary_opts)
        },
    )
    for child in command.list_commands(context) if isinstance(command, click.Group) else ():
        yield from options(command.get_command(context, child), f"{name} {child}")


KNOWN = dict(options(cli))
ANY = set().union(*KNOWN.values())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_option_named_exists(page):
    text = page.read_text("utf-8")
    for line in COMMAND.findall(text):
        words = line.split("  #")[0].split(" | ")[0].split()
        name = " ".join(words[:3]) if " ".join(words[:3]) in KNOWN else " ".join(words[:2])
        if name in KNOWN:
            named = {word.partition("=")[0] for word in words if re.fullmatch(r"--[a-z][a-z-]*(=.*)?", word)}
            assert named <= KNOWN[name], line
    inline = set(re.findall(r"`(--[a-z][a-z-]*)", text))
    # Of programs in tools/ and benchmarks/.
    others = {"--minutes", "--only", "--kill", "--repeats", "--spread", "--replicas", "--all", "--planted"}
    assert inline <= ANY | others


def test_pages_name_each_option_that_writes_beside_photos_and_install_extras_from_any_folder():
    writers = {f"{name.removeprefix('clipsearch ')} {option}" for name, known in KNOWN.items() for option in known
               if option in ("--write-sidecar", "--write-rating")}  # fmt: skip
    for page in ("SECURITY.md", "docs/how-to/service.md"):
        text = (ROOT / page).read_text("utf-8")
        assert len(writers) == 2 and all(f"`{writer}`" in text for writer in writers), page
    for page in PAGES:
        assert page.name == "install.md" or "install '.[" not in page.read_text("utf-8"), page
