"""Make a tokenizer.json of the structure of SigLIP 2's, for tests and measurements where the real one is not at hand.

    python tools/gemma_like.py FOLDER --texts FILE [--entries 256000]

FILE has texts, one a line, to train on. If they give too few tokens, pairs of Hangul syllables fill the vocabulary. Of the
real tokenizer it has: byte fallback, a merge for every way to split a token in two, special tokens at both ends of the ids,
added tokens (runs of line feeds and of "▁", HTML), and the end token that is added to each text. As in the real one, the file
does not say that texts are lower-cased: https://github.com/huggingface/transformers/pull/43101
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_SPACE = "\u2581"
_HEAD = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<2mass>", "[@BOS@]"]
_HTML = ["table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td", *(f"h{level}" for level in range(1, 7))]
_INLINE = ["blockquote", "strong", "em", "b", "i", "s", "sub", "sup", "code", "u"]
_LAST = "<unused99>"
_ENTRIES = 256_000


def make(folder: Path, texts: Iterable[str], entries: int, most_letters: int = 14_000) -> Path:
    """Write tokenizer.json and tokenizer_config.json to a folder, and return the folder."""
    added = [
        *_HEAD,
        *(f"<unused{number}>" for number in range(99)),
        *("<start_of_turn>", "<end_of_turn>"),
        *("\n" * number for number in range(1, 32)),
        *(_SPACE * number for number in range(2, 32)),
        *(f"<{tag}>" for tag in (*_HTML, *_INLINE)),
        *(f"</{tag}>" for tag in (*_HTML, *_INLINE)),
    ]
    of_bytes = [f"<0x{byte:02X}>" for byte in range(256)]
    tokens = dict.fromkeys([*added, *of_bytes])
    room = entries - len(tokens) - 1
    tokens |= dict.fromkeys(_trained(texts, room, min(most_letters, room)))
    tokens.pop(_LAST, None)
    syllables = [chr(0xAC00 + number) for number in range(600)]
    pairs = (left + right for left in syllables for right in syllables)
    for token in (*(syllables if len(tokens) < entries - 1 - len(syllables) else ()), *pairs):
        if len(tokens) >= entries - 1:
            break
        tokens.setdefault(token)
    vocabulary = {token: number for number, token in enumerate([*tokens, _LAST])}
    unmerged = {*of_bytes, *(token for token in added if token[0] in "<["), _LAST}
    described = _described(vocabulary, [*added, _LAST], _every_split(vocabulary, unmerged))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(described, ensure_ascii=False, indent=2), "utf-8")
    config = {
        "tokenizer_class": "GemmaTokenizer",
        "add_bos_token": False,
        "add_eos_token": True,
        "model_max_length": 64,
    }
    names = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, **names}), "utf-8")
    return folder


def _trained(texts: Iterable[str], entries: int, letters: int) -> list[str]:
    """Tokens in the order in which byte-pair training finds them."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer: Any = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace(" ", _SPACE)])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(_SPACE, "merged_with_next")
    trainer = trainers.BpeTrainer(
        vocab_size=entries, limit_alphabet=letters, min_frequency=1, max_token_length=24, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    found: dict[str, int] = tokenizer.get_vocab()
    return sorted(found, key=found.__getitem__)


def _every_split(vocabulary: dict[str, int], unmerged: set[str]) -> list[tuple[str, str]]:
    """Merges as they are made from a SentencePiece model: every way to split each token, earlier tokens first."""
    merges = []
    for token in vocabulary:
        if token not in unmerged:
            halves = ((token[:place], token[place:]) for place in range(1, len(token)))
            known = [half for half in halves if half[0] in vocabulary and half[1] in vocabulary]
            merges += sorted(known, key=lambda half: (len(half[0]), len(half[1])))
    return merges


def _described(vocabulary: dict[str, int], added: list[str], merges: list[tuple[str, str]]) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    template = [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "<eos>", "type_id": 0}}]
    end = {"id": "<eos>", "ids": [vocabulary["<eos>"]], "tokens": ["<eos>"]}
    return {
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 64, "strategy": "LongestFirst", "stride": 0},
        "padding": None,
        "added_tokens": [
            {"id": vocabulary[token], "content": token, **flags, "special": token in _HEAD} for token in added
        ],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": _SPACE},
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"String": " "},
            "behavior": "MergedWithPrevious",
            "invert": False,
        },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": template,
            "pair": [*template, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<eos>": end},
        },
        "decoder": {"type": "ByteFallback"},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": vocabulary,
            "merges": merges,
        },
    }


def main() -> None:
    """Make a tokenizer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--entries", type=int, default=_ENTRIES)
    options = parser.parse_args()
    with options.texts.open(encoding="utf-8") as lines:
        make(options.folder, lines, options.entries)


if __name__ == "__main__":
    main()
