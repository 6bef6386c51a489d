"""-v, -q and CLIPSEARCH_LOG."""

import json
import logging

import pytest

from tests.cli.running import run_here

LOGGER = logging.getLogger("clipsearch.store.example")


@pytest.fixture
def logging_status(monkeypatch, indexed):
    """Run `clipsearch status --json ...` while the library logs at every level: (exit status, output, errors)."""
    from clipsearch.engine import SearchEngine

    status = SearchEngine.status

    def logs(self, **options):
        LOGGER.debug("looked at\n%s", "segment 1")
        LOGGER.info("opened")
        LOGGER.warning("odd")
        return status(self, **options)

    monkeypatch.setattr(SearchEngine, "status", logs)
    return lambda *flags, **environment: run_here("status", "--json", *flags, cwd=indexed, **environment)


@pytest.fixture
def indexed(photos, engine):
    engine.index(photos)
    return photos


@pytest.mark.parametrize(
    ("flags", "environment", "levels"),
    [
        (["-v"], {}, "info warning"),
        (["-vv"], {}, "debug debug info warning"),
        (["--verbose"], {"CLIPSEARCH_LOG": "debug"}, "debug debug info warning"),
        ([], {"CLIPSEARCH_LOG": "INFO"}, "info warning"),
        (["-q"], {"CLIPSEARCH_LOG": "info"}, "info warning"),
    ],
)
def test_what_the_library_logs_goes_to_standard_error(logging_status, flags, environment, levels):
    status, output, errors = logging_status(*flags, **environment)
    lines = [line for line in errors.splitlines() if " store.example: " in line]
    assert status == 0 and json.loads(output)["images"] == 5
    assert [line.split()[0] for line in lines] == levels.split()


def test_a_warning_alone_looks_like_every_other_message(logging_status):
    for flags in ([], ["-q"]):
        assert logging_status(*flags)[2].splitlines() == ["clipsearch: odd"]
    assert logging_status(CLIPSEARCH_LOG="warning")[2] == "clipsearch: odd\n"


def test_a_message_has_its_level_and_module_on_each_line(logging_status):
    errors = logging_status("-vv")[2]
    assert "debug store.example: looked at\ndebug store.example: segment 1\ninfo store.example: opened\n" in errors


def test_logging_ends_with_the_command(logging_status):
    logging_status("-vv")
    logger = logging.getLogger("clipsearch")
    assert (logger.handlers, logger.level, logger.propagate) == ([], logging.NOTSET, True)


def test_an_unknown_level_is_told(logging_status):
    assert "set it to debug, info or warning" in logging_status(CLIPSEARCH_LOG="all")[2]


def test_quiet_ends_with_the_command(indexed):
    assert run_here("index", "-q", cwd=indexed)[1] == b""
    assert b"5 unchanged" in run_here("index", cwd=indexed)[1]


def test_quiet_leaves_answers_and_errors_and_nothing_else(indexed, tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text("red\nblue\nred\n")  # a label that is there twice is a warning
    for arguments, has_answer in (
        (["index", indexed / "trip"], False),
        (["index", "--dry-run"], True),
        (["query", "red"], True),
        (["query", "red", "--in", "nowhere"], False),
        (["query", "red", "--copy-to", tmp_path / "copies"], True),
        (["query", "red", "--html", tmp_path / "page.html"], True),
        (["label", "--labels", labels], True),
        (["duplicates", "--exact"], False),
        (["export", tmp_path / "photos.npy"], False),
        (["import", tmp_path / "photos.npy"], False),
        (["verify"], False),
        (["repair"], False),
        (["optimize", "--remove"], False),
        (["models", "pull", "mini"], False),
        (["forget", indexed / "trip"], False),
        (["status"], True),
    ):
        status, output, errors = run_here(*arguments, "-q", cwd=indexed)
        assert (status, errors, bool(output.strip())) == (0, "", has_answer), arguments
    status, output, errors = run_here("query", "red", "-q", cwd=tmp_path)
    assert (status, errors) == (0, "") and output, "the last used index is taken without a word"
    status, _, errors = run_here("query", "red", "--where", "nothing = 1", "-q", cwd=indexed)
    assert status == 2 and errors.startswith("clipsearch: ")
