"""A run that workers drove and that was moved says where it is, whatever is asked of it in the store that it left."""

from pathlib import Path

import pytest

import perdure
from perdure.assembly.submitting import adopt, carried_over, hand_over
from perdure.cli import main
from perdure.log.port import NewRun
from perdure.values.errors import BadInput, Moved
from tests.copying.kit import moved
from tests.servers.shared import MISSING, database_of, is_here


@pytest.fixture(autouse=True)
def _server() -> None:
    if not is_here():
        pytest.skip(MISSING)


def test_a_moved_run_is_not_said_to_go_on_where_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    here, there = database_of(tmp_path / "here"), database_of(tmp_path / "there")
    with perdure.open(here) as source, perdure.open(there) as target:
        source.submit("doer", "do it", run="march")
        moved(source.books, target.books)
        assert carried_over(source.books, target.books, "march", always=False)
        with pytest.raises(Moved, match="TARGET"):
            adopt(source.books, "march")
        with pytest.raises(Moved, match="TARGET"):
            hand_over(source.books, "march", "doer")
        assert adopt(target.books, "march") is not None
    monkeypatch.setattr("sys.argv", ["perdure", "show", "march", "--store", here])
    assert main()
    assert "march was moved to" in capsys.readouterr().err


def test_a_run_that_names_no_agent_is_given_to_nobody(tmp_path: Path):
    with perdure.open(database_of(tmp_path)) as store:
        store.books.create(NewRun("march", "march", "default", 1))
        with pytest.raises(BadInput, match="says no agent"):
            hand_over(store.books, "march", "")
