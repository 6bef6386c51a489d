"""The notes of `query` and `similar` beside their hits, and filters without a text."""

import csv
import io
import json
import shlex
import shutil
from datetime import datetime

import pytest
from PIL import ExifTags, Image

from clipsearch._internal.commands import quoted
from clipsearch.cli.find_index import remember_index
from clipsearch.cli.results import _gone
from clipsearch.encoders.unread import TextPiece
from tests.cli.running import run_here
from tests.conftest import give_facts, index_with_colours, save_photo


@pytest.fixture(scope="module")
def indexed_album(five_photos, tmp_path_factory):
    """The five photos and three camera photos, two of these with the same content, indexed."""
    folder = shutil.copytree(five_photos, tmp_path_factory.mktemp("album") / "photos")
    save_photo(folder / "IMG_0004.jpg", "red", note="4")
    save_photo(folder / "IMG_0005.jpg", "blue", note="5")
    shutil.copy(folder / "IMG_0005.jpg", folder / "IMG_0006.jpg")
    assert index_with_colours(folder).failed == 0
    return folder


@pytest.fixture
def album(indexed_album, encoder, tmp_path):
    """A copy of the indexed photos. Its index is the one used last."""
    folder = shutil.copytree(indexed_album, tmp_path / "photos")
    remember_index(folder / ".clipsearch")
    return folder


def test_the_list_says_which_of_its_photos_are_gone(album):
    (album / "IMG_0004.jpg").unlink()
    _, output, errors = run_here("query", "--name", "IMG_*", cwd=album)
    assert b"IMG_0004.jpg" in output and "is not there any more, or its drive is not connected" in errors
    assert ". To take out what is gone: `clipsearch index`\n" in errors
    assert "IMG_0004.jpg" in errors and "IMG_0005.jpg" not in errors
    assert run_here("query", "--name", "IMG_*", "--paths", cwd=album)[2] == ""


def test_the_command_proposed_for_a_folder_without_photos_takes_them_out(album):
    """And it says first that the folder may be that of a drive."""
    shutil.rmtree(album / "trip")
    for photo in album.glob("*.*g"):
        photo.unlink()
    status, _, errors = run_here("query", "--name", "IMG_*", cwd=album)
    assert status == 0 and f", and the folder {album} has no photos. If it is that of a drive" in errors
    proposed = errors.rsplit("`", 2)[1]
    assert proposed.startswith(f"clipsearch index {quoted(album)} --prune")
    assert run_here("index", cwd=album)[0] != 0, "index alone does not"
    assert run_here(*shlex.split(proposed)[1:], cwd=album)[0] == 0
    assert run_here("query", "--name", "IMG_*", cwd=album)[1] == b""


def test_a_folder_with_other_folders_is_not_proposed_to_be_emptied(album):
    (album / "drive").mkdir()  # where one may not be mounted
    for photo in album.glob("*.*g"):
        photo.unlink()
    errors = run_here("query", "--name", "IMG_*", cwd=album)[2]
    assert "--prune" not in errors
    assert errors.endswith(": `clipsearch index`. If most photos are gone, it asks you to confirm\n")


def test_a_folder_that_is_away_is_not_proposed_to_be_indexed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    away = [str(tmp_path / "drive" / name) for name in ("a.jpg", "b.jpg")]
    assert list(_gone(away)) == [
        "drive/a.jpg is not there, nor is 1 more, since the folder drive is away; mount its drive"
    ]
    monkeypatch.setattr("clipsearch.cli.hints._index", None)  # as if a server had answered
    two = list(_gone([*away, str(tmp_path / "c.jpg")]))
    assert len(two) == 2 and two[1].startswith("c.jpg is not there any more")
    assert two[1].endswith(". To take out what is gone, update the index where it is kept")


def test_queries_from_a_terminal_are_asked_for(album, monkeypatch):
    class Terminal(io.TextIOWrapper):
        def isatty(self):
            return True

    assert "type a query" not in run_here("query", "-", cwd=album)[2]
    monkeypatch.setattr(io, "TextIOWrapper", Terminal)
    assert "type a query and Enter" in run_here("query", "-", cwd=album)[2]


