"""The cases of other models than CLIP: a function each, which yields the rows of the table."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from suite import peers, synthetic
from suite.measure import Figures, alternate, in_memory, run_process
from suite.result import Result
from suite.setup import QUERY, Setup

_PHOTOS = 100_000


def models_cold(setup: Setup) -> Iterator[Result]:
    """One text query as a whole process, by SigLIP 2's shape and by `mini`, beside CLIP ViT-B/32."""
    runs: dict[str, Callable[[Figures], object]] = {}
    for name, model in (("SigLIP 2", setup.siglip), ("mini", "mini"), ("CLIP ViT-B/32", setup.checkpoint)):
        index = setup.index_by(model, _PHOTOS)
        runs[name] = partial(run_process, setup.clipsearch("query", QUERY, "--index", index, "--model", model))
        in_memory(index, *([model] if isinstance(model, Path) else []))
    if setup.has("transformers"):
        array = setup.work / f"transformers-siglip-{_PHOTOS}.npy"
        if not array.exists():
            vectors = np.random.default_rng(0).standard_normal((_PHOTOS, 768), np.float32)
            peers.fill_transformers(array, setup.work / "nowhere", synthetic.names(_PHOTOS), vectors)
        command = peers.transformers_query(setup.peer_dir, setup.siglip, array, QUERY)
        runs["transformers"] = partial(run_process, command.popen)
        in_memory(array)
    for run in runs.values():
        run(Figures())
    figures = alternate(runs, 2 * setup.repeats + 1)
    mini = figures.pop("mini")
    yield Result(f"cold query over {_PHOTOS:,}, SigLIP 2 B/32-256", figures.pop("SigLIP 2"), figures)
    yield Result(f"cold query over {_PHOTOS:,}, mini", mini, {"CLIP ViT-B/32": figures["CLIP ViT-B/32"]})


def models_indexing(setup: Setup) -> Iterator[Result]:
    """Photos to a new index by SigLIP 2's shape, beside rclip, whose model costs the same arithmetic, and torch."""
    for kind in ("12 MP", "1 MP"):
        folder, ours = setup.photo_folder(kind), setup.work / "new-siglip-index"
        in_memory(folder, setup.siglip)

        def index(figures: Figures, folder: Path = folder, ours: Path = ours) -> None:
            shutil.rmtree(ours, ignore_errors=True)
            run_process(setup.clipsearch("index", folder, "--index", ours, "--model", setup.siglip, "--quiet"), figures)

        runs: dict[str, Callable[[Figures], object]] = {"ours": index}
        if setup.has("rclip"):
            home = setup.rclip_home(0)

            def rclip(figures: Figures, folder: Path = folder, home: Path = home) -> None:
                (peers.rclip_data(home) / peers.RCLIP_DATABASE).unlink(missing_ok=True)
                run_process(peers.rclip_index(setup.peer_dir, home, folder).popen, figures)

            runs["rclip"] = rclip
        if setup.has("transformers"):
            command = peers.transformers_index(setup.peer_dir, setup.siglip, folder, setup.work / "new.npy")
            runs["transformers"] = partial(run_process, command.popen)
        index(Figures())  # each machine chooses its precision once
        figures = alternate(runs, setup.repeats)
        count = len(list(folder.glob("*.jpg")))
        yield Result(f"indexing {count} JPEGs of {kind}, SigLIP 2 B/32-256", figures.pop("ours"), figures, count=count)
