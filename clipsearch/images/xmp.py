"""Write keywords and stars into a photo's XMP sidecar, where photo managers look for them. The photo itself is never opened.

The sidecar of photo.jpg is photo.jpg.xmp, as in darktable, digiKam and Immich. Adobe's name, photo.xmp, would be shared by a
JPEG and its raw file, and Adobe's programs keep the keywords of a JPEG inside it anyway. Keywords go to dc:subject, which all
programs read. If the sidecar has lr:hierarchicalSubject or digiKam:TagsList, they go there too, because programs that find
these lists do not read dc:subject.

An existing sidecar is only added to: each of its bytes stays as it is. If that is not safe, nothing is written and SidecarError
says why.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from clipsearch._internal.atomic_files import put_in_place, sync_file
from clipsearch._internal.untrusted_files import open_plain
from clipsearch._internal.windows import opened_as
from clipsearch.errors import SidecarError

MAX_BYTES = 8_000_000
"""The largest sidecar that is read. Those of darktable with long histories have some hundred thousand bytes."""

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_SUBJECT = "http://purl.org/dc/elements/1.1/ subject"
_LEVELS = {
    "http://ns.adobe.com/lightroom/1.0/ hierarchicalSubject": "|",
    "http://www.digikam.org/ns/1.0/ TagsList": "/",
}
_LISTS = (_SUBJECT, *_LEVELS)
_RATING = "http://ns.adobe.com/xap/1.0/ Rating"
_FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # in XML 1.0
_START_TAG = re.compile(rb"<([^\s<>/]+)(?:[^<>\"']|\"[^\"]*\"|'[^']*')*>")
_STRANGE = "its sidecar has keywords in a form that is not understood"
_STRANGE_RATING = "its sidecar has a rating in a form that is not understood"
_WHAT_TO_DO = "save it anew with the program that wrote it, or move it away: then a new one is written"
_EMPTY = (
    f'<?xml version="1.0" encoding="UTF-8"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="clipsearch">\n'
    f' <rdf:RDF xmlns:rdf="{_RDF}">\n </rdf:RDF>\n</x:xmpmeta>\n'
).encode()


def sidecar_path(photo: str) -> str:
    """Where the sidecar of a photo is, or would be: photo.jpg.xmp, unless there is only a photo.jpg.XMP."""
    usual, capital = photo + ".xmp", photo + ".XMP"
    return capital if os.path.lexists(capital) and not os.path.lexists(usual) else usual


def add_keywords(photo: str, keywords: Sequence[str]) -> bool:
    """Add keywords to a photo's sidecar; returns whether anything had to be written.

    Keywords that are there already, in upper or lower case, are not added again. The new sidecar replaces the old one
    atomically and keeps its permissions. Raises SidecarError, with nothing changed, if it cannot be written.
    """
    for keyword in keywords:
        if _FORBIDDEN.search(keyword):
            raise SidecarError(f"the keyword {keyword!r} has characters that XML cannot hold")
    return _change(photo, lambda content: with_keywords(content, keywords))


def add_rating(photo: str, stars: int) -> bool:
    """Give a photo 1 to 5 stars in photo.jpg.xmp, unless that has a rating other than 0; returns whether it was written.

    Writes, and raises SidecarError, as `add_keywords` does.
    """
    return _change(photo, lambda content: with_rating(content, stars))


def with_rating(content: bytes, stars: int) -> bytes:
    """A sidecar's bytes with a rating added, or `content` itself if it has one. SidecarError if adding is not safe."""
    layout = _SidecarLayout(content)
    if layout.rating:
        start, end = layout.rating
        if content[start:end].strip() != b"0":
            return content
        changed = content[:start] + str(stars).encode() + content[end:]
        if _SidecarLayout(changed).rating != (start, start + 1):
            raise SidecarError(_STRANGE_RATING)
        return changed
    offset = layout.end_of_list(content)
    namespace, name = _RATING.split()
    return (
        content[:offset]
        + (
            f'  <rdf:Description xmlns:rdf="{_RDF}" xmlns:xmp="{namespace}" rdf:about={quoteattr(layout.about)} '
            f'xmp:{name}="{stars}"/>\n'
        ).encode()
        + content[offset:]
    )


