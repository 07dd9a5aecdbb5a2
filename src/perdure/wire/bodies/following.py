"""The next request of a hidden exchange: the one before, with what was said since behind it."""

from collections.abc import Iterable

import msgspec

from perdure.wire.bodies.changing import appended
from perdure.wire.bodies.request import RequestBody
from perdure.wire.bodies.spans import members
from perdure.wire.bodies.splicing import Edit

_spelled = msgspec.json.Encoder().encode


def followed_up(
    request: RequestBody,
    edits: Iterable[Edit],
    elements: Iterable[bytes],
    *,
    held: bool = False,
    previous: str = "",
) -> list[Edit]:
    """Return the edits of the next request, where ``edits`` made the one before: ``elements`` follow all others.

    ``held``: the provider has the history, so that ``elements`` are all there is. ``previous``, if given, is the
    response that it goes on from.
    """
    kept = list(edits)
    whole, items = b",".join(elements), request.items_span
    if held and items is not None:
        kept = [edit for edit in kept if edit.end <= items.start or items.end <= edit.start]
        kept.append(Edit(*items, b"[%b]" % whole))
    elif items is None:
        kept.append(_named(request.body, _name(request), b"[%b]" % whole))
    elif request.body[items.start] == ord('"'):
        kept += [
            Edit(items.start, items.start, b'[{"role":"user","content":'),
            Edit(items.end, items.end, b"},%b]" % whole),
        ]
    else:
        kept.append(appended(request.body, items, whole))
    if previous:
        kept.append(_named(request.body, "previous_response_id", _spelled(previous)))
    return kept


def _name(request: RequestBody) -> str:
    return "input" if request.api == "responses" else "messages"


def _named(body: bytes, name: str, value: bytes) -> Edit:
    """Return the edit after which ``name`` has ``value``, whether it stood there or not."""
    places = members(body)
    if name in places:
        return Edit(*places[name], value)
    at = body.index(b"{") + 1
    return Edit(at, at, b"%b:%b%b" % (_spelled(name), value, b"," if places else b""))
