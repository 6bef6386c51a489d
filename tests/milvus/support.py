"""An index of photos with awkward names, cameras and captions, pushed to stores; the photos have no pixels."""

import os
import random
from contextlib import contextmanager
from datetime import datetime, timedelta

import numpy as np

from clipsearch.milvus.address import parse_address
from clipsearch.milvus.push import push
from clipsearch.milvus.store import MilvusStore
from clipsearch.milvus.table import Table
from clipsearch.store.collection import Collection
from clipsearch.store.rows import Place
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import LONGEST_CAPTION, ImageFile, ImageInfo
from tests.store.support import random_units, writer
from tests.store.test_filters import CAMERAS

DIM = 16
AWKWARD = [
    "a'b.jpg", 'a"b.jpg', "a\\b.jpg", "100%.jpg", "under_score.jpg", "un%er_score.jpg", "\udcff\udcfe.jpg", "new\nline.jpg",
    "' or row > 0 or name == '.jpg", '" or row > 0 or name == ".jpg', "{brace}.jpg", "\u212a.jpg", "İ.jpg", "ΟΔΟΣ.jpg", "K.jpg",
    "[x].jpg", "\x7f.jpg", "😀.jpg",
]  # fmt: skip
CAPTIONS = [
    None, "A dog on a beach", "two DOGS", "ein Käfer [rot]", "100% cat", "", "\u212a2 in snow", "k2 in snow",
    '" or row > 0 or caption == "', "😀" * LONGEST_CAPTION, None,
]  # fmt: skip


def make_index(folder, count=300, seed=0):
    """Make an index with photos of every kind. Some share a vector, so they tie."""
    chance = random.Random(seed)
    vectors = random_units(count, DIM, seed)
    vectors[count // 6 : count // 6 + count // 7] = vectors[count // 6]
    with writer(folder, DIM) as collection:
        root_id = collection.add_root(str(folder.parent), {"hidden": True})
        for number, vector in enumerate(vectors):
            add_photo(collection, root_id, folder, number, vector, chance)
        collection.commit()
    return folder


def add_photo(collection, root_id, folder, number, vector, chance):
    inside = chance.choice(["", "trip", "trip/day 1", "trip2", "Trip", "tr%p/\udcff", "o'brien"])
    name = f"{chance.choice(['IMG_', 'img ', 'ä'])}{number}.{chance.choice(['jpg', 'PNG'])}"
    name = AWKWARD[number] if number < len(AWKWARD) else name
    when = datetime(2023, 12, 30) + timedelta(minutes=chance.randrange(5000)) if chance.random() < 0.7 else None
    info = ImageInfo(
        width=chance.choice([100, 200, 300]),
        height=chance.choice([100, 200, 400]),
        format=chance.choice(["JPEG", "PNG"]),
        content_hash=f"{number // 2:064x}",
        taken_at=when,
        camera=chance.choice([*CAMERAS, 'x" or 1 == 1', ""]),
        gps=(chance.uniform(-90, 90), chance.uniform(-180, 180)) if chance.random() < 0.8 else None,
        caption=CAPTIONS[number % len(CAPTIONS)],
    )
    file = ImageFile(os.path.join(folder.parent, inside, name), chance.randrange(10_000), number)
    return collection.add(Place(root_id, inside, name), file, info, vector)


@contextmanager
def answering(folder, place, new_url):
    """Yield the index itself or a store that it was pushed to."""
    if place == "index":
        with Collection(folder) as collection:
            yield collection
        return
    url = new_url()
    push_index(folder, url)
    with MilvusStore(parse_address(url)) as reader:
        yield reader


def push_index(folder, url, **options):
    with CollectionWriter(folder) as collection:
        return push(collection, parse_address(url), **options)


def contents(reader):
    """Everything in an index or store, as comparable values."""

    def read():
        listed = reader.browse(None, "name", 0, 10_000)[0]
        vectors = reader.vectors([record.image_id for record in listed]) if listed else np.empty((0, 0))
        return {record: vector.tobytes() for record, vector in zip(listed, vectors, strict=True)}

    return reader.at_one_state(read)


def change(folder, seed=1):
    """Add ten photos, move ten and remove ten."""
    chance = random.Random(seed)
    with CollectionWriter(folder) as collection:
        (root_id,) = collection.roots()
        ids = collection.ids().tolist()
        collection.remove(ids[:10])
        records = collection.records(ids[10:20])
        for image_id in ids[10:20]:
            place = Place(root_id, f"moved {seed}", f"{image_id}.jpg")
            collection.move(image_id, place, records[image_id].file)
        for number, vector in enumerate(random_units(10, DIM, seed=seed + 100), 1000 * seed):
            add_photo(collection, root_id, folder, number, vector, chance)
        collection.commit()


def local(folder):
    with Collection(folder) as collection:
        return contents(collection)


def stored(url):
    with MilvusStore(parse_address(url)) as reader:
        return contents(reader)


class Killed(BaseException):
    pass


def killed_at(monkeypatch, number, *, after):
    """Kill the process at the store's write call with this number. Without such a call, the returned list stays empty."""
    reached = []
    calls = iter(range(1000))

    def counted(function):
        def call(*arguments, **options):
            here = next(calls)
            if here > number:  # a dead process makes no more calls
                raise Killed
            if here == number:
                reached.append(number)
                if after:
                    function(*arguments, **options)
                raise Killed
            return function(*arguments, **options)

        return call

    for name in ("insert", "delete"):
        monkeypatch.setattr(Table, name, counted(getattr(Table, name)))
    return reached


def few_fit(monkeypatch, url, room):
    """Limit the characters that a note has for withdrawn images."""
    with MilvusStore(parse_address(url)) as reader:
        monkeypatch.setattr("clipsearch.milvus.manifest._MAX_NOTE", len(reader.manifest._text()) + room)
    monkeypatch.setattr("clipsearch.milvus.manifest._PART_IMAGES", 3)
