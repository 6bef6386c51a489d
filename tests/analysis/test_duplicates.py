"""Copies of real photos. The encoder knows only mean colours, so similar photos need not be copies."""

import os
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from clipsearch import SearchEngine
from clipsearch._internal.cancel import CancelToken
from clipsearch.analysis import duplicates
from clipsearch.analysis.duplicates import Copy, CopyGroup
from clipsearch.analysis.perceptual_hash import SIDE, differing_bits, perceptual_hashes
from clipsearch.conditions import Below
from clipsearch.errors import Cancelled
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import ImageFile, ImageInfo, ImageRecord
from tests.conftest import PHOTOS, save_photo


def photo(name="giraffe.jpg", size=(640, 480)):
    return Image.open(PHOTOS / name).convert("RGB").resize(size)


def inner(image, share):
    """The picture with the given share cropped from every side."""
    x, y = image.width * share, image.height * share
    return image.crop((round(x), round(y), round(image.width - x), round(image.height - y)))


def marked(image):
    image = image.copy()
    ImageDraw.Draw(image).text((430, 440), "(c) somebody 2024", fill="white", font_size=18)
    return image


CHANGES = {
    "q50.jpg": (lambda image: image, {"quality": 50}),
    "half.jpg": (lambda image: image.resize((320, 240)), {}),
    "lossless.png": (lambda image: image, {}),
    "cropped.jpg": (lambda image: inner(image, 0.02), {"quality": 90}),
    "brighter.jpg": (lambda image: ImageEnhance.Brightness(image).enhance(1.1), {"quality": 90}),
    "framed.jpg": (lambda image: ImageOps.expand(image.resize((600, 450)), 6, "white"), {"quality": 90}),
    "marked.webp": (marked, {"quality": 80}),
}


@pytest.fixture
def folder(tmp_path):
    """A folder to put photos in."""
    (tmp_path / "photos").mkdir()
    return tmp_path / "photos"


@pytest.fixture
def find(encoder, folder):
    """Index the folder, do something to it, and find its duplicates."""

    def run(condition=None, *, meanwhile=lambda: None, **options):
        with SearchEngine.open(folder) as engine:
            engine.index(folder, jobs=1)
            meanwhile()
            return engine.duplicates(condition, **options)

    return run


def groups(result):
    """Each group as the name of its best, and the sorted names of its copies."""
    return {group.best.file.name: sorted(copy.record.file.name for copy in group.copies) for group in result.groups}


def test_copies_of_every_kind_are_found_and_the_best_is_the_largest(find, folder):
    original = photo()
    original.save(folder / "original.jpg", quality=95)
    for name, (change, options) in CHANGES.items():
        change(original).save(folder / name, **options)
    for name in ("coffee.jpg", "canyon.jpg", "forest-path.jpg"):
        shutil.copy(PHOTOS / name, folder)
    original.resize((800, 600)).save(folder / "largest.jpg")
    result = find()
    assert groups(result) == {"largest.jpg": sorted([*CHANGES, "original.jpg"])}
    (group,) = result.groups
    assert all(not copy.exact and 0.9 <= copy.cosine <= 1 and copy.differing_bits <= 64 for copy in group.copies)
    assert result.spare_bytes == sum(os.path.getsize(folder / name) for name in [*CHANGES, "original.jpg"])
    assert (result.images, result.copies, result.failures) == (12, 8, ())


def test_real_photos_are_no_copies_of_each_other_however_near_their_embeddings(find, folder):
    names = sorted(name for name in os.listdir(PHOTOS) if name.endswith((".jpg", ".png")))
    for name in names:
        Image.open(PHOTOS / name).convert("RGB").resize((320, 240)).save(folder / f"{name}.jpg")
    result = find(least_cosine=-1)
    assert result.images == len(names) and result.groups == ()


def test_the_same_scene_turned_or_seen_from_elsewhere_is_no_copy(find, folder):
    image = photo("canyon.jpg", (800, 600))
    image.save(folder / "a.jpg")
    ImageOps.mirror(image).save(folder / "mirrored.jpg")
    image.crop((160, 0, 800, 600)).save(folder / "further-right.jpg")
    assert find().groups == ()


def letter(heading, lines):
    """A page with a ruled heading and some lines, as a program for letters or slides makes them all."""
    page = Image.new("RGB", (640, 480), "white")
    draw = ImageDraw.Draw(page)
    draw.text((40, 30), heading, fill="black", font_size=34)
    draw.line((40, 80, 600, 80), fill="#c04030", width=4)
    for row, line in enumerate(lines):
        draw.text((60, 110 + 40 * row), line, fill="black", font_size=24)
    return page


