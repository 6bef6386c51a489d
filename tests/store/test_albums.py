"""Favourites and albums in their file."""

import json
import os
import shutil
from dataclasses import replace

import pytest

from clipsearch import SearchEngine
from clipsearch.conditions import All, Among, Not, Test
from clipsearch.errors import ClipsearchError, QueryError
from clipsearch.query.json_form import condition_to_json
from clipsearch.render.explain import condition_text
from clipsearch.store import albums as albums_module
from clipsearch.store.albums import ALBUMS_FILE, FAVOURITES, playlist
from clipsearch.store.saved_searches import SavedSearches
from tests.conftest import names


def records(engine, *wanted):
    return [record for record in engine.browse(sort="name")[0] if record.file.name in wanted]


def in_album(engine, name):
    return {record.file.name for record in engine.browse(engine.album(name))[0]}


def test_photos_are_added_searched_and_taken_out(engine):
    albums = engine.albums
    assert albums.names() == [] and engine.album(FAVOURITES).ids == ()
    assert albums.add("Warm", records(engine, "red.jpg", "yellow.jpg")) == 2
    assert albums.add("Warm", records(engine, "red.jpg")) == 2
    albums.add(FAVOURITES, records(engine, "blue.jpg"))
    assert albums.names() == [FAVOURITES, "Warm"]
    assert in_album(engine, "Warm") == {"red.jpg", "yellow.jpg"}
    assert names(engine.search("blue", 5)) != names(engine.search("blue", 5)[:2])
    warm = engine.album("Warm")
    assert engine.browse(All((Not(warm), Test("name", "~", "*.jpg"))))[1] == 2
    assert condition_text(warm) == "among 2 chosen photos" and condition_to_json(warm) == {"among": list(warm.ids)}
    assert engine.browse(Among(()))[1] == 0
    assert albums.take_out("Warm", records(engine, "red.jpg")) == 1
    assert albums.remove("Warm") and not albums.remove("Warm")
    with pytest.raises(QueryError, match="no album 'Warm'; there are: Favourites"):
        engine.album("Warm")


def test_an_album_is_renamed(engine):
    albums = engine.albums
    assert albums.state() is None
    albums.add("Warm", records(engine, "red.jpg", "yellow.jpg"))
    albums.add("Cold", records(engine, "blue.jpg"))
    before = albums.state()
    albums.rename("Warm", "Hot")
    albums.rename("Cold", "Cold")
    assert albums.state() != before and albums.names() == ["Cold", "Hot"]
    assert in_album(engine, "Hot") == {"red.jpg", "yellow.jpg"}
    for name, new_name, message in [
        ("Warm", "x", "no album 'Warm'; there are: Cold, Hot"),
        ("Hot", "Cold", "an album 'Cold' already"),
        ("Hot", " ", "1 to 200 letters"),
        ("Hot", "a\nb", "in one line"),
        ("Hot", FAVOURITES, "the hearts fill"),
        (FAVOURITES, "x", "the hearts fill"),
    ]:
        with pytest.raises(QueryError, match=message):
            albums.rename(name, new_name)
    assert albums.names() == ["Cold", "Hot"]


def test_a_saved_search_keeps_an_expression_that_cannot_follow(engine, caplog, monkeypatch):
    albums, saved = engine.albums, SavedSearches(engine.index_folder)
    kept = {"broken": {"where": "album = 'Warm"}, "value": {"where": "camera = album and name = Warm"}}
    for name, parameters in kept.items():
        saved.put(name, parameters)
    saved.put("quoted", {"where": "album=Warm", "album": ["Warm", "Cold"]})
    albums.add("Warm", records(engine, "red.jpg"))
    albums.rename("Warm", 'so "hot"')
    assert saved.all() == {**kept, "quoted": {"where": "album='so \"hot\"'", "album": ['so "hot"', "Cold"]}}
    albums.rename('so "hot"', 'it\'s "hot"')  # no expression can have this
    assert saved.all()["quoted"] == {"where": "album='so \"hot\"'", "album": ['it\'s "hot"', "Cold"]}

    def fail(*_):
        raise PermissionError("no")

    monkeypatch.setattr(SavedSearches, "_write", fail)
    albums.rename('it\'s "hot"', "Warm")
    assert albums.names() == ["Warm"] and "do not follow its new name: no" in caplog.text


