"""Keywords in sidecars: existing content stays byte for byte, and unsuitable files are left alone."""

import os
import stat
import sys
from xml.etree import ElementTree

import pytest

from clipsearch.errors import SidecarError
from clipsearch.images import xmp
from clipsearch.images.xmp import add_keywords, add_rating, sidecar_path, with_keywords, with_rating
from tests.conftest import save_photo

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
SUBJECT = "{http://purl.org/dc/elements/1.1/}subject"
TAGS = "{http://www.digikam.org/ns/1.0/}TagsList"
LEVELS = "{http://ns.adobe.com/lightroom/1.0/}hierarchicalSubject"

DARKTABLE = b"""<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <!-- a note -->
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:lr="http://ns.adobe.com/lightroom/1.0/"
    xmlns:darktable="http://darktable.sf.net/"
   xmp:Rating="4"
   darktable:note="one&#10;two &gt; three">
   <dc:subject>
    <rdf:Bag>
     <rdf:li>Holiday</rdf:li>
     <rdf:li>black &amp; white</rdf:li>
    </rdf:Bag>
   </dc:subject>
   <lr:hierarchicalSubject>
    <rdf:Bag>
     <rdf:li>places|Holiday</rdf:li>
    </rdf:Bag>
   </lr:hierarchicalSubject>
   <darktable:history>
    <rdf:Seq>
     <rdf:li darktable:params="gz04eJx"/>
    </rdf:Seq>
   </darktable:history>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""

ADOBE = (
    b'\xef\xbb\xbf<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\r\n<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><r:Description r:about="uuid:&lt;1&gt;" '
    b'xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/" crs:Exposure="+0.50"/></r:RDF></x:xmpmeta>\r\n'
    b"   \r\n<?xpacket end='w'?>"
)


def digikam(items="", tags=""):
    return f"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><RDF xmlns="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<Description xmlns:d="http://purl.org/dc/elements/1.1/" xmlns:digiKam="http://www.digikam.org/ns/1.0/">
<d:subject>{items}</d:subject><digiKam:TagsList>{tags}</digiKam:TagsList></Description></RDF></x:xmpmeta>""".encode()


def keywords(content, name=SUBJECT):
    root = ElementTree.fromstring(content)
    return [item.text for element in root.iter(name) for item in element.iter(f"{RDF}li")]


@pytest.fixture
def photo(tmp_path):
    return str(save_photo(tmp_path / "photo.jpg"))


def read(path):
    with open(path, "rb") as file:
        return file.read()


def test_a_new_sidecar_lies_beside_the_photo_which_stays_as_it_is(photo, tmp_path):
    before, when = read(photo), os.stat(photo).st_mtime_ns
    assert add_keywords(photo, ["cat", "sofa", "cat"])
    assert sidecar_path(photo) == photo + ".xmp"
    assert keywords(read(photo + ".xmp")) == ["cat", "sofa"]
    assert (read(photo), os.stat(photo).st_mtime_ns) == (before, when)
    assert sorted(os.listdir(tmp_path)) == ["photo.jpg", "photo.jpg.xmp"]


def test_again_changes_nothing_and_more_is_added(photo):
    add_keywords(photo, ["cat"])
    before, file = read(photo + ".xmp"), os.stat(photo + ".xmp")
    assert not add_keywords(photo, ["cat", "CAT"]) and not add_keywords(photo, [])
    assert read(photo + ".xmp") == before and os.stat(photo + ".xmp").st_ino == file.st_ino
    assert add_keywords(photo, ["dog", "cat"])
    assert keywords(read(photo + ".xmp")) == ["cat", "dog"]


def test_no_sidecar_is_made_for_no_keywords(photo):
    assert not add_keywords(photo, [" "])
    assert not os.path.exists(photo + ".xmp")


@pytest.mark.parametrize(
    "content", [DARKTABLE, ADOBE, digikam("<Bag><li>cat</li></Bag>", "<Seq><li>pets/cat</li></Seq>")]
)
def test_what_another_program_wrote_stays_byte_for_byte(content):
    changed = with_keywords(content, ["dog", "tom & jerry <3 \"'"])
    assert with_keywords(changed, ["tom & jerry <3 \"'", "Dog"]) == changed
    assert set(keywords(content)) < set(keywords(changed)) and {"dog", "tom & jerry <3 \"'"} <= set(keywords(changed))
    rest = iter(changed)
    assert all(byte in rest for byte in content)  # the old bytes are still in order, with only additions between them


def test_lists_that_other_programs_prefer_have_the_keywords_too():
    assert keywords(with_keywords(DARKTABLE, ["dog"]), LEVELS) == ["places|Holiday", "dog"]
    changed = with_keywords(digikam("<Bag/>", "<Seq ></Seq>"), ["dog", "a/b"])
    assert (keywords(changed), keywords(changed, TAGS)) == (["dog", "a/b"], ["dog"])  # a/b would become two levels


