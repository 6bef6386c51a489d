"""Decoding in processes: the results come in order, even if a file breaks its decoder."""

import contextlib
import itertools
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clipsearch._internal.cancel import CancelToken
from clipsearch.errors import Cancelled, ImageError
from clipsearch.images import pool as pool_module
from clipsearch.images.files import ReadLimits
from clipsearch.images.pool import Decoded, DecoderPool, FileFacts, PoolClosed, RemoteFile
from clipsearch.indexing.walk import find_images, list_images
from clipsearch.types import Failure, ImageFile, PixelSpec
from tests.conftest import SHARED, save_photo

pytestmark = pytest.mark.usefixtures("own_decoders")

SPEC = PixelSpec(None, (16, 24), None, 3, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def files(tmp_path):
    for number in range(40):
        save_photo(tmp_path / f"{number:02}.jpg", (number * 6, 0, 0), note=str(number))
    return list(find_images(tmp_path))


def test_outcomes_come_in_the_order_of_the_files(files):
    files.insert(7, ImageFile("/nowhere/x.jpg", 0, 0))
    with DecoderPool(SPEC, workers=3) as pool:
        outcomes = list(pool.read(files))
    assert [outcome.file.path for outcome in outcomes] == [file.path for file in files]
    assert isinstance(outcomes[7], Failure) and "No such file" in outcomes[7].reason
    reds = [outcome.picture[0, 0, 0] for outcome in outcomes if isinstance(outcome, Decoded)]
    assert reds == sorted(reds) and outcomes[0].pixels.shape == (1, 16, 24, 3)


def test_processes_that_were_started_ahead_are_those_that_read(files):
    with DecoderPool(SPEC, workers=2) as pool:
        pool.start()
        started = set(pool._all)
        assert len(started) == len(pool._idle) == 2
        assert [type(outcome) for outcome in pool.read(files)] == [Decoded] * len(files)
        assert pool._all == started


def test_fewer_are_asked_for_ahead_where_they_are_large(monkeypatch):
    """Remote photos may already be in memory, and sixty-four photos of half a GB are too many."""
    monkeypatch.setattr(pool_module, "_MAX_AHEAD_BYTES", 10_000)
    begun, at_once, seen = [], [], []

    def load():
        raise ImageError("none")

    def elsewhere():
        for number in range(100):
            begun.append(number)
            at_once.append(len(begun) - len(seen))
            yield RemoteFile(f"s3://bucket/{number}.jpg", 3000, 1, load)

    with DecoderPool(SPEC, workers=2) as pool:
        for outcome in pool.read(elsewhere()):
            seen += [outcome.file.path]
    assert len(seen) == 100 and max(at_once) <= 5


def test_who_shares_a_pool_is_told_that_it_was_closed(files):
    with DecoderPool(SPEC, workers=2) as pool:
        outcomes = pool.read(itertools.cycle(files))
        next(outcomes)
        pool.close()
        with pytest.raises(PoolClosed):
            list(outcomes)


def test_info_survives_the_way_between_processes(tmp_path):
    from PIL import Image

    image = Image.new("RGB", (32, 24))
    exif = image.getexif()
    exif[0x010F], exif[0x0110], exif[0x0132] = "Maker", "Model", "2021:02:03 04:05:06"
    exif.get_ifd(0x8825).update({1: "N", 2: (1.0, 30.0, 0.0), 3: "W", 4: (2.0, 0.0, 0.0)})
    image.save(tmp_path / "x.jpg", exif=exif)
    with DecoderPool(SPEC, workers=1) as pool:
        (outcome,) = pool.read(find_images(tmp_path))
    assert outcome.info.camera == "Maker Model" and outcome.info.taken_at.year == 2021
    assert outcome.info.gps == (1.5, -2.0)
    assert outcome.file.size == (tmp_path / "x.jpg").stat().st_size


def test_facts_alone_come_in_the_order_of_the_files_and_are_those_of_decoding(files):
    loaded = RemoteFile("/elsewhere/x.jpg", 0, 7, Path(files[3].path).read_bytes)
    broken = RemoteFile("/elsewhere/y.jpg", 0, 7, lambda: b"GIF89a, but not really")
    wanted = [*files[:5], ImageFile("/nowhere/x.jpg", 0, 0), loaded, broken]
    with DecoderPool(SPEC, workers=2) as pool:
        outcomes = list(pool.read_facts(wanted))
        decoded = list(pool.read(wanted))
    assert [outcome.file.path for outcome in outcomes] == [file.path for file in wanted]
    assert [type(outcome) for outcome in outcomes[5:]] == [Failure, FileFacts, Failure]
    for facts, whole in zip([*outcomes[:5], outcomes[6]], [*decoded[:5], decoded[6]], strict=True):
        assert facts.file == whole.file
        assert facts.info == replace(whole.info, content_hash="")


def test_of_a_jpeg_only_the_beginning_is_read_for_its_facts(tmp_path):
    save_photo(tmp_path / "x.jpg")
    with open(tmp_path / "x.jpg", "ab") as stream:
        stream.write(bytes(1_000_000))
    limits = ReadLimits(max_bytes=300_000)
    with DecoderPool(SPEC, limits, workers=1) as pool:
        (facts,) = pool.read_facts(find_images(tmp_path))
        (whole,) = pool.read(find_images(tmp_path))
    assert isinstance(facts, FileFacts) and facts.file.size > 1_000_000
    assert isinstance(whole, Failure) and whole.cause == "bytes"


def test_a_file_that_stops_the_reader_of_facts_costs_only_itself(files, monkeypatch):
    trouble = pool_module._LAUNCH.replace(
        "main(sys.argv[1])",
        "import os, time, clipsearch.images.worker as w; real = w.read_start; w.read_start = lambda path, *rest: "
        "os.abort() if path.endswith('05.jpg') else real(path, *rest); facts = w.read_facts; "
        "w.read_facts = lambda data: time.sleep(60) if b'hangs' in data[-8:] else facts(data); main(sys.argv[1])",
    )
    monkeypatch.setattr(pool_module, "_LAUNCH", trouble)
    with open(files[6].path, "ab") as stream:
        stream.write(b"hangs")
    with DecoderPool(SPEC, ReadLimits(seconds=1.5), workers=2) as pool:
        outcomes = list(pool.read_facts(files[:10]))
    assert {o.file.name: o.reason for o in outcomes if isinstance(o, Failure)} == {
        "05.jpg": "the decoder crashed",
        "06.jpg": "took longer than 1.5 s",
    }


def test_a_file_over_its_time_is_stopped_and_the_others_are_read(files, monkeypatch):
    """The decoder of one file sleeps. From outside, that looks like a decoder in an endless loop."""
    hang = pool_module._LAUNCH.replace(
        "main(sys.argv[1])",
        "import time, clipsearch.images.worker as w; real = w.decode_image; "
        "w.decode_image = lambda data, *rest: time.sleep(60) if b'05' in data[-8:] else real(data, *rest); main(sys.argv[1])",
    )
    monkeypatch.setattr(pool_module, "_LAUNCH", hang)
    with open(files[5].path, "ab") as stream:
        stream.write(b"05")
    with DecoderPool(SPEC, ReadLimits(seconds=1.5), workers=2) as pool:
        outcomes = list(pool.read(files))
    assert [o.file.name for o in outcomes if isinstance(o, Failure)] == ["05.jpg"]
    assert outcomes[5].reason == "took longer than 1.5 s"


def test_a_file_that_crashes_its_decoder_costs_only_itself(files, monkeypatch):
    crash = pool_module._LAUNCH.replace(
        "main(sys.argv[1])",
        "import os, clipsearch.images.worker as w; real = w.read_bytes; "
        "w.read_bytes = lambda path, *rest: os.abort() if path.endswith(('05.jpg', '06.jpg')) else real(path, *rest); "
        "main(sys.argv[1])",
    )
    monkeypatch.setattr(pool_module, "_LAUNCH", crash)
    with DecoderPool(SPEC, workers=2) as pool:
        outcomes = list(pool.read(files))
    assert [o.file.name for o in outcomes if isinstance(o, Failure)] == ["05.jpg", "06.jpg"]
    assert outcomes[5].reason == "the decoder crashed"


@pytest.mark.skipif(os.name != "posix", reason="no such limit on Windows")
def test_a_memory_bomb_stops_at_its_limit(tmp_path):
    from PIL import Image

    Image.new("1", (18_000, 18_000)).save(tmp_path / "bomb.png")  # 1.3 GB in RGB
    save_photo(tmp_path / "good.jpg")
    limits = ReadLimits(max_pixels=10**10, memory=1024**3)
    with DecoderPool(SPEC, limits, workers=1) as pool:
        bomb, good = pool.read(find_images(tmp_path))
    assert isinstance(bomb, Failure) and bomb.cause == "memory" and isinstance(good, Decoded)


@pytest.mark.skipif(os.name != "posix", reason="no such limit on Windows")
def test_a_thin_picture_takes_no_more_memory_than_others(tmp_path):
    save_photo(tmp_path / "tall.png", "red", (2, 30_000))
    save_photo(tmp_path / "wide.png", "blue", (30_000, 1))
    spec = PixelSpec(224, None, (224, 224), 3, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    with DecoderPool(spec, ReadLimits(memory=1024**3), workers=1) as pool:
        tall, wide = pool.read([ImageFile(str(tmp_path / name), 0, 0) for name in ("tall.png", "wide.png")])
    assert isinstance(tall, Decoded) and isinstance(wide, Decoded)
    assert tall.pixels.shape == wide.pixels.shape == (1, 224, 224, 3)
    assert (tall.info.width, tall.info.height) == (2, 30_000)
    assert np.ptp(tall.picture, axis=(0, 1)).max() == np.ptp(wide.picture, axis=(0, 1)).max() == 0


@pytest.mark.skipif(os.name != "posix", reason="asks for processes by number")
def test_no_process_outlives_the_pool_not_even_a_busy_one(files):
    with DecoderPool(SPEC, workers=2) as pool:
        outcomes = pool.read(files)
        next(outcomes)
        pids = [worker._process.pid for worker in pool._all]
        assert all(alive(pid) for pid in pids)
    for pid in pids:
        for _ in range(50):
            if not alive(pid):
                break
            time.sleep(0.05)
        assert not alive(pid)


def test_whoever_waits_for_a_decoder_that_hangs_can_stop(files, monkeypatch):
    end = threading.Event()
    # As on a drive that does not answer.
    monkeypatch.setattr(DecoderPool, "_read_one", lambda self, file, read: end.wait(60))
    with DecoderPool(SPEC, workers=2) as pool:
        cancel = CancelToken()
        threading.Timer(0.3, cancel.cancel).start()
        with pytest.raises(Cancelled):
            list(pool.read(files, cancel))
        end.set()


def test_printing_libraries_do_not_get_between_the_messages(files, monkeypatch):
    chatty = pool_module._LAUNCH.replace(
        "main(sys.argv[1])",
        "import os, clipsearch.images.worker as w; real = w.read_bytes; "
        "w.read_bytes = lambda *a: (os.write(1, b'a warning'), print('another'), real(*a))[2]; main(sys.argv[1])",
    )
    monkeypatch.setattr(pool_module, "_LAUNCH", chatty)
    with DecoderPool(SPEC, workers=1) as pool:
        assert all(isinstance(outcome, Decoded) for outcome in pool.read(files[:5]))


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared, which is not here")
def test_every_awkward_file_is_read_or_says_why_not():
    root = SHARED / "data" / "bad_images"
    listings = list(list_images(root))
    total = sum(len(names) for _, _, names in os.walk(root))
    files = [file for listing in listings for file in listing.files]
    assert len(files) + sum(listing.others for listing in listings) == total
    with DecoderPool(SPEC, ReadLimits(seconds=10)) as pool:
        outcomes = list(pool.read(files))
    assert len(outcomes) == len(files)
    assert all(isinstance(o, Decoded) or o.reason for o in outcomes)
    assert sum(isinstance(o, Decoded) for o in outcomes) > 600
    assert all(np.isfinite(o.pixels).all() for o in outcomes if isinstance(o, Decoded))


def test_large_pictures_take_turns_with_the_memory(tmp_path, monkeypatch):
    from PIL import Image

    held, most = [], []
    taking = pool_module._Budget.taking

    @contextlib.contextmanager
    def watch(budget, size):
        with taking(budget, size):
            held.append(size)
            most.append(sum(held))
            yield
            held.remove(size)

    monkeypatch.setattr(pool_module._Budget, "taking", watch)
    monkeypatch.setattr(pool_module, "DECODE_MEMORY", 130_000_000)
    for number in range(4):
        Image.new("RGB", (4200, 4000), (number, 0, 0)).save(tmp_path / f"{number}.png", compress_level=1)
    with DecoderPool(SPEC, workers=3) as pool:
        outcomes = list(pool.read(find_images(tmp_path)))
    assert [outcome.picture[0, 0, 0] for outcome in outcomes] == list(range(4))
    assert len(most) == 4 and max(most) == 67_200_000  # one at a time: two would be 134 MB


def test_a_picture_larger_than_all_the_memory_there_is_has_it_alone():
    budget = pool_module._Budget(100)
    with budget.taking(1000):
        assert budget._left == 0
    assert budget._left == 100
