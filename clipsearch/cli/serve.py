"""`clipsearch serve`."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clipsearch._internal.commands import INDEX_FOLDER
from clipsearch.cli.choose_index import index_to_serve, photos_without_index
from clipsearch.cli.command import PathText, command, flag, option
from clipsearch.cli.exit_status import leave_quickly
from clipsearch.cli.find_index import remember_index
from clipsearch.cli.options import device_option, index_option, model_option
from clipsearch.cli.output import OutputFailed, is_unread, note, remark, say
from clipsearch.errors import ClipsearchError
from clipsearch.render.text import counted

if TYPE_CHECKING:
    from clipsearch.server.sessions import Sessions


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
        "--token",
        "TEXT",
        "Ask for this before showing anything: 16 to 256 letters, digits or any of - _ . ~. $CLIPSEARCH_TOKEN",
        envvar="CLIPSEARCH_TOKEN",
    ),
    allow_below: tuple[str, ...] = option(
        "--allow-below",
        "FOLDER",
        "Let the page add folders below this one. Repeatable.",
        multiple=True,
        type=PathText(),
    ),
    map_tiles: str | None = option(
        "--map-tiles", "URL", "Your own tile server for the map: http://localhost:8080/{z}/{x}/{y}.png."
    ),
    no_open: bool = flag("--no-open", "Do not open the browser."),
    watch: bool = flag("--watch", "Index again whenever something changes in the indexed folders."),
) -> None:
    """Search in the browser, and answer programs over HTTP. Only this machine can reach it, unless --host says otherwise.

    \b
    clipsearch serve
    clipsearch serve --index ~/Photos --watch
    clipsearch serve --port 0 --no-open

    Prints its address first. Ctrl-C stops it. Without --index, it serves the index of the current folder or of one above
    it. If there is none, it serves the index that was used last; if none was used yet, its page offers to index the
    current folder. With `--index .`, it serves the index of the current folder and no other.
    """
    try:
        from clipsearch.indexing.watch import require_watchfiles
        from clipsearch.server.app import make_app
        from clipsearch.server.map_tiles import tile_origin
        from clipsearch.server.middleware.access import check_exposure
        from clipsearch.server.service import Service
        from clipsearch.server.sessions import Sessions
        from clipsearch.server.uvicorn_server import address_of, listen, require_host, run
    except ImportError as error:
        raise ClipsearchError("serve needs a web framework: pip install 'clipsearch[web]'") from error

    require_host(host)  # a token would not help
    check_exposure(host, token)
    if map_tiles is not None:
        tile_origin(map_tiles)
    if watch:
        require_watchfiles()
    folder, offered = index_to_serve(index_folder)
    allowed = [_existing_folder(name) for name in allow_below]
    listener = listen(host, port)
    address = address_of(listener, host)
    port = listener.getsockname()[1]
    service = Service(
        folder,
        model=model,
        device=device,
        offered=offered or _own_folder(folder),
        unindexed=None if offered else photos_without_index(index_folder),
        allowed=allowed,
        map_tiles=map_tiles,
    )
    try:
        service.pictures.start()  # its processes start while the model is loaded
        if offered:
            content = f"there is no index yet; open the page to index the photos in {offered}"
        else:
            remark(f"loading the index at {folder} and its model")
            fingerprint, images = service.load()
            content = f"{counted(images, 'photo')}, model {fingerprint.model}" if fingerprint else "no photos yet"
            remember_index(folder)
        sessions = Sessions(token, port) if token else None
        app = make_app(service, host=host, port=port, sessions=sessions)

        def ready() -> None:
            try:
                say(f"{address}\n")
            except OutputFailed as error:  # for example, in the background: its options tell the address
                note(f"{error}. The address is {address}")
            if is_unread():
                note(f"the address is {address}")
            remark(f"{content}; Ctrl-C stops")
            if sessions:
                _tell_how_to_sign_in(sessions, address_of(listener, host, for_others=True))
            if watch and not offered:
                service.watch(note)
            elif watch:
                remark("note: the folder is watched from the next start on")
            service.warm_up()
            if not no_open:
                _open(f"{address}#sign-in={sessions.new_code()}" if sessions else address)

        run(app, service, listener, ready)
    finally:
        service.close()
        listener.close()
    leave_quickly()


def _own_folder(index_folder: Path) -> Path | None:
    """The photo folder that an index is in. If the index is removed, the page offers to make it anew."""
    return index_folder.parent if index_folder.name == INDEX_FOLDER else None


def _existing_folder(name: str) -> Path:
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise click.UsageError(f"--allow-below: the folder {name} does not exist")
    return Path(os.path.realpath(folder))


def _tell_how_to_sign_in(sessions: Sessions, address: str) -> None:
    """Print an address that signs one browser in, and another one whenever the last was used."""
    code = sessions.new_code(lambda: _tell_how_to_sign_in(sessions, address))
    note(f"to sign a browser in, open this address; it works once, and the next one follows: {address}#sign-in={code}")


def _open(address: str) -> None:
    """Open the browser, unless it would run in the terminal. In a thread, because some commands wait for their browser."""
    import webbrowser

    if sys.platform == "linux" and not any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))):
        return
    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
