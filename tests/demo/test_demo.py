"""The demo as a process: what it says is held against the bank's own ledger."""

import json
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

import perdure
from perdure.demo.chronicle import PERSON
from perdure.log import events as e

SEED, INVOICES, KILLS = 3, 5, 5


class Ran(NamedTuple):
    """The demo, once it is over."""

    code: int
    said: str
    told: str
    folder: Path

    @property
    def figures(self) -> dict[str, int]:
        return json.loads(self.said.splitlines()[-1])

    def payments(self, ledger: str) -> "Counter[str]":
        """Count the bank's payments by invoice, past everything that the demo says about them."""
        with sqlite3.connect(self.folder / ledger) as book:
            return Counter(invoice for (invoice,) in book.execute("SELECT invoice FROM payment"))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("demo") / "kept"
    options = [f"--seed={SEED}", f"--invoices={INVOICES}", f"--kills={KILLS}", f"--keep={folder}", "--json"]
    ran = subprocess.run(
        [sys.executable, "-m", "perdure.demo", *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    return Ran(ran.returncode, ran.stdout, ran.stderr, folder)


def test_it_ends_as_promised_and_says_so_in_one_line(demo: Ran) -> None:
    assert demo.code == 0, demo.told
    assert len(demo.said.splitlines()) == 1
    promised = {
        "invoices": INVOICES,
        "paid_once": INVOICES,
        "duplicates": 0,
        "lost": 0,
        "in_doubt": 1,
        "kills": KILLS,
        "seed": SEED,
    }
    assert promised.items() <= demo.figures.items()


def test_the_banks_ledger_holds_each_invoice_once(demo: Ran) -> None:
    assert set(demo.payments("bank.db").values()) == {1}
    assert len(demo.payments("bank.db")) == INVOICES


def test_without_claims_the_same_script_pays_invoices_twice(demo: Ran) -> None:
    paid = demo.payments("bank-without-claims.db")
    too_many = sum(paid.values()) - len(paid)
    assert len(paid) == INVOICES
    assert too_many == demo.figures["duplicates_without_claims"] > 0


def test_most_kills_hit_between_a_promise_and_its_settlement(demo: Ran) -> None:
    assert demo.figures["kills_in_flight"] > KILLS / 2


def test_a_probe_settled_one_doubt_and_a_person_another(demo: Ran) -> None:
    with perdure.open(demo.folder / "store") as store:
        events = [event.body for event in store.events("payables")]
        assert store.verify("payables").ok
        assert store.state("payables").status == "finished"
    assert any(isinstance(body, e.EffectReconciled) and body.verdict == "found" for body in events)
    assert [body.key for body in events if isinstance(body, e.EffectSettled) and body.by == PERSON]


def test_after_the_rewind_the_model_asks_in_other_words_and_is_given_the_receipt(demo: Ran) -> None:
    with perdure.open(demo.folder / "store") as store:
        bodies = [(event.position, event.body) for event in store.events("payables")]
    rewound = next(at for at, body in bodies if isinstance(body, e.RunRewound))
    replayed = [body for _, body in bodies if isinstance(body, e.EffectReplayed)]
    asked = {body.call: body for _, body in bodies if isinstance(body, e.IntentionProposed)}
    first = {body.key: body.call for _, body in bodies if isinstance(body, e.EffectStarted)}
    for body in replayed:
        once, again = asked[first[body.key]].arguments, asked[body.call].arguments
        assert once is not None
        assert again is not None
        assert once["invoice"] == again["invoice"]
        assert once["reference"] != again["reference"]
    done = {body.key for at, body in bodies if isinstance(body, e.EffectSettled) and at < rewound}
    started = {body.key for at, body in bodies if isinstance(body, e.EffectStarted) and at > rewound}
    assert done & {body.key for body in replayed}
    assert not started & done


def test_of_two_processes_that_take_up_the_run_one_is_told_who_holds_it(demo: Ran) -> None:
    assert demo.figures["resumers_refused"] == 1
    assert "2 processes had taken up the run at once" in demo.told
    assert "holds it under epoch" in demo.told


def test_it_is_told_plainly_where_there_is_no_terminal(demo: Ran) -> None:
    assert "\x1b" not in demo.told
    assert demo.told.isascii()
    assert f"seed {SEED}" in demo.told
    assert "perdure settle payables" in demo.told
    assert f"{INVOICES} of {INVOICES} invoices paid once" in demo.told


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--invoices=2"], "at least 3"),
        (["--invoices=3", "--kills=7"], "room for 0 to 6"),
        (["--model=nonsense"], "names no model"),
        (["--model=anthropic:claude-sonnet-4-5"], "ANTHROPIC_API_KEY"),
    ],
)
def test_wrong_use_is_told_before_anything_begins(
    wrong: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from perdure.demo.__main__ import main

    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with pytest.raises(SystemExit) as ended:
        main(wrong)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_it_keeps_nothing_in_a_folder_that_holds_something(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from perdure.demo.__main__ import main

    (tmp_path / "mine").touch()
    with pytest.raises(SystemExit):
        main([f"--keep={tmp_path}"])
    assert "is not empty" in capsys.readouterr().err


def test_an_interrupted_demo_leaves_no_process_behind() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "perdure.demo", "--seed=4"], stdout=subprocess.PIPE, text=True
    ) as shown:
        assert shown.stdout is not None
        told = ""
        while "SIGKILL" not in told:
            told += shown.stdout.readline()
        agents = psutil.Process(shown.pid).children(recursive=True)
        shown.send_signal(signal.SIGINT)
        assert shown.wait() == 130
    assert agents, "there was no bank to leave behind"
    _, alive = psutil.wait_procs(agents, timeout=60)
    assert alive == []


@pytest.mark.local_model
@pytest.mark.timeout(900)
def test_a_real_model_that_is_killed_and_rewound_pays_no_invoice_twice(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    options = ["--model=local", "--seed=1", "--invoices=3", "--kills=3", f"--keep={folder}", "--json"]
    ran = subprocess.run(
        [sys.executable, "-m", "perdure.demo", *options], capture_output=True, text=True, check=False
    )
    if "isn't installed" in ran.stderr:
        pytest.skip(ran.stderr.strip().splitlines()[-1])
    assert ran.returncode == 0, ran.stderr
    figures = json.loads(ran.stdout)
    assert (figures["duplicates"], figures["lost"], figures["verified"]) == (0, 0, True)
    assert figures["kills"] > 0
    with perdure.open(folder / "store") as store:
        replies = [event.body for event in store.events("payables") if isinstance(event.body, e.ModelReplied)]
    assert sum(reply.usage.output_tokens for reply in replies) > 0
