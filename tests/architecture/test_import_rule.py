"""The import rule of the design, and the owner of each heavy library."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {
    "faiss",
    "torch",
    "transformers",
    "openvino",
    "huggingface_hub",
    "tokenizers",
    "sqlite3",
    "numpy",
    "PIL",
    "tqdm",
    "fastapi",
    "uvicorn",
    "textual",
    "mcp",
    "pymilvus",
    "grpc",
    "watchfiles",
}


def test_imports_only_go_down():
    result = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr


def loaded_by(code: str) -> set[str]:
    """The top-level modules in memory after running some code in a new interpreter."""
    script = f"{code}\nimport sys; print(' '.join({{name.split('.')[0] for name in sys.modules}}))"
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    return set(output.split("\n")[-2].split())


EVERY_COMMAND = "from clipsearch.cli import cli; [cli.get_command(None, name) for name in cli.list_commands(None)]"


@pytest.mark.parametrize("code", ["import clipsearch", "import clipsearch.cli", EVERY_COMMAND])
def test_starting_up_imports_nothing_heavy(code):
    assert not loaded_by(code) & HEAVY


def test_a_query_on_the_embedded_model_needs_neither_torch_nor_a_hub():
    code = "import clipsearch; clipsearch.load_encoder('mini').encode_texts(['a dog'])"
    assert not loaded_by(code) & {"torch", "transformers", "huggingface_hub", "openvino", "tokenizers", "PIL", "faiss"}


def test_opening_an_index_needs_nothing_that_only_indexing_does():
    assert not loaded_by("import clipsearch.engine") & {"email", "zipfile", "multiprocessing", "PIL", "torch"}


def test_a_text_query_on_a_checkpoint_needs_neither_torch_nor_openvino_nor_pillow(tmp_path):
    from tests.encoders.support import save_checkpoint

    save_checkpoint(tmp_path)
    code = f"import clipsearch.engine; clipsearch.load_encoder({str(tmp_path)!r}).encode_texts(['cat'])"
    assert not loaded_by(code) & {"torch", "transformers", "huggingface_hub", "openvino", "PIL", "faiss"}


NOT_FOR_A_PLAIN_QUERY = (
    "PIL", "torch", "transformers", "openvino", "huggingface_hub", "clipsearch.encoders.hub", "clipsearch.gazetteer",
    "clipsearch.images.decode", "clipsearch.indexing", "clipsearch.milvus.store", "clipsearch.query.hybrid",
    "clipsearch.query.listing", "clipsearch.query.matching_words", "clipsearch.query.outline", "clipsearch.query.sentences",
    "clipsearch.server", "clipsearch.store.several", "clipsearch.transfer",
)  # fmt: skip
"""Packages and modules that only other queries or commands need. Each costs from half a millisecond to seconds."""


def test_a_plain_query_imports_only_what_it_needs(photos_with_mini):
    code = f"""
import sys
from clipsearch.cli import main
try:
    main(["query", "green", "--index", {str(photos_with_mini / ".clipsearch")!r}])
finally:
    print(*sys.modules, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "green.jpg" in done.stdout  # a likely match
    loaded = done.stderr.split()
    assert "clipsearch.query.search" in loaded
    assert not [name for name in loaded if f"{name}.".startswith(tuple(f"{other}." for other in NOT_FOR_A_PLAIN_QUERY))]


def test_the_public_names_are_exactly_all():
    code = "import clipsearch, types; print(*[n for n in clipsearch.__all__ if getattr(clipsearch, n) is None])"
    loaded_by(code)
    import clipsearch

    public = {name for name in vars(clipsearch) if not name.startswith("_")}
    modules = {name for name in public if type(getattr(clipsearch, name)).__name__ == "module"}
    assert public - modules - {"annotations", "Any", "TYPE_CHECKING", "import_module"} <= set(clipsearch.__all__)
    assert all(getattr(clipsearch, name) is not None for name in clipsearch.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = clipsearch.nonsense
