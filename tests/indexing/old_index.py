"""Make an index look as an older clipsearch made it."""

from dataclasses import replace

import numpy as np

from clipsearch.store.catalog import READ_AS_TIFF
from clipsearch.store.writer import CollectionWriter


def index_as_before(engine, *names):
    """Index, and make the index look as if an older version had made it: it read the thumbnails of these raw files."""
    engine.index()
    grey = np.array([0.5, 0.5, 0.5, 0.5], np.float32)
    with CollectionWriter(engine.index_folder) as collection:
        for record in list(collection.all_records()):
            if record.file.name in names:
                place = collection.place(record.file.path)
                info = replace(record.info, format="TIFF", width=160, height=120, caption="said elsewhere")
                collection.add(place, record.file, info, grey)
        collection._catalog.begin()
        collection._catalog.remove_meta(READ_AS_TIFF)
        collection.commit()