def with_keywords(content: bytes, keywords: Sequence[str]) -> bytes:
    """A sidecar's bytes with keywords added, or `content` itself if it has them all. SidecarError if adding is not safe."""
    tidy = dict.fromkeys(" ".join(word.split()) for word in keywords)
    layout = _SidecarLayout(content)
    new = [word for word in tidy if word and word.casefold() not in layout.keywords()]
    replacements: list[tuple[int, int, bytes]] = []  # (start, end, new bytes)
    for name, keyword_list in layout.lists.items():
        separator = _LEVELS.get(name)  # a keyword with a separator would become several levels
        leaves = {item.rpartition(separator)[2].casefold() for item in keyword_list.items} if separator else set()
        words = [word for word in new if not (separator and (separator in word or word.casefold() in leaves))]
        if words:
            replacements.append(keyword_list.with_items(content, words))
    if _SUBJECT not in layout.lists and new:
        offset = layout.end_of_list(content)
        replacements.append((offset, offset, _description(layout.about, new)))
    for start, end, text in sorted(replacements, reverse=True):
        content = content[:start] + text + content[end:]
    if new and not {word.casefold() for word in new} <= _SidecarLayout(content).keywords():
        raise SidecarError(_STRANGE)
    return content


@dataclass
class _KeywordList:
    """A Bag or Seq of keywords in a sidecar: its place, in byte offsets, and its items."""

    start: int
    prefix: str  # of RDF's namespace, at this place
    end: int = -1  # where the end tag begins; unused if the list is a single tag
    items: list[str] = field(default_factory=list)

    def with_items(self, content: bytes, words: Sequence[str]) -> tuple[int, int, bytes]:
        li = f"{self.prefix}:li" if self.prefix else "li"
        text = "".join(f"<{li}>{escape(word)}</{li}>" for word in words).encode()
        tag = _START_TAG.match(content, self.start)
        if tag is None:
            raise SidecarError(_STRANGE)
        if tag[0].endswith(b"/>"):
            return self.start, tag.end(), tag[0][:-2] + b">" + text + b"</" + tag[1] + b">"
        return self.end, self.end, text


class _SidecarLayout:
    """Byte offsets of the parts of a sidecar, found by expat. No entity is expanded, because a DOCTYPE is refused."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.lists: dict[str, _KeywordList] = {}
        self.end_of_rdf = -1
        self.rating: tuple[int, int] | None = None  # where the value of the first begins and ends
        self._rdf_is_one_tag = False
        self.about = ""
        self._stack: list[str] = []
        self._list: _KeywordList | None = None
        self._text: list[str] | None = None
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.namespace_prefixes = True
        parser.buffer_text = True
        self._offset: Callable[[], int] = lambda: parser.CurrentByteIndex
        parser.XmlDeclHandler = self._declaration
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise SidecarError("its sidecar is not in UTF-8")
        try:
            parser.Parse(content, True)
        except expat.ExpatError as error:
            raise SidecarError(f"its sidecar is no XML that can be read ({error})") from error
        if self.end_of_rdf < 0:
            raise SidecarError("its sidecar holds no XMP")

    def end_of_list(self, content: bytes) -> int:
        """Where a further rdf:Description goes: before the line of the end tag of rdf:RDF."""
        line = content.rfind(b"\n", 0, self.end_of_rdf) + 1
        return line if content[line : self.end_of_rdf].isspace() else self.end_of_rdf

    def keywords(self) -> set[str]:
        """The keywords of dc:subject, casefolded."""
        return {item.casefold() for item in self.lists[_SUBJECT].items} if _SUBJECT in self.lists else set()

    def _place_in_tag(self, key: str) -> tuple[int, int]:
        """Where the value of an attribute of the tag that begins here is; an empty place if that is not clear."""
        name = re.escape(f"{_split(key)[1]}:{key.split()[1]}").encode()
        tag = _START_TAG.match(self._content, self._offset())
        found = list(re.finditer(rb"\s" + name + rb"\s*=\s*([\"'])(.*?)\1", tag[0], re.DOTALL)) if tag else []
        return (self._offset() + found[0].start(2), self._offset() + found[0].end(2)) if len(found) == 1 else (0, 0)

    def _place_of_text(self) -> tuple[int, int]:
        """Where the text after the tag that begins here is; an empty place if that is not clear."""
        tag = _START_TAG.match(self._content, self._offset())
        return (tag.end(), self._content.find(b"<", tag.end())) if tag else (0, 0)

    def _declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding and encoding.casefold() not in ("utf-8", "us-ascii"):
            raise SidecarError(f"its sidecar is in {encoding}, not in UTF-8")

    def _doctype(self, *_: object) -> None:
        raise SidecarError("its sidecar has a DOCTYPE, which XMP never has")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        full, prefix = _split(name)
        inside = self._stack[-1] if self._stack else ""
        if inside == f"{_RDF} RDF" and full == f"{_RDF} Description" and self.end_of_rdf < 0:
            values = {_split(key)[0]: value for key, value in attributes.items()}
            if _RATING in values and not self.rating:
                self.rating = self._place_in_tag(next(key for key in attributes if _split(key)[0] == _RATING))
            if any(name in values for name in _LISTS):
                raise SidecarError(_STRANGE)
            self.about = self.about or values.get(f"{_RDF} about", values.get("about", ""))
        elif full == _RATING:
            self.rating = self.rating or self._place_of_text()
        elif full in _LISTS and self._stack[-2:] == [f"{_RDF} RDF", f"{_RDF} Description"]:
            if full in self.lists:
                raise SidecarError("its sidecar has the same list of keywords twice")
            self.lists[full] = _KeywordList(-1, "")
        elif inside in _LISTS and inside in self.lists and self.lists[inside].start < 0:
            if full not in (f"{_RDF} Bag", f"{_RDF} Seq"):
                raise SidecarError(_STRANGE)
            self._list = self.lists[inside]
            self._list.start, self._list.prefix = self._offset(), prefix
        elif self._list is not None and full == f"{_RDF} li":
            self._text = []
        elif full == f"{_RDF} RDF":
            tag = _START_TAG.match(self._content, self._offset())
            self._rdf_is_one_tag = tag is None or tag[0].endswith(b"/>")
        self._stack.append(full)

    def _end(self, name: str) -> None:
        full = self._stack.pop()
        inside = self._stack[-1] if self._stack else ""
        if full == f"{_RDF} li" and self._list is not None and self._text is not None:
            self._list.items.append("".join(self._text).strip())
            self._text = None
        elif self._list is not None and full in (f"{_RDF} Bag", f"{_RDF} Seq") and inside in _LISTS:
            self._list.end, self._list = self._offset(), None
        elif full in _LISTS and full in self.lists and self.lists[full].start < 0:
            raise SidecarError(_STRANGE)
        elif full == f"{_RDF} RDF" and self.end_of_rdf < 0 and not self._rdf_is_one_tag:
            self.end_of_rdf = self._offset()

    def _characters(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)


def _split(name: str) -> tuple[str, str]:
    """Split expat's "namespace name prefix" into ("namespace name", prefix)."""
    parts = name.split(" ")
    return " ".join(parts[:2]), parts[2] if len(parts) > 2 else ""


