"""Ctrl-C is answered soon during any work: nothing new starts, and the answer waits for no work that can be left."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from clipsearch._internal.cancel import CancelToken
from clipsearch.cli.interrupt import interruptible
from clipsearch.engine import SearchEngine
from clipsearch.errors import Cancelled
from clipsearch.images.pool import DecoderPool
from clipsearch.indexing.pipeline import embed_files
from clipsearch.store.verify import verify
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import ImageFile
from tests.conftest import ColourEncoder, save_photo

pytestmark = pytest.mark.usefixtures("own_decoders")

posix = pytest.mark.skipif(sys.platform == "win32", reason="a process cannot send itself a Ctrl-C there")


class BlockedEncoder(ColourEncoder):
    """The encoder holds pictures until the test lets them go. Then it notes whether the decoders were stopped."""

    def __init__(self, pool_is_closed, let_go):
        super().__init__()
        self.pool_is_closed, self.let_go = pool_is_closed, let_go
        self.asked, self.decoders_were_stopped = [], []

    def embed_pixels(self, pixels):
        self.asked.append(len(pixels))
        self.let_go.wait(60)
        for _ in range(600):
            if self.pool_is_closed():
                break
            time.sleep(0.05)
        self.decoders_were_stopped.append(self.pool_is_closed())
        return super().embed_pixels(pixels)


def interrupted(folder, press, batch_size=None):
    """Embed 150 photos. Once the model has as many as it takes at once, call `press(let_go, answered)`.

    Return the encoder, and the event that lets it go on.
    """
    paths = [save_photo(folder / f"{number}.jpg", (number, 0, 0), note=str(number)) for number in range(150)]
    let_go, answered = threading.Event(), threading.Event()
    with DecoderPool(ColourEncoder().spec.pixels, workers=1) as pool:
        encoder = BlockedEncoder(lambda: pool.closed, let_go)

        def wait_and_press():
            while len(encoder.asked) < 2:
                time.sleep(0.01)
            press(let_go, answered)

        finger = threading.Thread(target=wait_and_press)
        finger.start()
        files = (ImageFile(str(path), 0, 0) for path in paths)
        with pytest.raises(Cancelled), interruptible() as cancel, cancel.listening():
            list(embed_files(files, encoder, pool, batch_size=batch_size, cancel=cancel))
        answered.set()
        finger.join()
    return encoder, let_go


INTERRUPTS_ITSELF = """
import os, signal
from clipsearch.cli.interrupt import interruptible
with interruptible() as cancel, cancel.listening():
    os.kill(os.getpid(), signal.SIGINT)
    assert cancel.wait(10)
"""


@posix
def test_the_first_ctrl_c_is_answered_in_words_before_the_work_ends():
    done = subprocess.run([sys.executable, "-c", INTERRUPTS_ITSELF], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == "clipsearch: stopping; what is done is kept\n"


CANCELS_IN_A_HANDLER = """
import signal
from clipsearch._internal.cancel import CancelToken
signal.signal(signal.SIGALRM, lambda *_: token.cancel())
for _ in range(1000):
    token = CancelToken()
    signal.setitimer(signal.ITIMER_REAL, 1e-4)
    while not token.cancelled:
        token.wait(1e-5)
