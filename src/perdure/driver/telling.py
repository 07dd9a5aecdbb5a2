"""Words from outside as an event may hold them."""

from perdure.contract import Law, redact
from perdure.values.limits import WORDS_CHARACTERS_MAX
from perdure.wire.spelling import clean_text


def told(law: Law, text: str) -> str:
    """Return ``text`` redacted, in whole characters, and cut.

    What a tool raises is never larger or stranger than what the log can take.
    """
    words = clean_text(redact(law, text))
    if len(words) <= WORDS_CHARACTERS_MAX:
        return words
    return f"{words[:WORDS_CHARACTERS_MAX]}... ({len(words)} characters)"
