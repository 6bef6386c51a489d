"""The README's examples do what the README says."""

import doctest
import re
import shutil

from tests.conftest import PHOTOS, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_session_runs_as_printed(tmp_path, monkeypatch):
    shutil.copytree(PHOTOS, tmp_path / "data" / "photos")
    monkeypatch.chdir(tmp_path)
    sessions = re.findall(r"```pycon\n(.*?)```", README, re.DOTALL)
    assert sessions
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    names = {}
    for session in sessions:
        test = parser.get_doctest(session, names, "README.md", "README.md", 0)
        runner.run(test, clear_globs=False)
        names = test.globs
    assert runner.failures == 0 and runner.tries >= 8


def test_it_is_a_screen_and_a_half():
    assert len(README.splitlines()) <= 160
