"""Fixtures of all tests: photos of plain colours, an encoder that knows colours, and an empty home."""

import os

# Before numpy and faiss read them. Several tests run at once on each core: threads that wait for each other by spinning took
# most of the time of searches.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import functools
import gc
import itertools
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from clipsearch.analysis import diagnosis
from clipsearch.encoders.base import Encoder, ModelSpec
from clipsearch.images import file_types
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import Fingerprint, PixelSpec
from tests.decoders import KeptDecoders
from tests.vectors import KeptVectors

# A background job of a shell ignores Ctrl-C, and the processes that the tests start would inherit this.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
PHOTOS = ROOT / "data" / "photos"

COLOURS = {
    "red": (220, 20, 20),
    "green": (20, 200, 20),
    "blue": (20, 20, 220),
    "yellow": (230, 220, 30),
    "grey": (128, 128, 128),
}


# Collecting makes millions of objects and no rubbish. Without the collector it takes half the time, in every worker.
gc.disable()


def pytest_collection_finish():
    """Collect rubbish again, except among what the collected tests consist of."""
    gc.enable()
    gc.freeze()


# The slowest files and folders, slowest first. They run first, so no worker still has a slow file when the others are done.
# Those of the page wait more than they compute, so they stand between the others: seldom do all workers run a browser.
LONGEST = (
    "tests/encoders",
    "tests/browser/test_searching.py",
    "tests/test_examples.py",
    "tests/test_privacy.py",
    "tests/browser/test_rows.py",
    "tests/cli/test_output.py",
    "tests/indexing/test_watch.py",
    "tests/browser/test_viewer.py",
    "tests/cli/test_commands.py",
    "tests/server/test_serve_command.py",
    "tests/browser/test_scrolling.py",
    "tests/server/test_schema.py",
    "tests/server/test_client.py",
    "tests/terminal/test_app.py",
    "tests/browser/test_films.py",
    "tests/analysis/test_duplicates.py",
    "tests/transfer/test_transfer.py",
    "tests/browser/test_safety.py",
    "tests/server/test_attacks.py",
    "tests/tools/test_torture.py",
    "tests/cli/test_doctor.py",
    "tests/browser/test_selection.py",
    "tests/tools/test_kill.py",
    "tests/cli/test_advice.py",
    "tests/browser/test_map.py",
    "tests/test_resources.py",
)
# These need torch, which takes a worker five seconds to import, with transformers. One worker runs them all.
WITH_TORCH = (
    "tests/encoders/",
    "tests/architecture/test_import_rule.py::test_a_text_query_on_a_checkpoint",
    "tests/images/test_preprocess.py::",
    "tests/milvus/test_text_model.py::",
    "tests/query/test_text_model.py::",
    "tests/scripts/test_verify_models.py::",
    "tests/test_privacy.py::test_a_download_asks",
    "tests/test_privacy.py::test_clip_without_torch",
    "tests/test_privacy.py::test_torch",
    "tests/training/test_phrases.py::",
)


def pytest_collection_modifyitems(items):
    """Put the slowest files first, and give tests marked `long` more time."""
    place = {name: number for number, name in enumerate(LONGEST)}

    def turn(item):
        file, _, _ = item.nodeid.partition("::")
        if item.nodeid.startswith(WITH_TORCH):
            file = LONGEST[0]
        return place.get(file, len(LONGEST))

    items.sort(key=turn)
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.timeout(1800))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With `--dist loadfile`, give each worker a file at a time; the files that need torch are one."""
    if config.option.dist != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class TorchTogether(LoadFileScheduling):
        def _split_scope(self, nodeid):
            return LONGEST[0] if nodeid.startswith(WITH_TORCH) else super()._split_scope(nodeid)

        def remove_node(self, node):
            """Leave out the files that a dead worker had finished: a worker that is given one of them waits for ever."""
            units = self.assigned_work[node]
            self.assigned_work[node] = {scope: tests for scope, tests in units.items() if not all(tests.values())}
            return super().remove_node(node)

    return TorchTogether(config, log)


@pytest.fixture
def set_decoders():
    """A function that sets the decoders that may be missing. What is known about suffixes is forgotten, also at the end."""
    cached = file_types.is_image_suffix, file_types.missing_decoder
    with pytest.MonkeyPatch.context() as patch:

        def set_them(*decoders):
            patch.setattr(file_types, "OPTIONAL_DECODERS", decoders)
            for function in cached:
                function.cache_clear()

        yield set_them
    for function in cached:
        function.cache_clear()


@pytest.fixture
def without_av(set_decoders):
    """As if the extra `video` were not installed: walks pass over films."""
    set_decoders(*(replace(decoder, module="not_installed") for decoder in file_types.OPTIONAL_DECODERS))


class ColourEncoder(Encoder):
    """A predictable and fast encoder: it embeds a picture as its mean colour, and a text as the colour it names."""

    def __init__(self, name="colours"):
        self.spec = ModelSpec(
            fingerprint=Fingerprint(name, "", f"digest of {name}", 4),
            pixels=PixelSpec(None, (8, 8), None, 3, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
            context_length=8,
            logit_scale=10.0,
        )
        self.encoded = 0  # how many pictures so far

    def embed_pixels(self, pixels):
        self.encoded += len(pixels)
        means = pixels.mean(axis=(2, 3))
        return np.concatenate([means, np.full((len(means), 1), 0.1)], axis=1).astype(np.float32)

    def embed_texts(self, texts):
        colours = [COLOURS.get(text.split()[-1], (1, 1, 1)) for text in texts]
        return np.array([[*(value / 255 for value in colour), 0.1] for colour in colours], np.float32)


def save_photo(path, colour="red", size=(32, 24), note=""):
    """Save a photo of one colour. A different `note` gives different bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, COLOURS.get(colour, colour))
    exif = image.getexif()
    exif[0x010E] = note or str(colour)
    image.save(path, exif=exif)
    return path


