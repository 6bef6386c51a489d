"""Random sequences of folder changes and commands, compared with a dictionary as the model."""

import itertools
import os
import shutil
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from clipsearch.engine import SearchEngine
from clipsearch.images.reader import read_image
from clipsearch.store.collection import Collection
from clipsearch.store.verify import verify
from clipsearch.types import Failure
from tests.conftest import COLOURS, ColourEncoder, save_photo

FOLDERS = ["", "a", "a/b", "c d"]
PLACES = st.tuples(st.sampled_from(FOLDERS), st.sampled_from(["1.jpg", "2.jpg", "É.jpg", "x"]))
SOME_COLOURS = st.sampled_from(sorted(COLOURS))
BROKEN = "broken"


class InOneProcess:
    """Replaces the decoding processes, which take longer to start than a whole sequence runs."""

    def __init__(self, spec, limits=None, workers=None, *, all_pictures=False):
        self.spec, self.limits = spec, limits

    def read(self, files, stopped=None):
        from clipsearch.errors import ImageError
        from clipsearch.images.pool import Decoded
        from clipsearch.images.preprocess import resize_and_crop

        for file in files:
            try:
                picture, info, as_read = read_image(file.path, None, self.limits)
                yield Decoded(as_read, info, np.asarray(resize_and_crop(picture, self.spec))[None])
            except ImageError as error:
                yield Failure(file, str(error))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class Folder(RuleBasedStateMachine):
    """`disk` is what is in the folder, `known` what the index should hold: place → (colour or BROKEN, a number)."""

    @initialize()
    def begin(self):
        self.base = Path(tempfile.mkdtemp(prefix="clipsearch-"))
        self.photos = self.base / "photos"
        self.photos.mkdir()
        self.numbers = itertools.count(1)
        self.disk, self.known, self.encoder = {}, {}, ColourEncoder()
        self.patches = [
            mock.patch("clipsearch.query.index_model.load_encoder", lambda name, **options: self.encoder),
            mock.patch("clipsearch.query.index_model.choose_default_model", lambda: "colours"),
            mock.patch("clipsearch.query.index_model.require_trusted_model", lambda *_: None),
            mock.patch("clipsearch.images.pool.DecoderPool", InOneProcess),
            mock.patch("clipsearch.store.merge.FAN_IN", 2),
        ]
        for patch in self.patches:
            patch.start()
        self.engine = SearchEngine.open(self.photos)
        self.index()

    def teardown(self):
        if hasattr(self, "engine"):
            self.engine.close()
            for patch in self.patches:
                patch.stop()
            shutil.rmtree(self.base)

    def path(self, place):
        return self.photos / place[0] / place[1]

    def write(self, place, colour):
        number = next(self.numbers)
        path = self.path(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        if colour == BROKEN:
            path.write_bytes(b"\xff\xd8\xff" + str(number).encode())
        else:
            save_photo(self.base / "new.jpg", colour, note=str(number)).rename(path)
        os.utime(path, ns=(number * 10**9, number * 10**9))
        self.disk[place] = (colour, number)

    @rule(place=PLACES, colour=SOME_COLOURS | st.just(BROKEN))
    def add_or_change(self, place, colour):
        self.write(place, colour)

    @rule(place=PLACES, to=PLACES)
    def move(self, place, to):
        if place in self.disk and place != to:
            self.path(to).parent.mkdir(parents=True, exist_ok=True)
            self.path(place).rename(self.path(to))
            self.disk[to] = self.disk.pop(place)

    @rule(place=PLACES, to=PLACES)
    def copy(self, place, to):
        if place in self.disk and place != to:
            self.path(to).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.path(place), self.path(to))
            self.disk[to] = self.disk[place]

    @rule(place=PLACES)
    def touch(self, place):
        if place in self.disk:
            os.utime(self.path(place), (next(self.numbers),) * 2)

    @rule(place=PLACES)
    def delete(self, place):
        if self.disk.pop(place, None):
            self.path(place).unlink()

    @rule(paranoid=st.booleans())
    def index(self, paranoid=False):
        encoded, had = self.encoder.encoded, set(self.known.values())
        report = self.engine.index(keep_empty=True, prune=True, paranoid=paranoid)
        self.known = dict(self.disk)
        good = {content for content in self.disk.values() if content[0] != BROKEN}
        assert self.encoder.encoded - encoded <= len(good - had)  # known photos are not encoded again
        assert not report.interrupted and report.left == 0
        again = self.engine.index(keep_empty=True, prune=True)
        assert (again.added, again.updated, again.moved, again.removed, again.failed) == (0, 0, 0, 0, 0)

    @rule(folder=st.sampled_from(FOLDERS[1:]))
    def forget(self, folder):
        below = [place for place in self.known if f"{place[0]}/".startswith(f"{folder}/")]
        if below:
            photos = sum(self.known[place][0] != BROKEN for place in below)
            assert self.engine.forget(self.photos / folder) == photos
            for place in below:
                del self.known[place]

    @precondition(lambda self: any(colour != BROKEN for colour, _ in self.known.values()))
    @rule(colour=SOME_COLOURS, top_k=st.integers(1, 20))
    def query(self, colour, top_k):
        wanted = self.encoder.encode_texts([colour])[0].astype(np.float64)
        hits = self.engine.search(colour, top_k)
        good = [place for place, (known, _) in self.known.items() if known != BROKEN]
        assert len(hits) == min(top_k, len(good))
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        with Collection(self.engine.index_folder) as collection:
            for hit in hits:
                vector = collection.vectors([hit.record.image_id])[0].astype(np.float64)
                assert hit.score == pytest.approx(float(vector @ wanted), abs=1e-6)
        if colour in {self.known[place][0] for place in good}:
            best = os.path.relpath(hits[0].path, self.photos)
            assert self.known[tuple(os.path.split(best))][0] == colour

    @rule()
    def reopen(self):
        self.engine.close()
        self.engine = SearchEngine.open(self.photos)

    @invariant()
    def the_index_is_what_it_should_be(self):
        if not hasattr(self, "engine"):
            return
        with Collection(self.engine.index_folder) as collection:
            records = list(collection.all_records())
            failures = collection.failures()
        at = {tuple(os.path.split(os.path.relpath(file.path, self.photos))) for file in (r.file for r in records)}
        broken = {tuple(os.path.split(os.path.relpath(f.file.path, self.photos))) for f in failures}
        assert at == {place for place, (colour, _) in self.known.items() if colour != BROKEN}
        assert broken == {place for place, (colour, _) in self.known.items() if colour == BROKEN}
        assert verify(self.engine.index_folder).damages == ()


def test_an_index_follows_its_folder_through_anything():
    few = settings(
        max_examples=25,
        stateful_step_count=20,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Folder, settings=few)
