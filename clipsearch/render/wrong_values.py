"""What is wrong with a value, in the words of the servers: for HTTP's parameters and for the arguments of assistants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clipsearch.render.text import shorten

MOST_SHOWN = 60  # characters of a wrong value


def after_character(position: int) -> str:
    """Where JSON ends to be JSON, as the end of a sentence; "" at its beginning."""
    return f", after character {position:,}" if position else ""


def in_plain_words(problem: Mapping[str, Any]) -> str:
    """What is wrong with a value, without the terms of Python and pydantic. `problem` is one of pydantic's `errors()`."""
    context = problem.get("ctx", {})
    match problem["type"]:
        case "string_too_long":
            return f"it is too long; give at most {context['max_length']:,} characters"
        case "too_long":
            return f"there are too many; give at most {context['max_length']:,}"
        case "literal_error" if isinstance(problem["input"], str):
            return f"there is no {shorten(problem['input'], MOST_SHOWN)!r}; choose {context['expected']}"
        case "literal_error":
            return f"choose {context['expected']}"
        case "int_parsing" | "int_type" | "int_parsing_size" | "int_from_float":
            return "give a whole number"
        case "float_parsing" | "float_type" | "finite_number":
            return "give a number"
        case "bool_parsing" | "bool_type":
            return "give true or false"
        case "string_type" | "string_unicode":
            return "give text"
        case "list_type":
            return "give a list"
        case "greater_than_equal":
            return f"give at least {context['ge']}"
        case "less_than_equal":
            return f"give at most {context['le']}"
        case "string_pattern_mismatch":
            return f"{shorten(str(problem['input']), MOST_SHOWN)!r} has not the form that is needed"
    return str(problem["msg"])
