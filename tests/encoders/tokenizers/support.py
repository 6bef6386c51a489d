"""What the tests of tokenizers share."""

import sys
from pathlib import Path

import pytest

from clipsearch.encoders.tokenizers import compact
from clipsearch.encoders.tokenizers.compact import open_compact
from clipsearch.encoders.tokenizers.library import LibraryTokenizer

sys.path.insert(0, str(Path(__file__).parents[3] / "tools"))
from compare_tokenizers import varied_texts
from gemma_like import make


class AnyShape:
    """The shape of a model that any number of tokens fits."""

    def require_vocabulary(self, tokens, folder):
        return


def opened(folder):
    """The compact form of a tokenizer, or None, and the library's."""
    library = LibraryTokenizer(folder, AnyShape())
    return open_compact(folder, AnyShape(), library), library


def opened_with_cache(folder, cache_folder):
    """The same for a fixture of several tests, with tables in a cache folder of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compact, "cache_folder", lambda: cache_folder)
        return opened(folder)


def save_gemma(folder):
    """Save a small tokenizer that works as SigLIP 2's does, with tokens of many scripts."""
    texts = [text for text in varied_texts(1500, seed=5) if len(text) < 200]
    return make(folder, texts, entries=2500, most_letters=900)
