"""The words, signs and quoted texts of an expression for `--where`, and what is changed in it without being understood."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"""\s*(?:(?P<quoted>'[^']*'|"[^"]*")|(?P<sign>[()]|!=|<=|>=|[=<>~])|(?P<word>[^\s()=<>!~'"]+))""")


def tokens_of(expression: str) -> tuple[list[re.Match[str]], int]:
    """The tokens of an expression, whose groups name their kinds, and where the part that can be read ends."""
    tokens: list[re.Match[str]] = []
    position = 0
    while token := _TOKEN.match(expression, position):
        tokens.append(token)
        position = token.end()
    return tokens, position


def with_album_renamed(expression: str, name: str, new_name: str) -> str:
    """An expression in which an album has its new name. One that cannot be read stays as it is.

    So does a name with both kinds of quotes, which no expression can have.
    """
    if '"' in new_name and "'" in new_name:
        return expression
    quote = "'" if '"' in new_name else '"'
    tokens, end_of_tokens = tokens_of(expression)
    if expression[end_of_tokens:].strip():
        return expression
    for field, operator, value in reversed(list(zip(tokens, tokens[1:], tokens[2:], strict=False))):
        text = value["word"] or (value["quoted"] or "")[1:-1]
        if (field["word"] or "").lower() == "album" and operator["sign"] in ("=", "!=") and text == name:
            start, end = value.span(str(value.lastgroup))
            expression = f"{expression[:start]}{quote}{new_name}{quote}{expression[end:]}"
    return expression