def test_pages_of_one_layout_with_other_texts_are_no_copies_and_a_cropped_page_is(find, folder):
    bridges = letter(
        "Why bridges collapse", ["The parcel was left at number nine.", "The warranty covers all repairs."]
    )
    office = letter("Moving the office", ["The owner replaces the window soon.", "Your dentist has no time today."])
    hashes = perceptual_hashes(
        np.stack([np.asarray(page.resize((SIDE, SIDE), Image.Resampling.BOX)) for page in (bridges, office)])
    )
    assert duplicates.SURE_BITS < differing_bits(hashes[:1], hashes[1:])[0] <= duplicates.MAX_DIFFERING_BITS
    bridges.save(folder / "bridges.png")
    office.save(folder / "office.png")
    inner(bridges, 0.02).save(folder / "cropped.png")
    assert groups(find(least_cosine=-1)) == {"bridges.png": ["cropped.png"]}


def test_a_hash_alone_makes_no_copy(find, folder):
    grey = photo().convert("L")
    ImageOps.colorize(grey, "black", "red").save(folder / "red.jpg")
    ImageOps.colorize(grey, "black", "blue").save(folder / "blue.jpg")
    assert find().groups == ()
    assert len(find(least_cosine=-1).groups) == 1  # so the embedding rejected it before


def test_plain_pictures_are_no_copies_unless_their_bytes_are_equal(find, folder):
    for name, colour in (("a", (250, 250, 250)), ("b", (249, 250, 250)), ("c", (250, 249, 250))):
        save_photo(folder / f"{name}.png", colour, note=name)
    shutil.copy(folder / "a.png", folder / "a2.png")
    assert groups(find()) == {"a.png": ["a2.png"]}


def test_a_file_with_several_pictures_has_only_exact_copies_and_counts_once(find, folder):
    photo().save(folder / "photo.png")
    for name in ("scan.tif", "same.tif"):
        photo().save(folder / name, save_all=True, append_images=[photo("coffee.jpg")])
        os.utime(folder / name, (9, 9))
    result = find(least_cosine=-1)
    assert groups(result) == {"same.tif": ["scan.tif"]} and (result.images, result.failures) == (3, ())
    (group,) = result.groups
    assert group.copies[0].exact and group.best.moment is group.copies[0].record.moment is None
    assert result.spare_bytes == (folder / "scan.tif").stat().st_size


def test_a_film_is_no_copy_of_its_first_frame_and_has_not_changed(find, folder):
    pytest.importorskip("av", reason="films need the extra `video`")
    from tests.images.films import film

    frame = photo(size=(320, 240))
    frame.save(folder / "photo.png")
    (folder / "film.mp4").write_bytes(film([(np.asarray(frame), 2)]))
    result = find(least_cosine=-1)
    assert (result.images, result.groups, result.failures) == (2, (), ())


def test_a_chain_is_not_a_group(find, folder):
    image = photo("forest-path.jpg", (1000, 750))
    image.save(folder / "0.jpg", quality=95)
    inner(image, 0.025).save(folder / "1.jpg", quality=95)
    inner(image, 0.05).save(folder / "2.jpg", quality=95)
    assert groups(find()) == {"0.jpg": ["1.jpg"]}  # 2 is like 1, but not like the best
    os.remove(folder / "0.jpg")
    assert groups(find()) == {"1.jpg": ["2.jpg"]}


def test_exact_copies_of_near_copies_belong_to_the_group(find, folder):
    image = photo()
    image.save(folder / "a.jpg", quality=95)
    image.resize((320, 240)).save(folder / "small.jpg")
    shutil.copy(folder / "small.jpg", folder / "small-2.jpg")
    shutil.copy(folder / "a.jpg", folder / "z.jpg")
    (group,) = find().groups
    assert group.best.file.name == "a.jpg"
    assert [(copy.record.file.name, copy.exact) for copy in group.copies] == [
        ("z.jpg", True),
        ("small-2.jpg", False),
        ("small.jpg", False),
    ]


