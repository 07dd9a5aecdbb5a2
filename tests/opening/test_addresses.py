"""What names a store, and that a password in it is shown nowhere."""

from pathlib import Path

import pytest

from perdure.assembly.stores.addresses import Address, address_of, without_secrets
from perdure.assembly.stores.describing import Description, described
from perdure.values.errors import BadAddress

SECRETS = ("s3cr3t", "p%40ss%2Fw%3Ard")


@pytest.mark.parametrize(
    ("spelled", "kind", "shown"),
    [
        ("./state", "directory", "state"),
        ("sqlite:./state", "directory", "state"),
        ("team.toml", "described", "team.toml"),
        ("postgresql://db/perdure", "postgres", "postgresql://db/perdure"),
        ("postgres://ada@db:5433/p", "postgres", "postgres://ada@db:5433/p"),
        ("postgresql://ada:s3cr3t@db/p", "postgres", "postgresql://ada@db/p"),
        ("postgresql://ada:s3:cr@3t@db/p", "postgres", "postgresql://ada@db/p"),
        (
            "postgresql://ada:s3cr3t@h1:1,h2:2/p?sslmode=require",
            "postgres",
            "postgresql://ada@h1:1,h2:2/p?sslmode=require",
        ),
        ("postgresql://db/p?user=ada&password=s3cr3t", "postgres", "postgresql://db/p?user=ada"),
        ("postgresql://db/p?password=s3cr3t", "postgres", "postgresql://db/p"),
        ("postgresql:///?dbname=p&sslpassword=s3cr3t", "postgres", "postgresql:///?dbname=p"),
    ],
)
def test_an_address_is_shown_without_its_password(spelled: str, kind: str, shown: str):
    address = address_of(spelled)
    assert (address.kind, str(address)) == (kind, shown)
    assert "s3cr3t" not in repr(address) + str(address) + f"{address}"
    assert kind != "postgres" or address.secret == spelled
    assert address_of(address) is address


@pytest.mark.parametrize(
    ("spelled", "hint"),
    [
        ("host=db dbname=p password=s3cr3t", "postgresql://USER@HOST:PORT/DATABASE"),
        (" user=ada password=s3cr3t", "postgresql://USER@HOST:PORT/DATABASE"),
        ("mysql://ada:s3cr3t@db/p", "postgresql://"),
        ("s3://s3cr3t/x", "directory"),
        ("postgresql://ada:s3cr3t@db", "postgresql://USER@HOST:PORT/DATABASE"),
        ("postgresql://ada:s3#cr3t@db/p", "%23"),
        ("postgresql://ada:s3cr3t@[::1/p", "postgresql://USER@HOST:PORT/DATABASE"),
        ("", "directory"),
    ],
)
def test_what_is_no_address_is_refused_with_how_to_write_it(spelled: str, hint: str):
    with pytest.raises(BadAddress) as refused:
        address_of(spelled)
    assert hint in refused.value.hint
    assert "cr3t" not in str(refused.value) + refused.value.hint


def test_a_file_is_no_directory(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(BadAddress, match=r"notes\.txt is a file"):
        address_of(tmp_path / "notes.txt")


@pytest.mark.parametrize("secret", SECRETS)
def test_a_message_of_somebody_else_loses_the_password_in_every_form(secret: str):
    address = address_of(f"postgresql://ada:{secret}@db/p")
    for form in (secret, "p@ss/w:rd" if "%" in secret else secret, address.secret):
        assert form not in without_secrets(f"can't use {form} here", address)


def test_files_beside_a_database_are_the_same_whoever_asks(tmp_path: Path):
    one, other = address_of("postgresql://ada:x@db/p"), address_of("postgres://bob@db/p?sslmode=require")
    assert one.local == other.local != address_of("postgresql://db/q").local
    assert address_of(tmp_path).local == tmp_path


def test_a_place_that_stands_in_the_query_is_another_place():
    sockets = {address_of(f"postgresql:///p?host=/run/{name}").local for name in ("old", "new")}
    names = {address_of(f"postgresql://db/?dbname={name}").local for name in "pq"}
    assert (len(sockets), len(names)) == (2, 2)
    one = address_of("postgres://db/?port=5433&dbname=p&sslmode=require&user=ada")
    assert one.local == address_of("postgresql://eve@db/?dbname=p&port=5433").local


def _file(folder: Path, text: str) -> Path:
    path = folder / "team.toml"
    path.write_text(text)
    return path


def test_a_file_describes_a_database_with_what_stands_beside_it(tmp_path: Path):
    text = (
        'postgres = "postgresql://ada:s3cr3t@db/p"\n[objects]\nurl = "s3://b"\n[witness]\nlocation = "/w"\n'
    )
    found = described(_file(tmp_path, text))
    assert isinstance(found, Description)
    assert (str(found.database), found.objects, found.witness) == (
        "postgresql://ada@db/p",
        {"url": "s3://b"},
        {"location": "/w"},
    )


def test_a_file_describes_shards(tmp_path: Path):
    text = '[shards.a]\npostgres = "postgresql://db/a"\n[shards.eu-1]\npostgres = "postgresql://db/b"\n'
    found = described(_file(tmp_path, text))
    assert not isinstance(found, Description)
    assert {name: str(each.database) for name, each in found.items()} == {
        "a": "postgresql://db/a",
        "eu-1": "postgresql://db/b",
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "names no database"),
        ("postgres = 3", "Expected `str"),
        ('postgress = "postgresql://s3cr3t/x"', "postgress"),
        ('postgres = "postgresql://ada:s3cr3t@db"', "names no database"),
        ('postgres = "./state"', "no postgresql:// address"),
        ('postgres = "postgresql://db/p', "no TOML"),
        ("[shards]", "has 0 shards"),
        ('[shards.A]\npostgres = "postgresql://db/a"', "can't name a shard"),
        ('[shards."a.b"]\npostgres = "postgresql://db/a"', "can't name a shard"),
        ('postgres = "postgresql://db/p"\n[shards.a]\npostgres = "postgresql://db/a"', "both shards"),
        (
            '[shards.a]\npostgres = "postgresql://db/a"\n[shards.b]\npostgres = "postgresql://x@db/a"',
            "the same database",
        ),
    ],
)
def test_a_file_with_a_wrong_word_is_refused_and_no_value_is_shown(tmp_path: Path, text: str, says: str):
    with pytest.raises(BadAddress, match=says) as refused:
        described(_file(tmp_path, text))
    assert "s3cr3t" not in str(refused.value) + refused.value.hint
    assert "team.toml" in str(refused.value)


def test_an_address_can_stand_in_sets_and_be_compared():
    assert {address_of("postgresql://a/b"), address_of("postgresql://a/b")} == {
        address_of("postgresql://a/b")
    }
    assert address_of("x") != Address("postgres", "x", "x")