def test_the_name_that_the_page_proposed_for_a_search_follows_too(engine):
    albums, saved = engine.albums, SavedSearches(engine.index_folder)
    names = {
        "a dog, album Warm": "a dog, album Hot",
        "album Warm, portrait": "album Hot, portrait",
        "album Warm": "album Hot",
        "album Warmer": "album Warmer",  # edited, as the next three are
        "our album Warm": "our album Warm",
        "Warm": "Warm",
        "a cat, album Warm": "a cat, album Warm",  # since its new name is taken
        "a cat, album Hot": "a cat, album Hot",
    }
    for name in names:
        saved.put(name, {"album": "Warm"})
    saved.put("2016, album = Warm, album Warm", {"where": "album = Warm"})
    albums.add("Warm", records(engine, "red.jpg"))
    albums.rename("Warm", "Hot")
    assert set(saved.all()) == {*names.values(), '2016, album = "Hot", album Warm'}
    saved.put(f"{'x' * 180}, album Hot", {"album": "Hot"})
    albums.rename("Hot", "long" * 10)
    assert f"{'x' * 180}, album Hot" in saved.all()  # its new name would be too long


def test_albums_survive_indexing_renaming_and_moving(engine, indexed_photos, tmp_path, encoder):
    folder = engine.index_folder.parent
    engine.albums.add("Warm", records(engine, "red.jpg", "grey.png"))
    stored = json.loads((engine.index_folder / ALBUMS_FILE).read_text())
    assert set(stored["albums"]["Warm"]) == {"red.jpg", "trip/grey.png"}
    os.rename(folder / "red.jpg", folder / "crimson.jpg")
    engine.index()
    assert in_album(engine, "Warm") == {"crimson.jpg", "grey.png"}
    assert engine.albums.take_out("Warm", records(engine, "crimson.jpg")) == 1
    engine.close()
    shutil.move(folder, tmp_path / "elsewhere")
    with SearchEngine.open(tmp_path / "elsewhere") as moved:
        moved.index()
        assert in_album(moved, "Warm") == {"grey.png"}


def test_albums_follow_a_photo_that_moved_although_an_identical_one_stayed(engine, caplog):
    folder = engine.index_folder.parent
    shutil.copy2(folder / "red.jpg", folder / "trip" / "red.jpg")
    engine.index()
    copies = {record.file.path: record for record in records(engine, "red.jpg")}
    copy = copies[str(folder / "trip" / "red.jpg")]
    engine.albums.add("One", [copy, *records(engine, "grey.png")])
    engine.albums.add("Both", copies.values())
    os.rename(copy.file.path, folder / "trip" / "scarlet.jpg")
    assert engine.index().moved == 1
    assert [os.path.basename(path) for path, _ in engine.albums.members("One")] == ["scarlet.jpg", "grey.png"]
    assert in_album(engine, "One") == {"scarlet.jpg", "grey.png"}
    assert in_album(engine, "Both") == {"red.jpg", "scarlet.jpg"}
    (engine.index_folder / ALBUMS_FILE).write_text("damaged")
    os.rename(folder / "trip" / "scarlet.jpg", folder / "vermilion.jpg")
    assert engine.index().moved == 1 and "albums do not follow" in caplog.text  # the index is right all the same


def test_photos_that_swap_their_names_stay_in_an_album_that_has_both(engine):
    folder = engine.index_folder.parent
    engine.albums.add("Warm", records(engine, "red.jpg", "yellow.jpg"))
    for before, after in (("red.jpg", "third.jpg"), ("yellow.jpg", "red.jpg"), ("third.jpg", "yellow.jpg")):
        os.rename(folder / before, folder / after)
    engine.index()
    assert in_album(engine, "Warm") == {"red.jpg", "yellow.jpg"}


