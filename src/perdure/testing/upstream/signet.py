"""What the provider signs, so that it knows it again: thoughts, encrypted items, and names of its calls.

Invariants:
- A signature holds for the exact text that it was made over, and for one server's key.
- A sealed text can't be read or changed by whoever carries it.
- The name of a call carries the step of the script that made it, so that the server remembers nothing.
"""

import base64
import hashlib
import hmac
import zlib

_TAG = 16


class Signet:
    """One server's key."""

    def __init__(self, seed: str) -> None:
        self._key = hashlib.sha256(f"perdure upstream {seed}".encode()).digest()
        self._drawn = 0

    def nonce(self, size: int = 12) -> bytes:
        """Return bytes that were not drawn before."""
        self._drawn += 1
        return self._mac(b"nonce", str(self._drawn).encode())[:size]

    def fresh(self, prefix: str) -> str:
        """Return a new name."""
        return f"{prefix}{self.nonce(12).hex()}"

    def sign(self, text: str) -> str:
        """Return a signature over ``text``."""
        nonce = self.nonce()
        return base64.b64encode(nonce + self._mac(nonce, text.encode())).decode()

    def signed(self, text: str, signature: str) -> bool:
        """Tell whether ``signature`` was made here, over ``text``."""
        raw = _unpacked(signature)
        return len(raw) == 44 and hmac.compare_digest(raw[12:], self._mac(raw[:12], text.encode()))

    def seal(self, text: str) -> str:
        """Return ``text`` as only this server can read it."""
        nonce = self.nonce()
        closed = self._woven(nonce, zlib.compress(text.encode()))
        tag = self._mac(nonce, closed)[:_TAG]
        return base64.urlsafe_b64encode(nonce + tag + closed).decode()

    def unseal(self, sealed: str) -> str | None:
        """Return what was sealed; None where it was changed, or not sealed here."""
        raw = _unpacked(sealed.replace("-", "+").replace("_", "/"))
        nonce, tag, closed = raw[:12], raw[12 : 12 + _TAG], raw[12 + _TAG :]
        if len(tag) < _TAG or not hmac.compare_digest(tag, self._mac(nonce, closed)[:_TAG]):
            return None
        return zlib.decompress(self._woven(nonce, closed)).decode()

    def call(self, prefix: str, step: int, *, recall: bool = False) -> str:
        """Return a new name for a call made in ``step``."""
        body = f"{step:03d}{'r' if recall else 'c'}{self.nonce(6).hex()}"
        return f"{prefix}{body}{self._mac(b'call', body.encode()).hex()[:8]}"

    def step(self, name: str) -> tuple[int, bool] | None:
        """Return the step that a call was made in, and whether it recalls; None where the call isn't ours."""
        body, tag = name[-24:-8], name[-8:]
        if len(body) < 16 or self._mac(b"call", body.encode()).hex()[:8] != tag:
            return None
        return int(body[:3]), body[3] == "r"

    def _mac(self, salt: bytes, message: bytes) -> bytes:
        return hmac.digest(self._key, salt + b"\0" + message, "sha256")

    def _woven(self, nonce: bytes, text: bytes) -> bytes:
        stream = b"".join(
            self._mac(nonce, b"stream" + number.to_bytes(4)) for number in range(len(text) // 32 + 1)
        )
        return bytes(one ^ two for one, two in zip(text, stream, strict=False))


def _unpacked(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""
