"""An index and stores match the same photos by name, by folder and by both kinds of globs."""

import pytest

from clipsearch.conditions import All, Below, Not, Test
from clipsearch.store.rows import Place
from clipsearch.types import ImageFile, ImageInfo
from tests.milvus.support import DIM, answering
from tests.store.support import random_units, writer

PHOTOS = [
    "a/DSC1.jpg", "b/DSC1.jpg", "c/dsc1.JPG", "a/kid.jpg", "kid.jpg", "U\u0308ber/kz.jpg", "\u00c4rzte/kz.jpg",
    "azb.png", "a!x]b.png", "agb.jpg", "a^x]b.gif", "äzb.gif",
    "ä!x]b.gif", "äx]b.gif", "a]b.png", "cafe\u0301 1.jpg", "caf\u00e9 2.jpg",
]  # fmt: skip


@pytest.fixture(scope="module")
def source(tmp_path_factory, place, new_url):
    folder = tmp_path_factory.mktemp("photos") / ".clipsearch"
    with writer(folder, DIM) as collection:
        root_id = collection.add_root("/photos", {})
        for number, (path, vector) in enumerate(zip(PHOTOS, random_units(len(PHOTOS), DIM), strict=True)):
            below, _, name = path.rpartition("/")
            info = ImageInfo(1, 1, "JPEG", f"{number:064x}")
            collection.add(Place(root_id, below, name), ImageFile(f"/photos/{path}", 1, number), info, vector)
        collection.commit()
    with answering(folder, place, new_url) as source:
        yield source


@pytest.mark.parametrize(
    ("condition", "meant"),
    [
        (Test("name", "~", "dsc*"), PHOTOS[:3]),
        (Test("name", "~", "*[1]*"), [*PHOTOS[:3], PHOTOS[-2]]),
        (Not(Test("name", "~", "[dakc]*")), ["äzb.gif", "ä!x]b.gif", "äx]b.gif"]),
        (Test("name", "=", "kid.jpg"), ["a/kid.jpg", "kid.jpg"]),
        (Test("name", "!=", "kid.jpg"), [path for path in PHOTOS if not path.endswith("kid.jpg")]),
        (All((Test("name", "~", "*.jpg"), Below("/photos/a"))), ["a/DSC1.jpg", "a/kid.jpg"]),
        (Test("folder", "~", "?"), ["a/DSC1.jpg", "b/DSC1.jpg", "c/dsc1.JPG", "a/kid.jpg"]),
        (Test("name", "~", "a[^]x]b*"), ["azb.png", "agb.jpg"]),
        (Test("name", "~", "a[]x]b*"), ["a]b.png"]),
        (Test("name", "~", "a[!]x]b*"), ["azb.png", "agb.jpg"]),  # "!" and "^" both negate a class
        (Test("name", "~", "ä[!]x]b*"), ["äzb.gif"]),
        (Test("name", "~", "ä[^]x]b*"), ["äzb.gif"]),
        (Test("name", "~", "ä[]x]]b*"), ["äx]b.gif"]),
        *((Test("name", "~", glob), []) for glob in ("cafe*", "*e*?1.jpg", "*fe*", "CAFE*")),
        (Test("name", "~", "caf*"), PHOTOS[-2:]),
        *((Below(f"/photos/{folder}"), ["U\u0308ber/kz.jpg"]) for folder in ("U\u0308ber", "\u00dcber")),
        *((Below(f"/photos/{folder}"), ["\u00c4rzte/kz.jpg"]) for folder in ("A\u0308rzte", "\u00c4rzte")),
        *((Test("folder", "~", glob), ["U\u0308ber/kz.jpg"]) for glob in ("U\u0308*", "\u00fcb?r")),
        *((Test("name", "~", glob), PHOTOS[-2:]) for glob in ("caf\u00e9*", "*e\u0301 ?.JPG", "caf? [12]*")),
        *((Test("name", "=", name), PHOTOS[-2:-1]) for name in ("cafe\u0301 1.jpg", "CAF\u00c9 1.jpg")),
    ],
)
def test_names_and_globs_find_their_photos(source, condition, meant):
    hits = source.search(random_units(1, DIM, seed=1), 50, source.select(condition))[0]
    assert sorted(record.file.path.removeprefix("/photos/") for _, record in hits) == sorted(meant)
    assert len(source.select(condition)) == len(meant)