def test_the_case_of_a_name_does_not_count_but_between_albums_that_differ_in_nothing_else(engine):
    albums, photos = engine.albums, records(engine, "red.jpg", "blue.jpg")
    albums.add("Straße 2016", photos)
    assert len(engine.search(album="STRASSE 2016")) == len(engine.search(where='album = "straße 2016"')) == 2
    assert engine.album("favourites").ids == ()
    with pytest.raises(QueryError, match="keeps its name"):
        albums.rename("favourites", "Best")
    assert albums.take_out("straße 2016", photos[:1]) == 1
    albums.rename("straße 2016", "Street")
    assert albums.add("street", photos) == 2 and albums.add("favourites", photos[:1]) == 1
    assert albums.names() == [FAVOURITES, "Street"]
    albums.add("Lane", photos)
    for name, taken in (("LANE", "'Lane' already"), ("favourites", "keeps its name")):
        with pytest.raises(QueryError, match=taken):
            albums.rename("Street", name)
    albums.rename("Street", "STREET")
    albums.rename("street", "Street")
    assert albums.remove("lane") and albums.remove("FAVOURITES")

    file = engine.index_folder / ALBUMS_FILE  # as an earlier version could make it
    content = json.loads(file.read_text())
    content["albums"]["street"] = {}
    file.write_text(json.dumps(content))
    assert len(albums.members("street")) == 0 and len(albums.members("Street")) == 2
    with pytest.raises(QueryError, match="no album 'STREET'; there are: Street, street"):
        albums.members("STREET")
    assert not albums.remove("STREET") and albums.remove("street") and albums.remove("STREET")
    assert albums.names() == []


def test_spaces_at_the_ends_of_a_name_do_not_count_but_between_albums_that_differ_in_nothing_else(engine):
    albums, photos = engine.albums, records(engine, "red.jpg", "blue.jpg")
    assert (albums.add(" Trip ", photos[:1]), albums.add("Trip", photos)) == (1, 2) and albums.names() == ["Trip"]
    albums.rename("Trip ", " Italy ")
    assert albums.names() == ["Italy"] and len(engine.album(" italy").ids) == 2
    with pytest.raises(QueryError, match="keeps its name"):
        albums.rename("Italy", "favourites ")

    file = engine.index_folder / ALBUMS_FILE  # as an earlier version could make it
    file.write_text(json.dumps({"albums": {**json.loads(file.read_text())["albums"], "Italy ": {}, "Rome ": {}}}))
    assert [len(albums.members(name)) for name in ("Italy ", "Italy", "italy")] == [0, 2, 2]
    with pytest.raises(QueryError, match="there is an album 'Italy' already"):
        albums.rename("Rome", "Italy")
    assert albums.remove("Italy ") and albums.add("Rome", photos) == 2
    albums.rename("Rome", "Rome")
    assert albums.names() == ["Italy", "Rome"]


def test_a_photo_of_another_index_is_in_no_album(engine):
    [red] = records(engine, "red.jpg")
    file, info = replace(red.file, path="/elsewhere/red.jpg"), replace(red.info, content_hash="0" * 64)
    with pytest.raises(QueryError, match=r"/elsewhere/red\.jpg is not in this index, so its albums cannot have it"):
        engine.albums.add("Warm", [red, red, replace(red, file=file, info=info)])
    assert engine.albums.names() == [] and engine.albums.add("Warm", [red, red]) == 1


def test_what_is_no_album_is_refused(engine, monkeypatch):
    albums, photos = engine.albums, records(engine, "red.jpg", "blue.jpg")
    for name in ("", " ", "a\nb", "x" * 201):
        with pytest.raises(QueryError, match="album's name"):
            albums.add(name, photos)
    monkeypatch.setattr(albums_module, "MOST_PHOTOS", 1)
    with pytest.raises(ClipsearchError, match="at most 1 photos"):
        albums.add("Warm", photos)
    monkeypatch.setattr(albums_module, "MOST_ALBUMS", 0)
    with pytest.raises(ClipsearchError, match="0 albums already"):
        albums.add("Warm", photos[:1])
    (engine.index_folder / ALBUMS_FILE).write_text("{")
    with pytest.raises(ClipsearchError, match="damaged"):
        albums.names()


def test_a_playlist_keeps_names_that_are_not_utf_8_and_no_line_breaks():
    assert playlist(["/a/b.jpg", "/a/\udcff.jpg", "/a/two\nlines.jpg"]) == b"#EXTM3U\n/a/b.jpg\n/a/\xff.jpg\n"
