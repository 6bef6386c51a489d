"""If a model cannot be downloaded, the message names the reason, then what to do. The servers are on 127.0.0.1."""

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
import urllib.error
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from clipsearch import ClipsearchWarning
from clipsearch.encoders import choose_default_model, hub
from clipsearch.encoders.hub_trouble import hub_trouble
from clipsearch.errors import ModelError


@contextlib.contextmanager
def hub_that_answers(status, code="", context=None, lists_models=False):
    """Yield the address of a server that answers every request with this status and the hub's error `code`."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            listed = lists_models and self.path.startswith("/api/models?")
            self.send_response(200 if listed else status)
            if code:
                self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments):
            pass

    for method in ("GET", "HEAD", "CONNECT"):
        setattr(Handler, f"do_{method}", Handler.answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *arguments: None  # a client may hang up during the handshake
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http{'s' if context else ''}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def online(monkeypatch):
    """A machine that is allowed to ask a hub and has no proxy."""
    import huggingface_hub.constants

    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "FETCH_PATIENCE", 2.0)


def refusal(monkeypatch, address):
    """The error message of fetching a model from a hub at this address."""
    monkeypatch.setenv("HF_ENDPOINT", address)
    with pytest.raises(ModelError) as raised:
        hub.fetch("team/tiny")
    return str(raised.value)


@pytest.fixture(scope="module")
def own_certificate(tmp_path_factory):
    """A server's SSL context with a self-signed certificate, and the certificate's file."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("certificate") / "certificate.pem"
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(private + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, file


def test_a_certificate_that_is_not_trusted_is_named_with_the_variable_that_helps(online, monkeypatch, own_certificate):
    context, file = own_certificate
    with hub_that_answers(404, context=context) as address:
        message = refusal(monkeypatch, address)
        assert "the certificate of 127.0.0.1" in message and "is not trusted here (self-signed certificate" in message
        assert "SSL_CERT_FILE" in message and "model='mini'" in message
        monkeypatch.setenv("SSL_CERT_FILE", str(file))  # the message's advice works
        assert isinstance(hub.hub_error(5), urllib.error.HTTPError)


def test_a_proxy_that_wants_a_login_is_named_without_its_password(online, monkeypatch):
    with hub_that_answers(407) as proxy:
        monkeypatch.setenv("https_proxy", proxy.replace("http://", "http://me:secret@"))
        message = refusal(monkeypatch, "https://hub.example")
    assert f"the proxy {proxy.removeprefix('http://')} does not lead to hub.example" in message and "407" in message
    assert "check HTTPS_PROXY" in message and "add hub.example to NO_PROXY" in message and "secret" not in message


def test_a_proxy_that_is_not_there_is_named(online, monkeypatch):
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{free_port()}")
    message = refusal(monkeypatch, "https://hub.example")
    assert "the proxy 127.0.0.1:" in message and "cannot be reached" in message and "HTTPS_PROXY" in message


def test_a_hub_that_is_not_there_is_named_with_the_variable_for_a_proxy(online, monkeypatch):
    port = free_port()
    message = refusal(monkeypatch, f"http://127.0.0.1:{port}")
    assert f"127.0.0.1:{port} cannot be reached (Connection refused)" in message
    assert "go online, or name the proxy of your network in HTTPS_PROXY" in message
    for way in ("`clipsearch models pull team/tiny`", "model=PATH", "model='mini'"):
        assert way in message


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_a_setting_that_forbids_asking_is_named(online, monkeypatch, variable):
    import huggingface_hub.constants

    monkeypatch.setenv(variable, "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)  # as in a new process
    with hub_that_answers(200, lists_models=True) as address:
        message = refusal(monkeypatch, address)
    assert f"{variable} is set, so the hub is not asked" in message and f"unset {variable}" in message


def test_a_hub_that_is_silent_did_not_answer_in_time(online, monkeypatch):
    monkeypatch.setattr(hub, "FETCH_PATIENCE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        message = refusal(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert "did not answer in time" in message and "try again later, or from another network" in message


@pytest.mark.parametrize(
    ("status", "code", "reason", "advice"),
    [
        (401, "", "does not show team/tiny without a login, or refuses your token (HTTP 401)", "`hf auth login`"),
        (401, "GatedRepo", "team/tiny needs an account that accepted its terms", "huggingface.co/team/tiny"),
        (403, "GatedRepo", "team/tiny needs an account that accepted its terms", "`hf auth login`"),
        (403, "", "does not let you download team/tiny (HTTP 403)", "ask for access at"),
        (404, "", "which HF_ENDPOINT names, does not have team/tiny (HTTP 404)", "unset HF_ENDPOINT"),
        (
            404,
            "RepoNotFound",
            "there is no model 'team/tiny' on the hub at http://127",
            "`clipsearch models` lists some",
        ),
        (500, "", "is out of order (HTTP 500)", "try again later"),
    ],
)
@pytest.mark.parametrize("lists_models", [True, False])
def test_what_a_hub_answers_is_explained(online, monkeypatch, status, code, reason, advice, lists_models):
    """A mirror may have models but no list of them."""
    with hub_that_answers(status, code, lists_models=lists_models) as address:
        message = refusal(monkeypatch, address)
    assert reason in message and advice in message
    assert message.index(reason) < message.index(advice)


def test_the_default_model_says_why_the_hub_is_not_asked(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.warns(ClipsearchWarning, match="HF_HUB_OFFLINE is set, so the hub is not asked"):
        assert choose_default_model() == "mini"


def test_too_many_requests_and_errors_of_other_kinds():
    too_many = urllib.error.HTTPError("http://hub", 429, "", {}, None)
    assert "too many requests" in hub_trouble(too_many, "team/tiny").reason
    assert hub_trouble(OSError(28, "No space left on device"), "team/tiny") is None


def free_port():
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
