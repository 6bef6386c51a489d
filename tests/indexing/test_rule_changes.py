"""A run that changes one rule of a folder's walk keeps the others."""

import pytest

from clipsearch import RuleChanges, WalkRules
from clipsearch.errors import ClipsearchWarning, QueryError, SyncRefused
from clipsearch.indexing.rule_changes import next_rules
from clipsearch.indexing.walk import ARCHIVES_ONLY
from tests.conftest import save_photo


def test_each_change_leaves_the_other_rules_as_they_are():
    rules = WalkRules(hidden=True, exclude=("priv",))
    assert RuleChanges().applied_to(rules) == rules
    assert RuleChanges(exclude=("work", "priv")).applied_to(rules) == WalkRules(hidden=True, exclude=("priv", "work"))
    assert RuleChanges(hidden=False, follow_links=True).applied_to(rules) == WalkRules(
        follow_links=True, exclude=("priv",)
    )
    assert RuleChanges(no_exclude=("priv", "never there")).applied_to(rules) == WalkRules(hidden=True)
    assert RuleChanges(exclude=("priv/",)).exclude == ("priv",)  # as a shell completes it


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"exclude": ("a/b",)}, "takes the name of a file or folder"),
        ({"no_exclude": ("/",)}, "takes the name of a file or folder"),
        ({"exclude": "priv"}, "exclude must be a tuple of names"),
        ({"exclude": (3,)}, "must be a text"),
        ({"hidden": 1}, "hidden must be True or False"),
        ({"exclude": ("a",), "no_exclude": ("a",)}, "in both"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(change, message):
    with pytest.raises(QueryError, match=message):
        RuleChanges(**change)


def test_a_folder_with_archives_only_is_not_walked_unless_it_is_named():
    change = RuleChanges(exclude=("priv",))
    assert next_rules(change, ARCHIVES_ONLY, is_named=False) == ARCHIVES_ONLY
    assert next_rules(change, ARCHIVES_ONLY, is_named=True) == WalkRules(exclude=("priv",))
    assert next_rules(WalkRules(), WalkRules(hidden=True), is_named=True) == WalkRules()


def test_what_was_excluded_stays_excluded_until_it_is_taken_back(engine, photos):
    save_photo(photos / ".hidden" / "h.jpg", "red", note="h")
    assert engine.index(photos, rules=RuleChanges(exclude=("trip",))).removed == 1
    report = engine.index(photos, rules=RuleChanges(exclude=("red.*",)))
    assert (report.added, report.removed, report.exclude) == (0, 1, ["trip", "red.*"])
    assert (report.excluded, report.excluded_folders) == ({".jpg": 1}, {"trip": 1})
    hidden = RuleChanges(hidden=True)
    assert [path.rpartition("/")[2] for path in engine.preview(photos, rules=hidden).new] == ["h.jpg"]
    assert engine.index(photos, rules=hidden).added == 1
    assert engine.index().exclude == ["trip", "red.*"]
    assert engine.index(rules=RuleChanges(no_exclude=("trip",))).added == 1
    assert engine.index(photos, rules=WalkRules()).exclude == []  # all rules at once


def test_a_new_folder_excludes_what_the_indexed_folders_inside_it_exclude(engine, photos):
    save_photo(photos / "trip" / "priv" / "p.jpg", "red", note="p")
    engine.forget(photos)
    assert engine.index(photos / "trip", rules=RuleChanges(exclude=("priv",))).added == 1
    assert not any("priv" in path for path in engine.preview(photos).new)
    report = engine.index(photos)
    assert (report.added, report.exclude, report.excluded_folders) == (4, ["priv"], {"priv": 1})
    assert engine.index(photos, rules=RuleChanges(no_exclude=("priv",))).added == 1


def test_a_new_folder_takes_over_what_the_folders_inside_it_look_at(engine, photos):
    for folder in (".a", "node_modules"):
        save_photo(photos / "trip" / folder / "p.jpg", "red", note=folder)
    engine.forget(photos)
    engine.index(photos / "trip", rules=RuleChanges(hidden=True, defaults=False))
    for run in (engine.preview, engine.index):
        with pytest.warns(
            ClipsearchWarning, match=r"takes over `hidden=True` and `defaults=False` from .* end that: `hidden=False`"
        ):
            report = run(photos)
    assert (report.added, report.unchanged, report.removed) == (4, 3, 0)
    assert engine.index(photos, rules=RuleChanges(hidden=False)).removed == 1


def test_a_folder_that_takes_over_nothing_unusual_says_nothing(engine, photos, recwarn):
    save_photo(photos / "trip" / ".a" / "p.jpg", "red", note="p")
    engine.forget(photos)
    engine.index(photos / "trip", rules=RuleChanges(hidden=True))
    with pytest.raises(SyncRefused, match="would skip 1 of its photos"):
        engine.index(photos, rules=RuleChanges(hidden=False))
    assert engine.index(photos, rules=RuleChanges(hidden=True)).unchanged == 2 and not recwarn.list


def test_what_was_not_excluded_is_not_taken_back(engine, photos):
    engine.index(photos, rules=RuleChanges(exclude=("trip", "red.*")))
    with pytest.warns(
        ClipsearchWarning, match=r"tripp was not excluded, so nothing changes; these names are: trip, 'red\.\*'; did"
    ):
        engine.preview(photos, rules=RuleChanges(no_exclude=("tripp",)))
    with pytest.warns(ClipsearchWarning, match=r"tripp was not excluded; still excluded is: trip; did you mean trip\?"):
        report = engine.index(photos, rules=RuleChanges(no_exclude=("tripp", "red.*")))
    assert (report.no_longer_excluded, report.exclude) == (["red.*"], ["trip"])


@pytest.mark.parametrize("rules", [WalkRules(exclude=("trip/x.jpg",)), WalkRules(exclude=("/",))])
def test_rules_that_name_a_path_are_refused(engine, photos, rules):
    with pytest.raises(QueryError, match="`exclude` takes the name of a file or folder"):
        engine.index(photos, rules=rules)
