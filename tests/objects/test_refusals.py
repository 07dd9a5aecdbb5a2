"""What is wrong with an object store, or with what is said of it, is said with what to do."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from perdure.adapters.objects import open_objects
from perdure.values.errors import BadInput, ObjectsAway, ObjectsRefused, PerdureError
from tests.servers.azurite import AzureServer
from tests.servers.google import GoogleServer
from tests.servers.objects import READER, S3Server
from tests.servers.ports import free_port
from tests.servers.proxy import Mood, Proxy

QUICK_SECONDS = 2.0
PATIENT_SECONDS = 30.0


def refusal(settings: dict[str, object], seconds: float = PATIENT_SECONDS) -> PerdureError:
    with pytest.raises((ObjectsRefused, ObjectsAway)) as caught:
        open_objects(settings | {"timeout_seconds": seconds, "retries": 1}).check()
    return caught.value


def test_a_bucket_that_is_not_there_is_named_with_the_cure(moto_server: S3Server):
    error = refusal(moto_server.settings("no-such-bucket"))
    assert isinstance(error, ObjectsRefused)
    assert "s3://no-such-bucket/runs: there is no such bucket (NoSuchBucket" in str(error)
    assert "make the bucket" in error.hint


def test_keys_that_are_not_known_and_keys_that_may_not_write_are_told_apart(seaweed_server: S3Server):
    settings = seaweed_server.bucket("perdure", "keys")
    unknown = refusal(settings | {"access_key_id": "nobody"})
    wrong = refusal(settings | {"secret_access_key": "guessed"})
    reader = refusal(settings | {"access_key_id": READER})
    assert "doesn't accept these keys (InvalidAccessKeyId" in str(unknown)
    assert "doesn't accept these keys (SignatureDoesNotMatch" in str(wrong)
    assert "may not do that (AccessDenied" in str(reader)
    assert "docs/object-storage.md" in reader.hint
    assert all("guessed" not in str(error) + error.hint for error in (unknown, wrong, reader))


@pytest.mark.parametrize(
    ("status", "code", "what", "cure"),
    [
        (403, "RequestTimeTooSkewed", "clock is wrong", "NTP"),
        (301, "", "the bucket is elsewhere (a redirect", "region"),
        (400, "AuthorizationHeaderMalformed", "the bucket is elsewhere", "region"),
        (400, "KMS.NotFoundException", "encryption key can't be used", "kms_key"),
        (400, "ExpiredToken", "doesn't accept these keys", "right keys"),
        (501, "NotImplemented", "only where there is none", "If-None-Match"),
        (507, "InsufficientStorage", "no room", "quota"),
        (418, "Teapot", "it refuses (Teapot", "manual"),
    ],
)
def test_each_refusal_of_s3_has_its_cure(status: int, code: str, what: str, cure: str):
    with answering(status, code) as port:
        error = refusal(canned(port))
    assert isinstance(error, ObjectsRefused)
    assert what in str(error)
    assert code in str(error)
    assert cure in error.hint


@pytest.mark.parametrize(
    ("status", "code", "what"),
    [
        (401, "AuthenticationRequired", "doesn't accept these keys"),
        (403, "AccessDenied", "may not do that"),
        (404, "NoSuchBucket", "no such bucket"),
        (404, "", "no such bucket"),
        (429, "", "can't serve now (429)"),
        (503, "ServiceUnavailable", "can't serve now"),
    ],
)
def test_each_refusal_of_google_is_understood(status: int, code: str, what: str, google_server: GoogleServer):
    heard: list[dict[str, str]] = []
    with answering(status, code, heard) as port:
        error = refusal(google_server.elsewhere(port))
    assert what in str(error)
    assert isinstance(error, ObjectsAway if status in (429, 503) else ObjectsRefused)
    assert heard[0]["x-goog-if-generation-match"] == "0"


def test_a_container_that_is_not_there_and_a_wrong_key_of_azure_are_told_apart(azure_server: AzureServer):
    missing = refusal(azure_server.settings("no-such-container"))
    wrong = refusal(azure_server.container("told-apart") | {"account_key": "a2V5" * 8})
    assert "there is no such bucket (ContainerNotFound: The specified container does not exist.)" in str(
        missing
    )
    assert "(AuthorizationFailure: Server failed to authenticate the request." in str(wrong)
    assert isinstance(missing, ObjectsRefused)
    assert isinstance(wrong, ObjectsRefused)


def test_azure_that_is_not_reached_is_away(azure_server: AzureServer):
    azure_server.container("proxied")
    with Proxy(azure_server.port) as proxy:
        settings = azure_server.settings("proxied", port=proxy.port)
        for mood in (Mood.STALL, Mood.STALL_ANSWERS, Mood.CUT, Mood.REFUSE):
            proxy.turn(mood)
            assert isinstance(refusal(settings, QUICK_SECONDS), ObjectsAway), mood
        proxy.turn(Mood.SLOW)
        open_objects(settings).check()


@pytest.mark.parametrize(("status", "code"), [(503, "SlowDown"), (500, "InternalError")])
def test_a_store_that_is_overloaded_is_away_after_bounded_tries(status: int, code: str):
    with answering(status, code) as port:
        error = refusal(canned(port))
    assert isinstance(error, ObjectsAway)
    assert code in str(error)


def test_a_store_that_is_not_reached_is_away(moto_server: S3Server):
    assert isinstance(refusal(canned(free_port())), ObjectsAway)
    with Proxy(moto_server.port) as proxy:
        settings = moto_server.bucket("perdure", "proxied") | {"endpoint": f"http://127.0.0.1:{proxy.port}"}
        for mood in (Mood.STALL, Mood.STALL_ANSWERS, Mood.CUT, Mood.REFUSE):
            proxy.turn(mood)
            assert isinstance(refusal(settings, QUICK_SECONDS), ObjectsAway), mood
        proxy.turn(Mood.SLOW)
        open_objects(settings).check()
    named = canned(1) | {"endpoint": "http://nowhere.invalid:1"}
    assert "name can't be looked up" in str(refusal(named))


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadInput, match="file"):
        open_objects({"url": f"file://{tmp_path}/file/objects"})


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ({}, "no `url`", "s3://"),
        ({"url": "s3:///x"}, "names no bucket", "s3://BUCKET"),
        ({"url": "s4://x"}, "begins with none of", "s3"),
        ({"url": "s3://b/a/../c"}, "'..'", ""),
        ({"url": "s3://key:secret@b/a"}, "more than a bucket", "their own settings"),
        ({"url": "file://host/x"}, "no directory", "file:///"),
        ({"url": "s3://bucket", "regoin": "x"}, "unknown key 'regoin'", "'region'"),
        ({"url": "gs://bucket", "region": "x"}, "unknown key 'region' for gs://", ""),
        ({"url": "s3://bucket", "retries": "many"}, "retries", ""),
        ({"url": "s3://bucket", "retries": 99}, "between 0 and 20", ""),
        ({"url": "s3://bucket", "timeout_seconds": 0}, "between 0 and 300", ""),
        ({"url": "s3://bucket", "encryption": "aws-kms"}, "is none of", "aws:kms"),
        ({"url": "s3://bucket", "encryption": "AES256", "kms_key": "k"}, "kms_key needs", ""),
        ({"url": "s3://bucket", "access_key_id": "k"}, "belong together", ""),
        ({"url": "s3://bucket", "endpoint": "http://h:1"}, "no TLS", "allow_http"),
        ({"url": "s3://bucket", "cache_bytes": -1}, "negative", "0 keeps"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(words: dict[str, object], message: str, hint: str):
    with pytest.raises(BadInput) as caught:
        open_objects(words)
    assert message in str(caught.value)
    assert hint in caught.value.hint


def test_encryption_is_asked_for_with_each_object_and_only_new_ones_are_made():
    heard: list[dict[str, str]] = []
    wishes: dict[str, object] = {"encryption": "aws:kms", "kms_key": "arn:aws:kms:x", "bucket_key": True}
    with answering(400, "KMS.DisabledException", heard) as port:
        refusal(canned(port) | wishes)
    asked = heard[0]
    assert asked["if-none-match"] == "*"
    assert asked["x-amz-server-side-encryption"] == "aws:kms"
    assert asked["x-amz-server-side-encryption-aws-kms-key-id"] == "arn:aws:kms:x"
    assert asked["x-amz-server-side-encryption-bucket-key-enabled"] == "true"


@pytest.mark.parametrize(
    "words",
    [
        {"url": "az://box/runs", "account": "acme", "account_key": "a2V5" * 8},
        {"url": "gs://box/runs", "timeout_seconds": 5.0},
        {"url": "s3://box", "encryption": "AES256", "region": "eu-central-1"},
    ],
    ids=["Azure", "Google", "Amazon"],
)
def test_each_provider_is_opened_by_its_settings(words: dict[str, object]):
    assert open_objects(words) is not None


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ({"url": "az://box", "account": "acme", "account_key": "!!"}, "Invalid Access Key"),
        ({"url": "gs://box", "service_account_file": "/nowhere"}, "/nowhere"),
        ({"url": "s3://box", "ca_file": "/nowhere"}, "/nowhere"),
    ],
)
def test_a_key_or_a_file_that_cannot_be_read_is_named_at_once(words: dict[str, object], what: str):
    with pytest.raises(BadInput, match=what):
        open_objects(words)


def canned(port: int) -> dict[str, object]:
    return {
        "url": "s3://bucket/x",
        "endpoint": f"http://127.0.0.1:{port}",
        "allow_http": True,
        "region": "us-east-1",
        "access_key_id": "k",
        "secret_access_key": "s",
    }


@contextmanager
def answering(status: int, code: str, heard: list[dict[str, str]] | None = None) -> Generator[int]:
    """Run a server that gives every request the same answer, in the words of S3; ``heard`` gets their headers."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>so it is</Message></Error>".encode()

    class _Canned(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if heard is not None:
                heard.append({name.lower(): word for name, word in self.headers.items()})
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = answer

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - as above

    with ThreadingHTTPServer(("127.0.0.1", 0), _Canned) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
