"""A CLIP checkpoint's tokenizer: our own for a few plain texts, the tokenizers library for all others."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from clipsearch.encoders.base import warn_truncated
from clipsearch.encoders.clip.bpe import END, SPLIT_PATTERN, START, PlainTokenizer, plain_tokenizer
from clipsearch.encoders.shape import ModelShape
from clipsearch.encoders.tokenizer_checks import call_tokenizers, require_readable_files, require_words_differ

_FEW_TEXTS = 4  # the library's tables are not worth building for them


class ClipTokenizer:
    """Texts to token ids. Its files are read when it is first used."""

    def __init__(self, folder: Path, shape: ModelShape) -> None:
        self._folder = folder
        self._shape = shape

    def encode(self, texts: list[str]) -> list[list[int]]:
        """The ids of each text's tokens. A text beyond the context length is cut, with a ClipsearchWarning."""
        limit = self._shape.context_length
        if len(texts) <= _FEW_TEXTS and "library_tokenizer" not in vars(self):
            plain = [self._plain_tokenizer(text) for text in texts]
            if all(0 < len(ids) <= limit for ids in plain):
                return plain
        encodings = self.library_tokenizer.encode_batch(texts)
        for text, encoding in zip(texts, encodings, strict=True):
            if encoding.overflowing:
                length = len(encoding.ids) + sum(len(part.ids) - 2 for part in encoding.overflowing)
                warn_truncated(text, length, limit, stacklevel=5)
        return [encoding.ids for encoding in encodings]

    @cached_property
    def _plain_tokenizer(self) -> PlainTokenizer:
        return plain_tokenizer(self._folder, lambda tokens: self._shape.require_vocabulary(tokens, self._folder))

    @cached_property
    def library_tokenizer(self) -> Any:
        """The checkpoint's own tokenizer in the tokenizers library, without padding, cut to the context length."""
        from tokenizers import Tokenizer  # a plain text does without it

        _ = self._plain_tokenizer  # checks the files
        require_readable_files(self._folder)
        file = self._folder / "tokenizer.json"
        tokenizer: Any = call_tokenizers(
            lambda: Tokenizer.from_file(str(file)) if file.is_file() else tokenizer_of_vocabulary(self._folder),
            self._folder,
        )
        # Dropout is for training. With it, a text would have other tokens each time.
        if getattr(tokenizer.model, "dropout", None):
            tokenizer.model.dropout = None
        self._shape.require_vocabulary(tokenizer.get_vocab_size(), self._folder)
        tokenizer.enable_truncation(self._shape.context_length)
        tokenizer.no_padding()
        require_words_differ(lambda word: tokenizer.encode(word).ids, self._folder)
        return tokenizer


def tokenizer_of_vocabulary(folder: Path) -> Any:
    """CLIP's byte-pair tokenizer from vocab.json and merges.txt, as `transformers.CLIPTokenizer` assembles it."""
    from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
    from tokenizers.models import BPE

    files = str(folder / "vocab.json"), str(folder / "merges.txt")
    tokenizer: Any = Tokenizer(BPE.from_file(*files, end_of_word_suffix="</w>", fuse_unk=False, unk_token=END))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT_PATTERN), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.add_special_tokens([START, END])
    tokenizer.post_processor = processors.RobertaProcessing(
        (END, tokenizer.token_to_id(END)), (START, tokenizer.token_to_id(START)), False, False
    )
    return tokenizer