def test_of_equal_size_the_one_that_kept_its_date_is_best_then_the_larger_then_the_older_file_then_the_shorter_path(
    find, folder
):
    image = photo()
    exif = Image.Exif()
    exif[0x0110] = "A camera"
    image.save(folder / "from-the-camera.jpg", quality=70, exif=exif)
    image.save(folder / "lossless.png")
    image.save(folder / "q95.jpg", quality=95)
    assert groups(find()) == {"from-the-camera.jpg": ["lossless.png", "q95.jpg"]}
    os.remove(folder / "from-the-camera.jpg")
    assert groups(find()) == {"lossless.png": ["q95.jpg"]}
    shutil.copy(folder / "q95.jpg", folder / "q.jpg")
    os.remove(folder / "lossless.png")
    assert groups(find()) == {"q95.jpg": ["q.jpg"]}
    shutil.copystat(folder / "q95.jpg", folder / "q.jpg")
    assert groups(find()) == {"q.jpg": ["q95.jpg"]}


def test_exact_only_decodes_nothing(find, folder, monkeypatch):
    photo().save(folder / "a.jpg")
    photo().save(folder / "near.png")
    shutil.copy(folder / "a.jpg", folder / "b.jpg")

    def forbid():
        monkeypatch.setattr("clipsearch.images.pool.DecoderPool", None)

    result = find(exact_only=True, meanwhile=forbid)
    assert groups(result) == {"a.jpg": ["b.jpg"]} and result.groups[0].copies[0].exact


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_file_with_several_names_is_one_photo(find, folder, tmp_path):
    photo().save(folder / "zz-the-file-itself.jpg")
    os.symlink(folder / "zz-the-file-itself.jpg", folder / "a-link.jpg")
    os.link(folder / "zz-the-file-itself.jpg", folder / "hard.jpg")
    assert find().groups == ()
    shutil.copy(folder / "zz-the-file-itself.jpg", folder / "zz-a-real-copy.jpg")
    result = find()
    assert result.copies == 1
    # A photo must remain after any deletion, so a link is never the best.
    (group,) = result.groups
    assert not any(os.path.islink(one.file.path) for one in (group.best, group.copies[0].record))


def test_photos_in_archives_and_elsewhere_have_exact_copies_and_are_not_the_best_beside_files(find, folder, tmp_path):
    photo().save(folder / "a-long-name-of-its-own.jpg")
    photo().resize((320, 240)).save(folder / "half.jpg")
    (folder / "b.zip").write_bytes(b"PK")

    def meanwhile():
        with CollectionWriter(folder / ".clipsearch") as collection:
            file = next(r for r in collection.all_records() if "its-own" in r.file.name)
            collection.add_root("s3://bucket", {})
            for path in (f"{folder}/b.zip/1.jpg", f"{folder}/c.zip/1.jpg", "s3://bucket/1.jpg", "s3://bucket/2.jpg"):
                vector = collection.vectors([file.image_id])[0]
                collection.add(collection.place(path), replace(file.file, path=path), file.info, vector)
            collection.commit()

    result = find(meanwhile=meanwhile)
    (group,) = result.groups
    assert group.best.file.name == "a-long-name-of-its-own.jpg"
    exact = [copy.record.file.path for copy in group.copies if copy.exact]
    assert exact == [f"{folder}/b.zip/1.jpg", "s3://bucket/1.jpg", "s3://bucket/2.jpg"]
    assert [copy.record.file.name for copy in group.copies if not copy.exact] == ["half.jpg"]
    told = [(failure.file.path, failure.reason.split(";")[0]) for failure in result.failures]
    assert told == [(f"{folder}/c.zip/1.jpg", "is no longer there")]


def test_files_that_are_gone_or_changed_are_told_and_never_the_best(find, folder):
    image = photo()
    for name in ("a.jpg", "b.jpg", "gone.jpg"):
        image.save(folder / name)
    image.resize((1200, 900)).save(folder / "largest-but-gone.jpg")
    image.resize((1280, 960)).save(folder / "largest-but-another.jpg")

    def meanwhile():
        os.remove(folder / "gone.jpg")
        os.remove(folder / "largest-but-gone.jpg")
        photo("coffee.jpg").save(folder / "largest-but-another.jpg")

    result = find(meanwhile=meanwhile)
    assert groups(result) == {"a.jpg": ["b.jpg"]}
    told = {failure.file.name: failure.reason.split(";")[0] for failure in result.failures}
    assert told == {
        "gone.jpg": "is no longer there",
        "largest-but-gone.jpg": "is no longer there",
        "largest-but-another.jpg": "has changed since it was indexed",
    }