"""


@posix
def test_a_signal_at_the_end_of_a_wait_does_not_stop_the_process_for_ever():
    assert subprocess.run([sys.executable, "-c", CANCELS_IN_A_HANDLER], timeout=60).returncode == 0


def test_a_wait_whose_time_is_over_before_it_begins_ends():
    waits = "from clipsearch._internal.cancel import CancelToken\nfor _ in range(100_000):\n    CancelToken().wait(0)"
    assert subprocess.run([sys.executable, "-c", waits], timeout=60).returncode == 0


def once(let_go, answered):
    time.sleep(0.5)  # wait until the third batch waits for its turn
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.05)
    let_go.set()


def until_answered(let_go, answered):
    os.kill(os.getpid(), signal.SIGINT)
    assert answered.wait(60)


@posix
def test_only_what_the_model_is_at_is_waited_for_and_the_decoders_are_stopped_first(tmp_path):
    encoder, _ = interrupted(tmp_path, once, batch_size=4)
    assert encoder.asked == [4, 4]  # the third batch was not started
    assert encoder.decoders_were_stopped == [True, True]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("clipsearch-embed")]


@posix
def test_a_large_batch_is_left_in_the_middle(tmp_path, monkeypatch):
    monkeypatch.setattr("clipsearch.indexing.pipeline.cores", lambda: 1)
    encoder, _ = interrupted(tmp_path, once)
    assert encoder.asked == [4, 4]  # the first four photos of each of two batches of 32


def test_pieces_of_a_batch_are_put_together_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr("clipsearch.indexing.pipeline.cores", lambda: 1)
    paths = [save_photo(tmp_path / f"{number}.png", (number * 6, 99, 9), note=str(number)) for number in range(41)]
    encoder = ColourEncoder()
    with DecoderPool(encoder.spec.pixels, workers=1) as pool:
        files = [ImageFile(str(path), 0, 0) for path in paths]
        embedded = [outcome for batch in embed_files(files, encoder, pool) for outcome in batch]
    for path, outcome in zip(paths, embedded, strict=True):
        assert outcome.file.path == str(path)
        assert np.allclose(outcome.vectors, encoder.encode_images([path]), atol=1e-6)


@posix
def test_a_run_that_is_interrupted_publishes_what_it_has_and_merges_nothing(photos, encoder, monkeypatch):
    for number in range(100):
        save_photo(photos / f"{number:03}.jpg", (number, number // 2, 90), note=str(number))
    merged = []
    real = CollectionWriter.tidy
    monkeypatch.setattr(CollectionWriter, "tidy", lambda self: (merged.append(1), real(self)))

    def press(report, done, total):
        if done == 40:
            merged.clear()  # after the commit of the first batch
            os.kill(os.getpid(), signal.SIGINT)

    with SearchEngine.open(photos) as engine:
        with interruptible() as cancel:
            report = engine.index(jobs=1, batch_size=8, progress=press, cancel=cancel)
        assert report.interrupted and report.left > 0 and report.added >= 40
        assert merged == [] and engine.status().images == report.added
        assert verify(engine.index_folder).damages == ()
        again = engine.index(jobs=1)
        assert merged and again.added == 105 - report.added and again.unchanged == report.added


@posix
def test_a_model_that_does_not_come_back_is_not_waited_for(tmp_path, monkeypatch):
    """If the machine is busy, the answer comes without the model. The model's thread ends by itself."""
    monkeypatch.setattr("clipsearch.indexing.pipeline._PATIENCE", 0.05)
    encoder, let_go = interrupted(tmp_path, until_answered, batch_size=4)
    assert encoder.decoders_were_stopped == []  # the model is still at work on them
    let_go.set()
    for thread in threading.enumerate():
        if thread.name.startswith("clipsearch-embed"):
            thread.join(60)
    assert encoder.asked == [4, 4] and encoder.decoders_were_stopped == [True, True]


def test_a_run_can_be_cancelled_from_another_thread_while_the_model_is_at_work(tmp_path):
    let_go, cancel = threading.Event(), CancelToken()
    paths = [save_photo(tmp_path / f"{number}.jpg", (number, 0, 0), note=str(number)) for number in range(20)]
    with DecoderPool(ColourEncoder().spec.pixels, workers=1) as pool:
        encoder = BlockedEncoder(lambda: pool.closed, let_go)
        threading.Timer(0.3, cancel.cancel).start()
        threading.Timer(0.6, let_go.set).start()
        with pytest.raises(Cancelled):
            files = (ImageFile(str(path), 0, 0) for path in paths)
            list(embed_files(files, encoder, pool, batch_size=4, cancel=cancel))
    assert len(encoder.asked) <= 2  # of five batches


@posix
def test_ctrl_c_ends_at_once_what_looks_at_no_token():
    with pytest.raises(KeyboardInterrupt), interruptible():
        signal.raise_signal(signal.SIGINT)


@posix
def test_the_second_ctrl_c_ends_work_that_does_not_come_back():
    with interruptible() as cancel, cancel.listening():
        signal.raise_signal(signal.SIGINT)
        assert cancel.cancelled
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):  # the usual handler is back
        signal.raise_signal(signal.SIGINT)


@posix
def test_ctrl_c_while_the_model_is_loaded_leaves_the_index_as_it_was(photos, encoder, monkeypatch):
    with SearchEngine.open(photos) as engine:
        before = engine.index().added
    save_photo(photos / "new.jpg", "red", note="new")

    def press(*_):
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("Ctrl-C was not heard")

    monkeypatch.setattr("clipsearch.query.index_model.IndexModel.of", press)
    with SearchEngine.open(photos) as engine:
        with pytest.raises(KeyboardInterrupt), interruptible() as cancel:
            engine.index(cancel=cancel)
        assert engine.status().images == before and verify(engine.index_folder).damages == ()


@posix
def test_ctrl_c_in_the_middle_of_staging_drops_what_is_not_committed(photos, monkeypatch, encoder):
    """A caller without a token gets a KeyboardInterrupt, perhaps between an image and its vector."""
    real = CollectionWriter.add

    def add(self, place, file, *given):
        real(self, place, file, *given)
        if file.name == "grey.png":
            raise KeyboardInterrupt

    monkeypatch.setattr(CollectionWriter, "add", add)
    with SearchEngine.open(photos) as engine:
        with pytest.raises(KeyboardInterrupt):
            engine.index()
        assert engine.status().images == 0 and verify(engine.index_folder).damages == ()
        monkeypatch.setattr(CollectionWriter, "add", real)
        assert engine.index().added == 5


def test_threads_other_than_the_main_one_get_a_token_and_no_handler():
    tokens = []

    def work():
        with interruptible() as cancel:
            tokens.append(cancel)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not tokens[0].cancelled