def test_a_file_name_as_a_query_gets_the_command_that_lists_its_photos(album):
    status, output, errors = run_here("query", "IMG_0004", "-k", "1", cwd=album)
    note = 'clipsearch: "IMG_0004" looks like a file name, but was searched as a description; 1 photo has such a name.'
    assert status == 0 and output.startswith(b"1 ") and errors.startswith(note) and errors.count("\n") == 1
    proposed = shlex.split(errors.split("`")[1])
    status, output, errors = run_here(*proposed[1:], cwd=album)
    assert (status, output, errors) == (0, b"1  IMG_0004.jpg\n", "")
    typed = ["IMG_0004", "--name", "*.jpg", "-k1", "--every-file", "--min-match", "0"]
    assert (
        "name: `clipsearch query -k 1 --every-file --name IMG_0004*`".replace("IMG_0004*", quoted("IMG_0004*"))
        in (run_here("query", *typed, cwd=album)[2])
    )


def test_the_name_of_a_photo_that_is_not_a_file_here_says_how_to_find_it(album, tmp_path):
    status, _, errors = run_here("query", "red.jpg", cwd=tmp_path)
    assert status == 2 and "there is no file red.jpg" in errors
    assert "To find indexed photos of this name: `clipsearch query --name red.jpg`" in errors
    _, _, errors = run_here("query", "R*D.jpg", cwd=tmp_path)
    assert (
        run_here(*shlex.split(errors.split("`")[1])[1:], "--paths", cwd=album)[1] == f"{album / 'red.jpg'}\n".encode()
    )
    _, _, errors = run_here("query", "-k", "3", "red.jpg", "--index", album, "--relevant", cwd=tmp_path)
    assert shlex.split(errors.split("`")[1])[2:] == ["-k", "3", "--index", str(album), "--name", "red.jpg"]
    _, _, errors = run_here("query", f"{album}/", f"--index={album}", cwd=tmp_path)
    there = errors.partition("look for: ")[2]
    assert shlex.split(there)[2:] == ["a dog", "--index", str(album), "--in", f"{album}/"]
    assert run_here("query", "--name", "red.jpg", "--paths", cwd=album)[1] == f"{album / 'red.jpg'}\n".encode()


def test_the_bare_name_of_a_folder_as_the_last_argument_is_told(album, tmp_path):
    for name in ("holiday", "Photos-full"):
        (tmp_path / name).mkdir()
    there = ("--index", album)
    for words, proposed in (
        (["a dog", "Photos-full"], '"a dog" --index {} --in Photos-full'),
        (["a", "dog", "holiday"], '"a dog" --index {} --in holiday'),
        (["Photos-full"], '"a dog" --index {} --in Photos-full'),
    ):
        _, _, errors = run_here("query", *words, *there, cwd=tmp_path)
        note = f"note: {words[-1]} is a folder here, but was searched as words. To search only there: "
        assert f"{note}`clipsearch query {proposed.format(quoted(album))}`" in errors, errors
    for words in (["holiday"], ["a holiday"], ["holiday", "snow"], ["a dog", "nowhere"]):
        assert "is a folder here" not in run_here("query", *words, *there, cwd=tmp_path)[2]


def test_filters_alone_list_photos_in_every_form(album, tmp_path):
    def output_of(*flags):
        status, output, errors = run_here("query", "--name", "IMG_*", "--sort", "name", *flags, cwd=album)
        assert status == 0, errors
        return output.decode()

    assert output_of() == "1  IMG_0004.jpg\n2  IMG_0005.jpg\n3  IMG_0006.jpg\n"
    assert output_of("-k", "1", "--page", "2") == "2  IMG_0005.jpg\n"
    answer = json.loads(output_of("--json", "--explain"))
    assert answer["query"] == "name ~ IMG_*" and answer["explanation"]["considered"] == 3
    assert [(hit["rank"], hit["score"], hit["match"]) for hit in answer["hits"]] == [(n, None, None) for n in (1, 2, 3)]
    assert [json.loads(line)["score"] for line in output_of("--jsonl").splitlines()] == [None] * 3
    assert [row["score"] for row in csv.DictReader(io.StringIO(output_of("--csv")))] == ["", "", ""]
    assert output_of("--paths").splitlines() == [str(album / f"IMG_000{n}.jpg") for n in (4, 5, 6)]
    output_of(
        "--html", tmp_path / "all.html", "--contact-sheet", tmp_path / "all.png", "--copy-to", tmp_path / "copies"
    )
    assert "nan" not in (tmp_path / "all.html").read_text("utf-8")
    assert len(list((tmp_path / "copies").iterdir())) == 3


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "describe the photo"),
        (["--name", "IMG*", "--min-score", "0.1"], "nothing to compare photos with"),
        (["--name", "IMG*", "--diverse"], "nothing to compare photos with"),
        (
            ["--name", "IMG*", "--relevant"],
            "there is nothing to compare photos with; add a text, or leave --relevant and --min-match out",
        ),
    ],
)
def test_a_list_has_no_limits_of_scores(album, flags, message):
    status, output, errors = run_here("query", *flags, cwd=album)
    assert status == 2 and not output and message in errors