def test_a_keyword_that_is_there_in_other_letters_or_as_an_entity_is_not_doubled():
    assert with_keywords(DARKTABLE, ["holiday", "Black & White"]) == DARKTABLE
    leaf = with_keywords(digikam("", "<Seq><li>pets/Dog</li></Seq>").replace(b"<d:subject></d:subject>", b""), ["dog"])
    assert (keywords(leaf), keywords(leaf, TAGS)) == (["dog"], ["pets/Dog"])


def test_empty_lists_of_one_tag_are_opened():
    changed = with_keywords(digikam('<Bag note="a > b"  />', "<Seq><li>x</li></Seq>"), ["dog"])
    assert keywords(changed) == ["dog"] and b'<Bag note="a > b"  >' in changed


def test_a_description_that_is_one_tag_gets_a_neighbour_about_the_same():
    root = ElementTree.fromstring(with_keywords(ADOBE, ["dog"]))
    assert [element.get(f"{RDF}about") for element in root.iter(f"{RDF}Description")] == ["uuid:<1>", "uuid:<1>"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no XML"),
        (b"not xml at all", "no XML"),
        (DARKTABLE[:-40], "no XML"),
        (b"<html/>", "holds no XMP"),
        (b'<RDF xmlns="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>', "holds no XMP"),
        (DARKTABLE.decode().replace("UTF-8", "UTF-16").encode("utf-16"), "not in UTF-8"),
        (DARKTABLE.replace(b"UTF-8", b"ISO-8859-1"), "ISO-8859-1, not in UTF-8"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]>' + digikam(), "DOCTYPE"),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>', "DOCTYPE"),
        (digikam("cat, dog"), "not understood"),
        (digikam("<Alt><li>cat</li></Alt>"), "not understood"),
        (
            digikam("<Bag/>").replace(b"<digiKam:TagsList></digiKam:TagsList>", b"<d:subject><Bag/></d:subject>"),
            "twice",
        ),
        (ADOBE.replace(b"crs:Exposure", b'xmlns:dc="http://purl.org/dc/elements/1.1/" dc:subject'), "not understood"),
    ],
)
def test_what_cannot_be_added_to_safely_is_left_alone(photo, content, message):
    with open(photo + ".xmp", "wb") as file:
        file.write(content)
    with pytest.raises(SidecarError, match=f"{message}.*; save it anew with .*, or move it away"):
        add_keywords(photo, ["dog"])
    assert read(photo + ".xmp") == content and len(os.listdir(os.path.dirname(photo))) == 2


def test_a_billion_laughs_cost_nothing(photo):
    entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 30))
    with open(photo + ".xmp", "w") as file:
        file.write(f'<!DOCTYPE x [<!ENTITY a0 "ha">{entities}]><x>&a29;</x>')
    with pytest.raises(SidecarError, match="DOCTYPE"):
        add_keywords(photo, ["dog"])


def test_links_folders_and_huge_files_are_left_alone(photo, tmp_path, monkeypatch):
    path = photo + ".xmp"
    (tmp_path / "elsewhere").write_bytes(DARKTABLE)
    os.symlink(tmp_path / "elsewhere", path)
    with pytest.raises(SidecarError, match="symbolic link"):
        add_keywords(photo, ["dog"])
    assert (tmp_path / "elsewhere").read_bytes() == DARKTABLE
    os.unlink(path)
    os.symlink(tmp_path / "nowhere", path)
    with pytest.raises(SidecarError, match="symbolic link"):
        add_keywords(photo, ["dog"])
    os.unlink(path)
    os.mkdir(path)
    with pytest.raises(SidecarError, match="not a file"):
        add_keywords(photo, ["dog"])
    os.rmdir(path)
    with open(path, "wb") as file:
        file.write(DARKTABLE)
    monkeypatch.setattr(xmp, "MAX_BYTES", 100)
    with pytest.raises(SidecarError, match="larger than"):
        add_keywords(photo, ["dog"])


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are others there")
def test_permissions_stay_and_new_sidecars_have_the_usual_ones(photo):
    old = os.umask(0o027)
    try:
        add_keywords(photo, ["cat"])
    finally:
        os.umask(old)
    assert stat.S_IMODE(os.stat(photo + ".xmp").st_mode) == 0o640
    os.chmod(photo + ".xmp", 0o604)
    add_keywords(photo, ["dog"])
    assert stat.S_IMODE(os.stat(photo + ".xmp").st_mode) == 0o604


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_folders_and_sidecars_that_are_read_only_are_told(photo, tmp_path):
    add_keywords(photo, ["cat"])
    os.chmod(photo + ".xmp", 0o444)
    with pytest.raises(SidecarError, match="read-only"):
        add_keywords(photo, ["dog"])
    os.unlink(photo + ".xmp")
    os.chmod(tmp_path, 0o555)
    try:
        with pytest.raises(SidecarError, match="Permission denied"):
            add_keywords(photo, ["dog"])
    finally:
        os.chmod(tmp_path, 0o755)


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_disk_that_fails_leaves_what_was_there(photo, tmp_path, monkeypatch, broken):
    add_keywords(photo, ["cat"])
    before = read(photo + ".xmp")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xmp.os, broken, fail)
    with pytest.raises(SidecarError, match="No space left"):
        add_keywords(photo, ["dog"])
    assert read(photo + ".xmp") == before and len(os.listdir(tmp_path)) == 2


