"""A server that uses TLS: milvuss://."""

import json
import shutil
import ssl
import subprocess

import pytest

from tests.cli.running import run_process
from tests.milvus.server import running
from tests.milvus.support import make_index

pytestmark = pytest.mark.long
pytest.importorskip("milvus", reason="needs a Milvus server: pip install milvus")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for 127.0.0.1, and its key."""
    if not shutil.which("openssl"):
        pytest.skip("needs a certificate, which openssl makes")
    folder = tmp_path_factory.mktemp("certificate")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key -out certificate -days 1 "
        "-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return folder / "certificate", folder / "key"


@pytest.fixture(scope="module")
def address(certificate, tmp_path_factory):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    context.set_alpn_protocols(["h2"])
    with running(tmp_path_factory.mktemp("milvus"), context) as address:
        yield address


def test_an_index_goes_there_and_back(address, certificate, tmp_path):
    index, store = make_index(tmp_path / "photos" / ".clipsearch", 60), f"milvuss://{address}/photos"
    trusting = {"cwd": tmp_path, "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(certificate[0])}
    status, output, errors = run_process("push", "--index", index, "--store", store, "--json", **trusting)
    assert status == 0, errors
    pulled = tmp_path / "pulled"
    status, copy, errors = run_process("pull", "--index", pulled, "--store", store, "--json", **trusting)
    assert status == 0, errors
    assert json.loads(output)["digest"] == json.loads(copy)["digest"] and json.loads(copy)["images"] == 60


@pytest.mark.parametrize("scheme", ["milvuss", "milvus"])
def test_unencrypted_connections_and_untrusted_servers_are_refused(address, scheme, tmp_path):
    status, output, errors = run_process("status", "--store", f"{scheme}://{address}/photos?timeout=5", cwd=tmp_path)
    assert (status, output) == (5, "") and "Traceback" not in errors
    assert f"{scheme}://{address}" in errors and "bug" not in errors
    assert ("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH" in errors) == (scheme == "milvuss")
