"""Small checkpoints. Each test gets its own copy."""

import shutil

import pytest

from tests.encoders.support import MAKERS, save_checkpoint
from tests.encoders.tokenizers.support import save_gemma


@pytest.fixture(scope="session", params=MAKERS)
def of_a_kind(request, tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture
def any_copy(of_a_kind, tmp_path):
    """A copy of a small checkpoint of each kind."""
    return shutil.copytree(of_a_kind, tmp_path / "model")


@pytest.fixture(scope="session")
def clip_checkpoint(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def clip_copy(clip_checkpoint, tmp_path):
    return shutil.copytree(clip_checkpoint, tmp_path / "model")


@pytest.fixture(scope="session")
def saved_gemma(tmp_path_factory):
    return save_gemma(tmp_path_factory.mktemp("gemma") / "model")


@pytest.fixture(autouse=True)
def embedded_anew(own_vectors):
    """These tests are of the encoders themselves."""
