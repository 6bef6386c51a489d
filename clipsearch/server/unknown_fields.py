"""What a client is told about a field of JSON that no object has: the name that was meant, or those that there are."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel

from clipsearch.render.text import shorten
from clipsearch.render.wrong_values import MOST_SHOWN


def unknown_field(model: Any, place: Sequence[str | int]) -> str:
    """The end of a sentence about the object that has the field: "has no field 'term'; did you mean terms?".

    `model` is the type of the whole, and `place` leads to the field, as pydantic has it: names and positions in lists.
    """
    *above, last = place
    name = shorten(str(last), MOST_SHOWN)
    known = _names(_model_in(model), above)
    close = get_close_matches(name, known, 1)
    hint = f"; did you mean {close[0]}?" if close else f"; there are {', '.join(known)}" if known else ""
    return f"has no field {name!r}{hint}"


def _names(model: type[BaseModel] | None, above: Sequence[str | int]) -> list[str]:
    """The names of the fields of the object that `above` leads to; empty if it cannot be told."""
    for part in above:
        if isinstance(part, str) and model:
            fields = {field.alias or name: field for name, field in model.model_fields.items()}
            model = _model_in(fields[part].annotation) if part in fields else None
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model in a type such as `list[Model] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part))), None)