def test_a_list_of_no_photo_says_so(album):
    assert run_here("query", "--name", "nothing*", cwd=album) == (
        0,
        b"",
        "clipsearch: no file has a name like nothing*\nclipsearch: no photo was found\n",
    )


@pytest.mark.parametrize("command", ["query", "similar"])
def test_a_picture_that_is_indexed_is_named_before_its_neighbours(album, command, tmp_path):
    status, output, errors = run_here(command, "red.jpg", "-k", "1", cwd=album)
    assert (status, output.decode().split()[-1], errors) == (
        0,
        "IMG_0004.jpg",
        "clipsearch: this photo is here: red.jpg\n",
    )
    sent = shutil.copy(album / "IMG_0005.jpg", tmp_path / "sent to me.jpg")
    _, output, errors = run_here(command, sent, "--json", "--explain", cwd=album)
    assert errors == "clipsearch: this photo is here: IMG_0005.jpg, IMG_0006.jpg\n"
    answer = json.loads(output)
    assert {hit["path"] for hit in answer["hits"]}.isdisjoint(
        photo["path"] for photo in answer["explanation"]["own_photos"]
    )
    assert len(answer["explanation"]["own_photos"]) == 2
    _, output, errors = run_here(command, sent, "--keep-own", "--paths", cwd=album)
    assert errors == "" and output.decode().splitlines()[0] == str(album / "IMG_0005.jpg")


def test_of_many_copies_a_few_are_named(album):
    for number in range(10):
        shutil.copy(album / "red.jpg", album / f"again {number}.jpg")
    assert run_here("index", cwd=album)[0] == 0
    _, _, errors = run_here("similar", "red.jpg", "-k", "1", cwd=album)
    assert errors.startswith("clipsearch: this photo is here: red.jpg, again ")
    assert errors.endswith(" and 8 more copies (--keep-own lists all)\n") and errors.count("again") == 2


def test_a_picture_that_is_not_indexed_is_no_photo_here(album, tmp_path):
    save_photo(tmp_path / "new.jpg", "red", note="new")
    assert run_here("similar", tmp_path / "new.jpg", "-k", "1", cwd=album)[2] == ""


def test_a_minus_without_a_space_gets_the_command_that_was_meant(album):
    _, _, errors = run_here("query", "a street -people", "-k", "1", cwd=album)
    assert errors == (
        "clipsearch: -people was searched as a word, because no space follows its minus. To leave it out: "
        '`clipsearch query "a street" - people -k 1`\n'
    )
    _, _, errors = run_here("query", "--name", "*.jpg", "red.jpg", "+", "a street -people", "-k1", cwd=album)
    _, _, alone = run_here("query", "-k", "1", "--", "-people", cwd=album)
    assert alone == (
        "clipsearch: -people was searched as a word, because no space follows its minus. To leave it out: "
        "`clipsearch query - people -k 1`\n"
    )
    assert run_here("query", "-", "people", "-k", "1", cwd=album)[0] == 0
    proposed = shlex.split(errors.split("`")[1])
    assert proposed[2:] == ["a street", "-", "people", "+", "red.jpg", "--name", "*.jpg", "-k", "1"]
    _, _, errors = run_here("query", "--smart", "2:a street \u2013 people in 2018", cwd=album)
    assert shlex.split(errors.split("`")[1])[2:] == ["2:a street in 2018", "-", "people", "--smart"]


def test_an_unread_language_gets_a_model_that_reads_it(album, encoder):
    encoder.text_pieces = lambda word: [type("Piece", (), {"start": 0, "end": len(word), "is_unknown": True})]
    _, _, errors = run_here("query", "собака", "-k", "1", cwd=album)
    assert 'the model colours cannot read "собака", so these photos are no better than random ones, and' in errors
    assert "`clipsearch index --model google/siglip2" in errors and errors.count("\n") == 1


