"""The code has each message that the troubleshooting page explains."""

import ast
import re

import pytest

from clipsearch._internal.commands import with_flags
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
MESSAGES = [
    title for title in re.findall(r"^### (.*)$", PAGE, re.MULTILINE) if not title.startswith(("The ", "Something "))
]


@pytest.fixture(scope="module")
def texts():
    """Every text in the package, with … in place of each inserted value."""
    texts = []
    for path in (ROOT / "clipsearch").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                texts.append("".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return list(map(with_flags, texts))


@pytest.mark.parametrize("message", MESSAGES)
def test_it_is_a_message_of_the_code(message, texts):
    pattern = ".*".join(re.escape(part.strip(" ")) for part in message.removeprefix("note: ").split("…"))
    assert any(re.search(pattern, text, re.DOTALL) for text in texts), message
