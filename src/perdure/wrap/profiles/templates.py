"""Templates: words in braces, which stand for a text, or alone for a whole value."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from perdure.values.digest import Json
from perdure.values.errors import require

_WORD: Final = re.compile(r"\{([a-z_]+)\}")


def words_in(template: Json) -> Iterator[str]:
    """Yield every word that ``template`` asks for, in keys as well."""
    match template:
        case str():
            yield from _WORD.findall(template)
        case list():
            for each in template:
                yield from words_in(each)
        case dict():
            for key, each in template.items():
                yield from words_in(key)
                yield from words_in(each)
        case _:
            return


def filled(template: Json, words: Mapping[str, Json]) -> Json:
    """Return ``template`` with each of its words as ``words`` has it; a word that stands alone keeps its type."""
    match template:
        case str():
            alone = _WORD.fullmatch(template)
            return words[alone[1]] if alone else text_of(template, words)
        case list():
            return [filled(each, words) for each in template]
        case dict():
            return {text_of(key, words): filled(each, words) for key, each in template.items()}
        case _:
            return template


def text_of(template: str, words: Mapping[str, Json]) -> str:
    """Return a template of a text with its words filled in."""

    def told(found: re.Match[str]) -> str:
        word = words[found[1]]
        require(isinstance(word, str), f"{{{found[1]}}} stands within a text and is none")
        return str(word)

    return _WORD.sub(told, template)
