"""What is wrong with a value, in the words of the servers: for HTTP's parameters and for the arguments of assistants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clipsearch.render.text import shorten

MOST_SHOWN = 60  # characters of a wrong value
_NO_FORMS: Mapping[str, str] = {}


def after_character(position: int) -> str:
    """Where JSON ends to be JSON, as the end of a sentence; "" at its beginning."""
    return f", after character {position:,}" if position else ""


def in_plain_words(problem: Mapping[str, Any], forms: Mapping[str, str] = _NO_FORMS) -> str:
    """What is wrong with a value, without the terms of Python and pydantic. `problem` is one of pydantic's `errors()`.

    `forms` says what a text of a pattern is, such as "the token of an upload".
    """
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
        case "model_type" | "model_attributes_type" | "dict_type":
            return "give an object"
        case "missing":
            return "it is missing"
        case "extra_forbidden":
            return "it has no place here"
        case "string_too_short" | "too_short":
            return "it is empty" if context["min_length"] == 1 else f"give at least {context['min_length']:,}"
        case "greater_than":
            return f"give more than {context['gt']}"
        case "less_than":
            return f"give less than {context['lt']}"
        case "value_error":
            return str(context["error"])
        case "greater_than_equal":
            return f"give at least {context['ge']}"
        case "less_than_equal":
            return f"give at most {context['le']}"
        case "string_pattern_mismatch":
            form = forms.get(context["pattern"], "of the form that is needed")
            return f"{shorten(str(problem['input']), MOST_SHOWN)!r} is not {form}"
    return str(problem["msg"])
