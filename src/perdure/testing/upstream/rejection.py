"""The providers' errors, in their own shapes and with their own statuses."""

from perdure.testing.upstream.question import Spoken
from perdure.values.digest import Json

KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}
OPENAI_KINDS = {
    401: "invalid_request_error",
    429: "rate_limit_exceeded",
    500: "server_error",
    503: "server_error",
}


class Rejection(Exception):
    """The provider refuses the request."""

    def __init__(
        self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.param = param
        self.code = code

    def __str__(self) -> str:
        return f"{self.status} {self.message}"


def shaped(api: Spoken, rejection: Rejection, request: str) -> dict[str, Json]:
    """Return the body that says so in the words of ``api``."""
    if api == "messages":
        kind = KINDS.get(rejection.status, "invalid_request_error")
        return {
            "type": "error",
            "error": {"type": kind, "message": rejection.message},
            "request_id": request,
        }
    if api == "gemini":
        status = "INVALID_ARGUMENT" if rejection.status == 400 else "UNAVAILABLE"
        return {"error": {"code": rejection.status, "message": rejection.message, "status": status}}
    kind = OPENAI_KINDS.get(rejection.status, "invalid_request_error")
    return {
        "error": {
            "message": rejection.message,
            "type": kind,
            "param": rejection.param,
            "code": rejection.code,
        }
    }
