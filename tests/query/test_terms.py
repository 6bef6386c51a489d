"""Terms of a query as values: what is equal, and what has a hash."""

from pathlib import Path

import numpy as np
from PIL import Image

from clipsearch import Query, Term


def test_terms_of_arrays_and_images_are_compared_without_an_error():
    vector = np.arange(4, dtype=np.float32)
    same, other, wider = Term(vector.copy()), Term(vector + 1), Term(vector.astype(np.float64))
    term, image = Term(vector), Image.new("RGB", (2, 2))
    assert term == same and hash(term) == hash(same)
    assert term not in (other, wider, Term("a dog"), Term(image), Term(vector, 2.0))
    assert Term(image) == Term(image) != Term(image.copy()) and hash(Term(image)) == hash(Term(image))
    assert Query((term,)) in [Query((other,)), Query((same,))] and len({Query((term,)), Query((same,))}) == 1


def test_terms_of_texts_and_paths_are_compared_by_them():
    assert Term("a dog") == Term("a dog") != Term("a dog", literal=True) and len({Term("a dog"), Term("a dog")}) == 1
    assert Term(Path("a.jpg")) == Term(Path("a.jpg")) != Term("a.jpg")
