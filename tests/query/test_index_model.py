"""A model that does not exist is the caller's mistake only if the caller has named it."""

from types import SimpleNamespace

import pytest

from clipsearch.cli.exit_status import ExitStatus, status_of
from clipsearch.errors import ModelError, UnknownModel
from clipsearch.query.index_model import IndexModel
from clipsearch.types import Fingerprint


@pytest.mark.parametrize(("named", "status"), [(True, ExitStatus.WRONG_USE), (False, ExitStatus.ERROR)])
def test_a_model_that_does_not_exist_is_wrong_use_if_it_was_named(tmp_path, named, status):
    moved = str(tmp_path / "moved")
    index = SimpleNamespace(fingerprint=Fingerprint(moved, "", "", 8), names=(), name="an index")
    with pytest.raises(ModelError, match="there is no model") as caught:
        IndexModel(moved if named else None, "auto", "auto").of(index)
    assert isinstance(caught.value, UnknownModel) == named and status_of(caught.value) == status
