"""What users name as an output never takes the place of a photo."""

import pytest
from PIL import Image

from clipsearch.errors import QueryError
from clipsearch.images.outputs import replacing_outputs
from clipsearch.images.own_pictures import mark


def write(target, *, force):
    with replacing_outputs([target], force=force) as (unfinished,):
        unfinished.write_bytes(b"new")


@pytest.mark.parametrize("name", ["photo.jpg", "photo.png", "photo.tif", "photo.webp", "list.m3u8"])
def test_a_photo_is_never_replaced(name, tmp_path):
    target = tmp_path / name
    Image.new("RGB", (8, 8), "red").save(target, "JPEG" if name.startswith("list") else None)
    before = target.read_bytes()
    link = tmp_path / "link.jpg"
    link.symlink_to(target)
    for path in (target, link):
        for force in (False, True):
            with pytest.raises(QueryError, match="is a photo, or another picture that clipsearch did not make"):
                write(path, force=force)
    assert target.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["link.jpg", name])


def test_a_film_is_never_replaced_and_a_photo_that_came_meanwhile_stays(tmp_path):
    film, sheet = tmp_path / "film.m3u8", tmp_path / "sheet.jpg"
    film.write_bytes(b"\0\0\0\x18ftypisom" + bytes(40))
    with pytest.raises(QueryError, match="never replaced"):
        write(film, force=True)
    with (
        pytest.raises(QueryError, match="never replaced"),
        replacing_outputs([sheet], force=True) as (unfinished,),
    ):
        unfinished.write_bytes(b"new")
        Image.new("RGB", (8, 8)).save(sheet)
    assert sheet.read_bytes().startswith(b"\xff\xd8")


def test_what_clipsearch_made_and_other_files_are_replaced_with_force(tmp_path):
    for name, kind in (("sheet.jpg", "JPEG"), ("charts.png", "PNG")):
        Image.new("RGB", (8, 8)).save(tmp_path / name, kind, **mark(kind))
    (tmp_path / "notes.jpg").write_bytes(b"a text")
    for path in list(tmp_path.iterdir()):
        with pytest.raises(QueryError, match="force=True"):
            write(path, force=False)
        write(path, force=True)
        assert path.read_bytes() == b"new"
