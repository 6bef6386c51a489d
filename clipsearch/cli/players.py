"""Open a photo or a film for the user; a film at its moment, if a player is here that can start there. No shell is used."""

from __future__ import annotations

import mimetypes
import os
import shutil
import subprocess
import sys

from clipsearch._internal.paths import is_elsewhere
from clipsearch._internal.programs import started
from clipsearch.cli.files import open_in_viewer
from clipsearch.cli.output import remark
from clipsearch.images.file_types import is_video_name
from clipsearch.types import ImageRecord

PLAYERS = {
    "mpv": ("--start={}", "--force-window"),
    "vlc": ("--start-time={}",),
    "mplayer": ("-ss", "{}"),
    "ffplay": ("-ss", "{}"),
}
"""Players that can start at a second, the best first, and the options for it. The film's absolute path follows."""

_VLC_FOLDERS = {"darwin": "/Applications/VLC.app/Contents/MacOS", "win32": r"C:\Program Files\VideoLAN\VLC"}
"""Where VLC is on systems that do not put it on the PATH."""

_ASK_SECONDS = 5.0  # for xdg-mime, which only reads a few small files


def open_photo(record: ImageRecord) -> str | None:
    """Show a record's file, a film from the record's moment on. Returns what the user must do to see the moment, if anything.

    ClipsearchError if the file is gone, or no program can show it.
    """
    path, moment = record.file.path, record.moment
    if moment is None:
        open_in_viewer(path)
        return None
    if moment.unit == "page":
        open_in_viewer(path)
        return f"{record.file.name} is open; the photo is on {moment}" if moment.at > 1 else None
    is_film = is_video_name(path)
    if is_film and _play(path, moment.at):
        return None
    open_in_viewer(path)
    if not is_film:  # an animation, which viewers play by themselves
        return None
    return f"{record.file.name} is open from its beginning; the moment is {moment}. mpv and VLC could start there"


def note_film(path: str) -> None:
    """If a picture to search by is a film, say which of its pictures is meant."""
    if is_video_name(path):
        remark(f"{path} is a film: its first picture is searched. To search by another moment, save that as a picture")


def _play(path: str, second: float) -> bool:
    """Whether a player has started to play a film from a second on."""
    if is_elsewhere(path) or not os.path.isfile(path):
        return False
    folders = filter(None, (os.environ.get("PATH", os.defpath), _VLC_FOLDERS.get(sys.platform)))
    search_path = os.pathsep.join(folders)
    for name in _names(path):
        program = shutil.which(name, path=search_path)
        if program is None or not os.path.isabs(program):  # a program in the current folder may be a photo's neighbour
            continue
        options = [option.format(f"{second:.3f}") for option in PLAYERS[name]]
        try:
            status = started([program, *options, os.path.abspath(path)])
        except OSError:
            continue
        if not status:
            return True
    return False


def _names(path: str) -> list[str]:
    """The names of PLAYERS. The system's own choice for such a film comes first."""
    chosen = _default_player(path)
    return sorted(PLAYERS, key=lambda name: name != chosen)


def _default_player(path: str) -> str | None:
    """The player that Linux desktops open such a film with, as one of PLAYERS; None if it is another one or unknown."""
    program, kind = shutil.which("xdg-mime"), mimetypes.guess_type(path)[0]
    if program is None or kind is None:
        return None
    try:
        answer = subprocess.run(
            [program, "query", "default", kind], stdin=subprocess.DEVNULL, capture_output=True, timeout=_ASK_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    name = os.fsdecode(answer.stdout).strip().lower().removesuffix(".desktop").rpartition(".")[2]  # org.videolan.vlc
    return name if name in PLAYERS else None
