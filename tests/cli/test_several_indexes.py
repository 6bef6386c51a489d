"""`--index` more than once: several indexes searched as one."""

import json
import shutil

import pytest

from tests.conftest import save_photo


@pytest.fixture
def two(indexed_photos, tmp_path):
    """An index, and a copy of it in a folder with a space and a colon in its name."""
    return indexed_photos, shutil.copytree(indexed_photos, tmp_path / "a copy: 2")


def test_query_and_similar_search_several_indexes_as_one(clipsearch, two, tmp_path):
    both = [word for folder in two for word in ("--index", folder)]
    status, output, errors = clipsearch("query", "red", "--json", *both)
    answer = json.loads(output)
    assert (status, errors) == (0, "") and len(answer["hits"]) == 5  # each photo once
    assert answer["hits"][0]["path"] == str(two[0] / "red.jpg") and str(two[1]) in answer["index"]
    picture = save_photo(tmp_path / "picture.png", "blue")
    status, output, _ = clipsearch("similar", picture, "--paths", "-k", "1", *both)
    assert (status, output) == (0, f"{two[0] / 'blue.jpg'}\n")


def test_an_index_that_is_not_there_is_named(clipsearch, two, tmp_path):
    status, _, errors = clipsearch("query", "red", "--index", two[0], "--index", tmp_path / "nothing")
    assert status == 2 and f"there is no index at {tmp_path / 'nothing'}" in errors


def test_the_environment_names_one_index_whatever_signs_it_has(clipsearch, two):
    status, output, _ = clipsearch("query", "red", "--paths", "-k", "1", CLIPSEARCH_INDEX=two[1])
    assert (status, output) == (0, f"{two[1] / 'red.jpg'}\n")


def test_messages_of_the_library_name_options(clipsearch, two):
    status, _, errors = clipsearch("query", two[0] / "red.jpg", "--relevant", "--index", two[0])
    assert status == 2 and "leave --relevant and --min-match out" in errors