def save_pages(path, *colours, size=(32, 24)):
    """Save a TIFF with a page of each colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *others = [Image.new("RGB", size, COLOURS.get(colour, colour)) for colour in colours]
    first.save(path, save_all=True, append_images=others)
    return path


def refuse_to_list(monkeypatch, name):
    """Make folders whose path ends with this name unreadable."""
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith(name):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("os.scandir", refuse)


def give_captions(index_folder, captions):
    """Add captions to indexed photos by file name. These photos get new ids."""
    with CollectionWriter(index_folder) as collection:
        for records, vectors in list(collection.scan()):
            for record, vector in zip(records, vectors, strict=True):
                if caption := captions.get(record.file.name):
                    info = replace(record.info, caption=caption)
                    collection.add(collection.place(record.file.path), record.file, info, vector)
        collection.commit()


def give_facts(index_folder, name, **facts):
    """Set facts of an indexed photo, by file name."""
    with CollectionWriter(index_folder) as collection:
        (record,) = [record for record in collection.all_records() if record.file.name == name]
        collection.set_facts(record.image_id, replace(record.info, **facts), "1")
        collection.commit()


def shared_folder(tmp_path_factory):
    """A folder that all workers of this run share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


def copy_of_one(tmp_path_factory, name, make):
    """A folder of this worker's own, copied from one that the first worker makes with `make(folder)`."""
    one = shared_folder(tmp_path_factory) / name
    with FileLock(f"{one}.lock"):
        if not one.exists():
            unfinished = one.with_name(f"{name} unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(one)
    return shutil.copytree(one, tmp_path_factory.mktemp(name) / name)


def save_five_photos(folder):
    for colour in ("red", "green", "blue", "yellow"):
        save_photo(folder / f"{colour}.jpg", colour)
    save_photo(folder / "trip" / "grey.png", "grey")


@pytest.fixture(scope="session")
def five_photos(tmp_path_factory):
    """The five photos without an index. Tests copy this folder and must not change it."""
    folder = tmp_path_factory.mktemp("five-photos") / "photos"
    save_five_photos(folder)
    return folder


@pytest.fixture(scope="session")
def photos_of_colours(five_photos, tmp_path_factory):
    """The five photos, indexed by a ColourEncoder. Tests copy this folder and must not change it."""
    folder = shutil.copytree(five_photos, tmp_path_factory.mktemp("photos-of-colours") / "photos")
    index_with_colours(folder)
    return folder


@pytest.fixture
def photos(five_photos, tmp_path):
    """A folder with five photos of five colours. One of them is in a subfolder."""
    return shutil.copytree(five_photos, tmp_path / "photos")


@pytest.fixture(scope="session")
def photos_of_mini(five_photos, tmp_path_factory):
    """The five photos, indexed by mini. Tests copy this folder and must not change it."""
    from clipsearch import SearchEngine

    folder = shutil.copytree(five_photos, tmp_path_factory.mktemp("photos-of-mini") / "photos")
    with SearchEngine.open(folder, model="mini") as engine:
        engine.index()
    return folder


@pytest.fixture(scope="session")
def index_of_data(tmp_path_factory):
    """An index of the photos in data/photos by mini, in another folder. Tests copy this folder and must not change it."""
    from clipsearch import SearchEngine

    def make(folder):
        with SearchEngine(folder, model="mini") as engine:
            assert engine.index(PHOTOS).failed == 0

    return copy_of_one(tmp_path_factory, "index-of-data", make)


@pytest.fixture
def photos_with_mini(photos_of_mini, tmp_path):
    """The folder `photos`, indexed by mini."""
    return shutil.copytree(photos_of_mini, tmp_path / "photos", dirs_exist_ok=True)


def load_colours(patch):
    """Let every SearchEngine load one ColourEncoder, and return it."""
    colours = ColourEncoder()
    patch.setattr("clipsearch.query.index_model.load_encoder", lambda name, **options: colours)
    patch.setattr("clipsearch.query.index_model.choose_default_model", lambda: "colours")
    patch.setattr("clipsearch.query.index_model.require_trusted_model", lambda *_: None)
    return colours


def index_with_colours(folder):
    """Index a folder with a ColourEncoder and return the report. Fixtures that several tests copy use this."""
    from clipsearch import SearchEngine

    with pytest.MonkeyPatch.context() as patch:
        load_colours(patch)
        with SearchEngine.open(folder) as engine:
            return engine.index()


@pytest.fixture
def encoder(monkeypatch):
    """A ColourEncoder that every SearchEngine loads."""
    return load_colours(monkeypatch)


@pytest.fixture
def indexed_photos(photos, photos_of_colours, encoder):
    """The folder `photos`, indexed."""
    shutil.copytree(photos_of_colours / ".clipsearch", photos / ".clipsearch")
    return photos


@pytest.fixture
def engine(indexed_photos, encoder):
    """The five photos, indexed."""
    from clipsearch import SearchEngine

    with SearchEngine.open(indexed_photos) as engine:
        # As after the first run: the engine has looked at the photos and loaded its encoder.
        assert engine.index().unchanged == 5 and engine.encoder is encoder
        yield engine


@pytest.fixture(scope="session", autouse=True)
def one_image_tower(tmp_path_factory):
    """Load mini's image tower once, and embed each picture once. Encoders are made anew."""
    from clipsearch.encoders.mini import encoder as mini

    folder = shared_folder(tmp_path_factory) / "vectors"
    folder.mkdir(exist_ok=True)
    open_tower = functools.cache(mini.open_image_tower)

    @functools.cache
    def open_kept(model, threads):
        if model != mini.FOLDER:
            return open_tower(model, threads)
        return KeptVectors(lambda: open_tower(model, threads), folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mini, "open_image_tower", open_kept)
        yield


@pytest.fixture
def own_vectors(monkeypatch):
    """As for users: each picture is embedded when it is indexed. For tests of what embeds it."""
    monkeypatch.setattr(KeptVectors, "keeping", False)


@pytest.fixture(scope="session", autouse=True)
def one_look_at_runtimes():
    """Let `doctor` load the libraries once. It starts a process for each, which takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diagnosis, "runtimes", functools.cache(diagnosis.runtimes))
        yield


@pytest.fixture(scope="session", autouse=True)
def one_decoder():
    """Decode in one process unless a test asks for more. To start one takes longer than to decode the photos of most tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clipsearch.images.pool.cores", lambda: 1)
        yield


@pytest.fixture(scope="session", autouse=True)
def kept_decoders():
    """The processes that decode for one test after the other."""
    with pytest.MonkeyPatch.context() as patch:
        kept = KeptDecoders(patch)
        yield kept
        kept.close()


@pytest.fixture
def own_decoders(kept_decoders):
    """As for users: each pool starts processes of its own, and ends them. For tests of these processes."""
    kept_decoders.keeping = False
    yield
    kept_decoders.keeping = True


_homes = itertools.count()


@pytest.fixture(autouse=True)
def a_machine_without_a_past(tmp_path_factory, monkeypatch):
    """Each test starts with no last-used index and no cached checkpoints, and never connects to the hub."""
    home = tmp_path_factory.getbasetemp() / "homes" / str(next(_homes))  # `mktemp` would list all folders each time
    home.mkdir(parents=True)
    for name in ("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(home / name))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("CLIPSEARCH_INDEX", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


def shared(part):
    """Return a path in ../shared. If it does not exist, skip the test and name the missing path."""
    path = SHARED / part
    if not path.exists():
        pytest.skip(f"needs ../shared/{part}, which is not here")
    return path


def names(hits):
    return [os.path.basename(hit.path) for hit in hits]
