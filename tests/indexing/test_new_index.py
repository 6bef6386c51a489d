"""A new index without photos is taken back, unless somebody uses it."""

import pytest

from clipsearch.errors import CollectionBusy
from clipsearch.indexing.new_index import NewIndex
from clipsearch.store.lock import WriterLock
from clipsearch.store.rows import Place
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import Failure, ImageFile


def test_an_index_without_photos_stays_if_it_is_used_meanwhile(tmp_path):
    folder = tmp_path / "index"
    new = NewIndex(folder)
    with CollectionWriter(folder):
        assert not new.take_back()
    (folder / "mine.txt").write_text("came meanwhile")
    waited = []

    def remove(busy):
        held.close()
        waited.append(new.take_back())
        return True

    held = CollectionWriter(folder)
    with CollectionWriter(folder, on_busy=remove) as collection:  # waits for a lock whose file is removed then
        assert waited == [True] and (folder / "mine.txt").exists()
        with pytest.raises(CollectionBusy):
            WriterLock(folder / "writer.lock")
        file = ImageFile(str(tmp_path / "a.jpg"), 1, 1)
        collection.fail(Place(collection.add_root(str(tmp_path), {}), "", "a.jpg"), Failure(file, "broken"))
        collection.commit()
    assert not new.take_back()
