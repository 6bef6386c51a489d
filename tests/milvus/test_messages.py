"""Messages about a store that does not answer are short and contain no secrets."""

import subprocess
import sys

import pytest

from clipsearch.errors import CollectionNotFound, StoreUnreachable
from clipsearch.milvus.address import parse_address
from clipsearch.milvus.store import MilvusStore
from clipsearch.milvus.table import Table


@pytest.mark.parametrize(
    ("user", "raised", "shown"),
    [
        ("root:top-secret", "no login for root:top-secret, nor top-secret", "no login for ***, nor ***"),
        ("root:Milvus", "the user root has no rights", "the user root has no rights"),
        ("a:b", "a bad b in a table (a:b)", "a bad *** in a table (***)"),
        ("k3y", "k3y, monk3ys", "***, monk3ys"),
        ("longer-token", "xlonger-tokenx", "x***x"),
        ("t", "that is not right: t", "that is not right: ***"),
    ],
)
def test_secrets_are_hidden_and_words_are_not(user, raised, shown):
    error = Table(parse_address(f"milvus://{user}@host/photos"))._translate(ValueError(raised))
    assert str(error) == f"the store milvus://host:19530/photos refuses ({shown})"


def test_reading_does_not_create_a_store(tmp_path):
    pytest.importorskip("milvus_lite")
    with (
        MilvusStore(parse_address(f"milvus+lite:{tmp_path}/typo/photos")) as reader,
        pytest.raises(CollectionNotFound, match="nothing was pushed"),
    ):
        len(reader)
    assert not list(tmp_path.iterdir())


OPEN = "import sys; from milvus_lite.server_manager import server_manager_instance as lite\n"
OPEN += "assert lite.start_and_get_uri(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


@pytest.mark.long
def test_milvus_lite_is_open_in_one_process(tmp_path, capfd):
    pytest.importorskip("milvus_lite")
    folder = tmp_path / "store.db"
    process = subprocess.Popen(
        [sys.executable, "-c", OPEN, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "open\n"
        with (
            MilvusStore(parse_address(f"milvus+lite:{folder}/photos")) as reader,
            pytest.raises(StoreUnreachable, match="another process has it open"),
        ):
            len(reader)
    finally:
        process.communicate("")
    assert capfd.readouterr() == ("", "")