def _description(about: str, keywords: Sequence[str]) -> bytes:
    """A further rdf:Description, which XMP (ISO 16684-1) allows; the one that is there may be a single tag."""
    items = "".join(f"     <rdf:li>{escape(word)}</rdf:li>\n" for word in keywords)
    return (
        f'  <rdf:Description xmlns:rdf="{_RDF}" xmlns:dc="{_SUBJECT.split()[0]}" rdf:about={quoteattr(about)}>\n'
        f"   <dc:subject>\n    <rdf:Bag>\n{items}    </rdf:Bag>\n   </dc:subject>\n  </rdf:Description>\n"
    ).encode()


def _change(photo: str, changed: Callable[[bytes], bytes]) -> bool:
    """Change a photo's sidecar by a function; returns whether that changed anything. SidecarError."""
    photo = opened_as(photo)
    path = sidecar_path(photo)
    try:
        if not os.path.isfile(photo):
            raise SidecarError("the photo is not there any more")
        before, content = _read(path)
        try:
            new = changed(content)
        except SidecarError as error:
            raise SidecarError(f"{error}; {_WHAT_TO_DO}") from error
        if new != content:
            _replace(path, new, before)
    except OSError as error:
        raise SidecarError(f"its sidecar cannot be written: {error.strerror or error}") from error
    return new != content


def _read(path: str) -> tuple[os.stat_result | None, bytes]:
    """A sidecar's state as a file and its bytes; (None, an empty sidecar's bytes) if it does not exist."""
    try:
        with open_plain(Path(path), follow_links=False) as file:
            state, content = os.fstat(file.fileno()), file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None, _EMPTY
    except ValueError as error:
        raise SidecarError(f"its sidecar cannot be used: {error}") from error
    if len(content) > MAX_BYTES:
        raise SidecarError(f"its sidecar is larger than {MAX_BYTES // 1_000_000} MB")
    if not os.access(path, os.W_OK):
        raise SidecarError("its sidecar is read-only")
    return state, content


def _replace(path: str, content: bytes, before: os.stat_result | None) -> None:
    folder = os.path.dirname(path)
    partial = os.path.join(folder, f".clipsearch-{secrets.token_hex(6)}.tmp")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if before else 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            sync_file(file.fileno())
        if before:
            if hasattr(os, "chown"):
                with contextlib.suppress(OSError):
                    os.chown(partial, before.st_uid, before.st_gid)
            if stat.S_IMODE(os.lstat(partial).st_mode) != (mode := stat.S_IMODE(before.st_mode)):
                os.chmod(partial, mode)
        if _identity(path) != (before and (before.st_ino, before.st_mtime_ns, before.st_size)):
            raise SidecarError("its sidecar was changed by another program just now; run it again")
        put_in_place(partial, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(partial)
        raise


def _identity(path: str) -> tuple[int, int, int] | None:
    try:
        now = os.lstat(path)
    except FileNotFoundError:
        return None
    return now.st_ino, now.st_mtime_ns, now.st_size