def test_what_another_program_writes_meanwhile_is_not_lost(photo, tmp_path, monkeypatch):
    add_keywords(photo, ["cat"])
    synced = os.fsync

    def write_too(descriptor):
        synced(descriptor)
        with open(photo + ".xmp", "wb") as file:
            file.write(DARKTABLE)

    monkeypatch.setattr(xmp.os, "fsync", write_too)
    with pytest.raises(SidecarError, match="another program"):
        add_keywords(photo, ["dog"])
    assert read(photo + ".xmp") == DARKTABLE and len(os.listdir(tmp_path)) == 2


@pytest.mark.parametrize("word", ["bell\x07", "caf\udce9", "\ufffe"])
def test_keywords_that_xml_cannot_hold_are_refused(photo, word):
    with pytest.raises(SidecarError, match="cannot hold"):
        add_keywords(photo, ["cat", word])
    assert not os.path.exists(photo + ".xmp")


def test_keywords_of_any_language_survive(photo):
    words = ["小猫", "👩‍🚀", "می‌خواهم", "a]]>b"]
    add_keywords(photo, words)
    assert keywords(read(photo + ".xmp")) == words


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are Unicode there")
def test_file_names_that_are_not_utf8(tmp_path):
    photo = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9 \n.jpg")
    os.rename(save_photo(tmp_path / "photo.jpg"), photo)
    assert add_keywords(photo, ["coffee"])
    assert keywords(read(os.fsencode(tmp_path) + b"/caf\xe9 \n.jpg.xmp")) == ["coffee"]


def test_a_photo_that_has_gone_gets_no_sidecar(tmp_path):
    with pytest.raises(SidecarError, match="not there any more"):
        add_keywords(str(tmp_path / "gone.jpg"), ["cat"])
    assert os.listdir(tmp_path) == []


def test_a_name_too_long_for_a_sidecar_is_told(tmp_path):
    photo = save_photo(tmp_path / ("n" * 251 + ".jpg"))
    with pytest.raises(SidecarError, match="cannot be written"):
        add_keywords(str(photo), ["cat"])


def test_a_sidecar_with_capitals_is_added_to(tmp_path):
    photo = str(save_photo(tmp_path / "KITTEN.JPG", "red"))
    (tmp_path / "KITTEN.JPG.XMP").write_bytes(ADOBE)
    assert add_rating(photo, 4) and add_keywords(photo, ["cat"])
    assert b'xmp:Rating="4"' in (tmp_path / "KITTEN.JPG.XMP").read_bytes()
    assert {path.name for path in tmp_path.iterdir() if path.suffix.lower() == ".xmp"} == {"KITTEN.JPG.XMP"}


def test_a_rating_is_added_only_where_there_is_none(tmp_path):
    assert with_rating(DARKTABLE, 5) == DARKTABLE  # it has 4
    changed = with_rating(ADOBE, 3)
    start, end = ADOBE.split(b"</r:RDF>")
    assert changed.startswith(start) and changed.endswith(b"</r:RDF>" + end) and with_rating(changed, 5) == changed
    rated = ElementTree.fromstring(changed).find(f".//{RDF}Description[@{{http://ns.adobe.com/xap/1.0/}}Rating]")
    assert rated.get("{http://ns.adobe.com/xap/1.0/}Rating") == "3" and rated.get(f"{RDF}about") == "uuid:<1>"
    as_element = ADOBE.replace(
        b'crs:Exposure="+0.50"/>',
        b'xmlns:xmp="http://ns.adobe.com/xap/1.0/"><xmp:Rating>2</xmp:Rating></r:Description>',
    )
    assert with_rating(as_element, 5) == as_element
    for sidecar, value in ((DARKTABLE, b'xmp:Rating="%s"'), (as_element, b"<xmp:Rating>%s<")):
        (stars,) = (stars for stars in (b"2", b"4") if value % stars in sidecar)
        unrated = sidecar.replace(value % stars, value % b"0")
        assert with_rating(unrated, 5) == sidecar.replace(value % stars, value % b"5")  # 0 stars are none
    save_photo(tmp_path / "a.jpg")
    before = (tmp_path / "a.jpg").read_bytes()
    assert add_rating(str(tmp_path / "a.jpg"), 4) and not add_rating(str(tmp_path / "a.jpg"), 5)
    assert (tmp_path / "a.jpg").read_bytes() == before
    with pytest.raises(SidecarError, match="not there"):
        add_rating(str(tmp_path / "gone.jpg"), 4)
