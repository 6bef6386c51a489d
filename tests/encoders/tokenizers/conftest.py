"""Small tokenizers. Each test gets its own copy, and the tables that were made from it."""

import shutil

import pytest

from clipsearch.encoders.tokenizers import cache
from tests.encoders.tokenizers.support import opened_with_cache


@pytest.fixture(scope="session")
def made_tables(saved_gemma, tmp_path_factory):
    """A cache folder with the tables of the small tokenizer, which take a second to make."""
    folder = tmp_path_factory.mktemp("made") / "tokenizers"
    assert opened_with_cache(saved_gemma, folder)[0]
    return folder


@pytest.fixture
def gemma(saved_gemma, tmp_path):
    """A folder with a small tokenizer like SigLIP 2's, whose tables are not made yet."""
    return shutil.copytree(saved_gemma, tmp_path / "model")


@pytest.fixture
def table(gemma, made_tables):
    """The file of this tokenizer's tables."""
    shutil.copytree(made_tables, cache.cache_folder())
    (path,) = cache.cache_folder().glob("*.table")
    return path
