"""The phrases of captions that mini can be trained with."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "training"))

from mini.phrases import Lexicon, read_phrases

# Files as wndb(5WN) describes them: vehicle over car and bus, all artifacts (06); river and wave; swimming as a noun, too.
DATA = """\
  1 a licence line
00000001 06 n 01 vehicle 0 000 | a thing that carries
00000002 06 n 02 car 0 auto 0 001 @ 00000001 n 0000 | four wheels
00000003 06 n 01 bus 0 001 @ 00000001 n 0000 | many seats
00000004 17 n 01 river 0 000 | water that flows
00000005 04 n 01 swimming 0 000 | moving in water
00000006 06 n 01 swimming_pool 0 000 | for swimming
00000007 06 n 01 pool 0 000 | for swimming
00000008 18 n 01 man 0 000 | a person
00000009 07 n 01 red 0 000 | a colour
"""
NOUNS = ("vehicle", "car", "bus", "river", "swimming", "swimming_pool", "pool", "man", "red")
COUNTED = ("vehicle%1", "car%1", "bus%1", "river%1", "pool%1", "man%1", "red%3", "swim%2", "ride%2")
CAPTIONS = [
    ("A man swims in a river .", "A man is swimming in the river ."),
    ("A red car near a river .", "Two cars and a man ."),
    ("A bus is seen .", "A man rides a bus ."),
    ("Men in a swimming pool .", "A man riding a bus ."),
    *[("Nothing to see .",)] * 3,
]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wordnet")
    (folder / "data.noun").write_text(DATA)
    lines = (f"{noun} n 1 0 1 0 {number:08d}" for number, noun in enumerate(NOUNS, 1))
    (folder / "index.noun").write_text("\n".join(["  1 a licence line", *lines]))
    (folder / "index.verb").write_text("swim v 1\nride v 1\n")
    (folder / "index.adj").write_text("red a 1\n")
    (folder / "cntlist.rev").write_text("".join(f"{key}:00:00:: 1 9\n" for key in COUNTED))
    return {phrase.text: phrase for phrase in read_phrases(CAPTIONS, Lexicon(folder), least=1)}


def test_a_photo_counts_once_for_each_caption_that_has_the_phrase(found):
    assert found["car"].photos == {1: 2}
    assert found["red car"].photos == {1: 1}


def test_all_forms_of_a_verb_are_one_activity(found):
    assert found["swimming"].kind == "activity" and found["swimming"].photos == {0: 2}
    assert found["riding"].photos == {2: 1, 3: 1}
    assert found["riding a bus"].photos == {2: 1, 3: 1}


def test_a_noun_of_two_words_is_no_activity(found):
    assert found["swimming pool"].kind == "noun" and found["swimming pool"].photos == {3: 1}


def test_a_place_is_asked_with_its_preposition(found):
    assert found["in the river"].kind == "place" and found["in a river"].photos == {0: 1}


def test_a_hypernym_has_the_photos_of_all_words_below_it(found):
    assert found["vehicle"].photos == {1: 2, 2: 2, 3: 1}


def test_what_most_photos_have_is_no_phrase(found):
    assert "man" not in found  # in four of seven


def test_texts_are_those_that_people_type(found):
    assert found["car"].texts() == ["a car", "there is a car", "a photo of a car"]
    assert found["in the river"].texts() == ["in the river", "in the river .", "somebody in the river"]


def test_a_phrase_is_learnt_from_all_its_photos():
    torch = pytest.importorskip("torch")
    from mini.losses import phrase_loss

    photos = torch.tensor([[2.0, 2.0, 0.0], [0.0, 0.0, 0.0]])  # no photo has the second phrase
    right, one, none = (
        torch.tensor([row, [0.0, 9.0, 0.0]]) for row in ([9.0, 9.0, 0.0], [9.0, 0.0, 0.0], [0.0, 0.0, 9.0])
    )
    assert phrase_loss(right, photos) < 0.001 < phrase_loss(one, photos) < phrase_loss(none, photos)
    assert phrase_loss(right[:0], photos[:0]) == 0
