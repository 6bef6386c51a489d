"""From what a user typed to a Query."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from clipsearch.errors import QueryError
from clipsearch.schema import Query, Term

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image


def parse_query(content: str | os.PathLike[str] | Image | NDArray[np.float32] | Query) -> Query:
    """One thing to look for as a Query: text (str), a picture (a Path or a PIL image), or an embedding (float32, (dim,))."""
    if isinstance(content, Query):
        return content
    if isinstance(content, str) and not content.strip():
        raise QueryError("the query is empty; describe the photo you are looking for")
    return Query((Term(content),))