def test_a_misspelt_query_gets_the_command_for_what_was_meant(album, encoder):
    encoder.text_pieces = lambda word: [TextPiece(0, 1, False)] * (1 if word == "green" else 2)
    _, _, errors = run_here("query", "grene", "--min-match", "0.99999", cwd=album)
    assert 'no photo is a likely match; did you mean "green"? `clipsearch query green --min-match 0.99999`\n' in errors
    typed = ["--min-match", ".9999", "grene", "--unlike", "2:a wall", "--sort=name"]
    proposed = shlex.split(run_here("query", *typed, cwd=album)[2].split("`")[1])
    assert proposed[2:] == ["green", "-", "2:a wall", "--min-match", ".9999", "--sort", "name"]


def test_smart_turns_a_date_into_a_filter_and_says_so(album):
    photo = save_photo(album / "2018.jpg", "red", note="with a date")
    with Image.open(photo) as image:
        exif = image.getexif()
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2018:07:03 12:00:00"
        image.save(photo, exif=exif)
    assert index_with_colours(album).failed == 0
    status, output, errors = run_here("query", "--smart", "red summer 2018", "--paths", cwd=album)
    assert (status, output) == (0, f"{photo}\n".encode())
    assert errors == "clipsearch: understood: taken: 2018-06..2018-08, looking for: red\n"
    _, _, errors = run_here("query", "July 2018", "-k", "1", cwd=album)
    assert errors == (
        'clipsearch: "July 2018" was searched as a description, but the index has 1 photo with a date in July 2018. '
        'To find only such photos: `clipsearch query "July 2018" -k 1 --smart`\n'
    )
    answer = json.loads(run_here("query", "--smart", "July 2018", "--json", cwd=album)[1])
    assert answer["understood"]["facts"] == [
        {"kind": "taken", "words": "July 2018", "meaning": "2018-07", "denied": False}
    ]
    assert [hit["score"] for hit in answer["hits"]] == [None]
    status, output, errors = run_here("query", "--smart", '"red in 2018"', "-k", "1", cwd=album)
    assert (
        status == 0
        and output.startswith(b"1 ")
        and errors == 'clipsearch: no date, place, person or "without" was found in the text\n'
    )


@pytest.fixture(scope="module")
def with_facts(indexed_album, tmp_path_factory):
    """A folder of photos with places, people, dates and keywords."""
    photos = shutil.copytree(indexed_album, tmp_path_factory.mktemp("facts") / "photos")
    index = photos / ".clipsearch"
    munich = {"place": "DE/02/2867714", "people": ("Anna Meyer",), "keywords": ("Holidays", "Christmas")}
    give_facts(index, "red.jpg", taken_at=datetime(2018, 12, 25, 12), **munich)
    give_facts(index, "blue.jpg", taken_at=datetime(2018, 7, 3, 12), **munich)
    give_facts(index, "green.jpg", people=("Anna Meyer",), keywords=("holidays",))
    return photos


@pytest.mark.parametrize(
    ("text", "proposed"),
    [
        ("christmas Munich", ["christmas in Munich", "Munich --keyword christmas"]),
        ("Munich, Christmas", ["Christmas in Munich", "Munich --keyword Christmas"]),
        ("christmas Anna", ["christmas with Anna", "Anna --keyword christmas"]),
        ("anna Munich", ["Anna Munich"]),
        ("holidays Munich", ["Munich --keyword holidays"]),
        ("holidays in 2018", ["in 2018 --keyword holidays"]),
        ("christmas Anna in Munich", ["christmas in Munich with Anna", "Anna in Munich --keyword christmas"]),
        ("christmas Munich without blue", ["christmas in Munich without blue"]),
        ("christmas not in Munich", []),
        ("christmas + Munich without blue", []),
        ("photos of anna not in Munich", ["photos of Anna not in Munich"]),
        ("IMG_0004.jpg in Munich", ["in Munich + IMG_0004.jpg", "IMG_0004.jpg in Munich --name IMG_0004.jpg"]),
        ("red -cat in Munich", ["red in Munich - cat"]),
        ("berlin Munich", []),
    ],
)
def test_what_smart_understood_stays_in_every_proposed_command(with_facts, encoder, text, proposed):
    def facts_and_commands(*words):
        _, output, errors = run_here("query", *words, "--smart", "--json", cwd=with_facts)
        facts = {(fact["kind"], fact["meaning"]) for fact in json.loads(output)["understood"]["facts"]}
        commands = [shlex.split(part.split("`")[0]) for part in errors.split("`clipsearch query ")[1:]]
        return facts, [[word for word in words if word not in ("--smart", "--json")] for words in commands]

    facts, commands = facts_and_commands(text)
    assert [" ".join(words) for words in commands] == proposed
    for words in commands:
        assert facts <= facts_and_commands(*words)[0]
