"""`clipsearch serve`."""

from __future__ import annotations

import os
import sys
import threading

import click

from clipsearch.cli.choose_index import existing_index
from clipsearch.cli.command import command, flag, option
from clipsearch.cli.find_index import remember_index
from clipsearch.cli.options import device_option, index_option, model_option
from clipsearch.cli.output import OutputFailed, note, say
from clipsearch.errors import ClipsearchError


@command()
def serve(
    index_folder: str | None = index_option,
    model: str | None = model_option(),
    device: str = device_option,
    host: str = option(
        "--host", "NAME", "Where to listen; others need --token.", default="127.0.0.1", show_default=True
    ),
    port: int = option(
        "--port", "N", "0 takes any free port.", type=click.IntRange(0, 65535), default=8100, show_default=True
    ),
    token: str | None = option(
        "--token", "TEXT", "Ask for this before showing anything. $CLIPSEARCH_TOKEN", envvar="CLIPSEARCH_TOKEN"
    ),
    no_open: bool = flag("--no-open", "Do not open the browser."),
    watch: bool = flag("--watch", "Index again whenever something changes in the indexed folders."),
) -> None:
    """Search in the browser, and answer programs over HTTP. Only this machine can reach it, unless --host says otherwise.

    \b
    clipsearch serve
    clipsearch serve --index ~/Photos --watch
    clipsearch serve --port 0 --no-open

    Prints its address first. Ctrl-C stops it.
    """
    try:
        from clipsearch.indexing.watch import require_watchfiles
        from clipsearch.server.app import make_app
        from clipsearch.server.middleware.access import check_exposure
        from clipsearch.server.service import Service
        from clipsearch.server.uvicorn_server import address_of, listen, run
    except ImportError as error:
        raise ClipsearchError("serve needs a web framework: pip install 'clipsearch[web]'") from error

    check_exposure(host, token)
    if watch:
        require_watchfiles()
    folder = existing_index(index_folder)
    listener = listen(host, port)
    address = address_of(listener, host)
    service = Service(folder, model=model, device=device)
    try:
        note(f"loading the index at {folder} and its model")
        fingerprint, images = service.load()
        content = f"{images:,} photos, model {fingerprint.model}" if fingerprint else "no photos yet"
        remember_index(folder)
        app = make_app(service, host=host, port=listener.getsockname()[1], token=token)

        def ready() -> None:
            try:
                say(f"{address}\n")
            except OutputFailed as error:  # for example, in the background: its options tell the address
                note(f"{error}. The address is {address}")
            note(f"{content}; Ctrl-C stops")
            if watch:
                service.watch(note)
            if not no_open:
                _open(f"{address}?token={token}" if token else address)

        run(app, service, listener, ready)
    finally:
        service.close()
        listener.close()


def _open(address: str) -> None:
    """Open the browser, unless it would run in the terminal. In a thread, because some commands wait for their browser."""
    import webbrowser

    if sys.platform == "linux" and not any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))):
        return
    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