def test_a_candidate_that_cannot_be_decoded_any_more_is_told(find, folder):
    image = photo()
    image.save(folder / "a.jpg")
    image.save(folder / "b.png")
    image.save(folder / "torn.webp")
    result = find(meanwhile=lambda: (folder / "torn.webp").write_bytes(b"RIFF\0\0\0\0WEBPVP8 torn"))
    assert groups(result) == {"b.png": ["a.jpg"]}
    assert [failure.file.name for failure in result.failures] == ["torn.webp"]


def test_a_condition_leaves_out_what_does_not_meet_it(find, folder):
    image = photo()
    for name in ("in/a.jpg", "in/b.jpg", "out/a.jpg"):
        (folder / name).parent.mkdir(exist_ok=True)
        image.save(folder / name)
    image.resize((1200, 900)).save(folder / "out" / "largest.jpg")
    result = find(Below(str(folder / "in")))
    assert groups(result) == {"a.jpg": ["b.jpg"]} and result.images == 2
    assert groups(find()) == {"largest.jpg": ["a.jpg", "a.jpg", "b.jpg"]}


def test_an_empty_index_has_no_copies(encoder, folder):
    photo("giraffe.jpg", (40, 30)).save(folder / "a.jpg")
    with SearchEngine.open(folder) as engine:
        engine.index()
        engine.forget(folder / "a.jpg")
        result = engine.duplicates()
    assert (result.images, result.groups, result.failures) == (0, (), ())


def test_groups_do_not_depend_on_how_many_are_looked_at_at_once(find, folder, monkeypatch):
    for number, name in enumerate(("giraffe.jpg", "coffee.jpg", "canyon.jpg", "forest-path.jpg")):
        for height in range(240, 300, 12):
            photo(name, (height * 4 // 3, height)).save(folder / f"{number}-{height}.jpg")
    expected = find()
    assert [len(group.copies) for group in expected.groups] == [4] * 4
    assert all(group.best.info.height == 288 for group in expected.groups)
    steps = []
    monkeypatch.setattr(duplicates, "_GROUPED", 3)
    monkeypatch.setattr(duplicates, "_COMPARED", 3)
    assert groups(find(progress=lambda *step: steps.append(step))) == groups(expected)
    assert list(dict.fromkeys(stage for stage, _, _ in steps)) == ["comparing", "reading", "grouping"]
    for stage in ("comparing", "reading", "grouping"):
        done = [step[1:] for step in steps if step[0] == stage]
        assert done == sorted(done) and done[-1][0] == done[-1][1]


@pytest.mark.parametrize(
    ("best", "other", "reason"),
    [
        (
            ((40, 30), None, 10, 0, "/b.jpg"),
            ((90, 90), None, 10, 0, "s3://b/b.jpg"),
            "a file of its own on this machine",
        ),
        (((40, 30), None, 10, 0, "/b.jpg"), ((30, 30), "c", 99, 0, "/a.jpg"), "the most pixels"),
        (((40, 30), "c", 10, 0, "/b.jpg"), ((40, 30), None, 99, 0, "/a.jpg"), "the most details (date, camera, place)"),
        (((40, 30), "c", 99, 0, "/b.jpg"), ((40, 30), "c", 10, 0, "/a.jpg"), "the largest file"),
        (((40, 30), "c", 10, 1, "/aa.jpg"), ((40, 30), "c", 10, 2, "/b.jpg"), "the oldest file"),
        (((40, 30), "c", 10, 0, "/b.jpg"), ((40, 30), "c", 10, 0, "/aa.jpg"), "the shortest path"),
        (((40, 30), "c", 10, 0, "/a.jpg"), ((40, 30), "c", 10, 0, "/b.jpg"), "the first path"),
    ],
)
def test_a_group_says_why_its_best_is_the_best(best, other, reason):
    def record(size, camera, length, changed, path):
        return ImageRecord(1, ImageFile(path, length, changed), ImageInfo(*size, "JPEG", "hash", camera=camera))

    assert CopyGroup(record(*best), (Copy(record(*other), False),)).reason == reason


@pytest.mark.parametrize("last_stage", ["comparing", "reading", "grouping"])
def test_a_search_for_copies_can_be_cancelled(find, folder, last_stage):
    cancel = CancelToken()
    for name in ("a.jpg", "b.jpg"):
        photo().save(folder / name, quality=80 if name == "a.jpg" else 90)
    stages = []

    def progress(stage, done, total):
        stages.append(stage)
        if stage == last_stage:
            cancel.cancel()

    with pytest.raises(Cancelled):
        find(progress=progress, cancel=cancel)
    assert stages[-1] == last_stage and stages.count(last_stage) == 1
