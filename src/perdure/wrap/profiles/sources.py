"""What the sources of a profile hold, for one client that is about to start."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from perdure.values.digest import Json
from perdure.values.limits import SETTINGS_FOLDERS_UP_MAX
from perdure.wrap.profiles.documents import Table, at, overrides_of, table_in, table_of
from perdure.wrap.profiles.nouns import Whereabouts
from perdure.wrap.profiles.templates import text_of
from perdure.wrap.profiles.words import ClientProfile, Source


class Settings:
    """The user's settings of one client; each file is read once."""

    def __init__(self, profile: ClientProfile, whereabouts: Whereabouts) -> None:
        """Know where to look; nothing is read yet."""
        self.whereabouts = whereabouts
        self.places = places_of(profile, whereabouts)
        self._read: dict[Path, Table] = {}

    def held(self, source: Source) -> Iterator[tuple[str, Json]]:
        """Yield what ``source`` holds, nearest first, and where that stands; nothing where it holds none."""
        for origin, value in self._values(source):
            if value is not None:
                yield origin, value

    def first(self, sources: Sequence[Source]) -> tuple[str, Json]:
        """Return the first thing that one of ``sources`` holds; None where none does."""
        for source in sources:
            for found in self.held(source):
                return found
        return "", None

    def text(self, sources: Sequence[Source]) -> str:
        """Return the first text that one of ``sources`` holds; empty where none does."""
        for source in sources:
            for _, value in self.held(source):
                if isinstance(value, str) and value:
                    return value
        return ""

    def named(self, sources: Sequence[Source], name: str) -> bool:
        """Tell whether one of ``sources`` lists ``name``, or says yes to all."""
        for source in sources:
            for _, value in self.held(source):
                if value is True or (isinstance(value, str) and value in source.says):
                    return True
                if isinstance(value, list) and name in value:
                    return True
        return False

    def _values(self, source: Source) -> Iterator[tuple[str, Json]]:
        keys = [text_of(part, self.places) for part in source.key]
        if source.option:
            given = given_to(self.whereabouts.arguments, source.option, many=source.many)
            yield from self._told(source, keys, source.option, given)
        if source.variable:
            value = self.whereabouts.environment.get(source.variable, "")
            yield from self._told(source, keys, source.variable, [value] if value else [])
        if source.file:
            for path in self._paths(source):
                yield str(path), at(self._table(path), keys)

    def _told(
        self, source: Source, keys: list[str], origin: str, given: list[str]
    ) -> Iterator[tuple[str, Json]]:
        if source.holds == "overrides":
            yield origin, at(overrides_of(given), keys)
            return
        for each in reversed(given):
            if source.holds == "document":
                yield origin, at(table_of(each, self.whereabouts.directory, origin), keys)
            else:
                yield origin, each

    def _paths(self, source: Source) -> Iterator[Path]:
        if not source.upwards:
            yield self.whereabouts.directory / text_of(source.file, self.places)
            return
        above = [self.whereabouts.directory, *self.whereabouts.directory.parents]
        for folder in above[:SETTINGS_FOLDERS_UP_MAX]:
            yield Path(text_of(source.file, {**self.places, "directory": str(folder)}))
            if (folder / ".git").exists():
                return

    def _table(self, path: Path) -> Table:
        if path not in self._read:
            self._read[path] = table_in(path)
        return self._read[path]


def places_of(profile: ClientProfile, whereabouts: Whereabouts) -> dict[str, Json]:
    """Return the words of templates that stand for paths."""
    directory = whereabouts.directory
    project = next((each for each in [directory, *directory.parents] if (each / ".git").exists()), directory)
    words: dict[str, Json] = {
        "home": str(whereabouts.home),
        "directory": str(directory),
        "project": str(project),
    }
    for name, place in profile.places.items():
        chosen = whereabouts.environment.get(place.variable, "") if place.variable else ""
        words[name] = str(Path(chosen) / place.under) if chosen else text_of(place.default, words)
    return words


def given_to(arguments: Sequence[str], option: str, *, many: bool = False) -> list[str]:
    """Return what the option was given, in order; what stands behind a bare ``--`` is no option."""
    found: list[str] = []
    rest = iter(_options(arguments))
    taking = False
    for each in rest:
        if each == option:
            following = next(rest, None)
            if following is not None:
                found.append(following)
            taking = many
        elif each.startswith(f"{option}=") and option.startswith("--"):
            found.append(each[len(option) + 1 :])
            taking = False
        elif taking and not each.startswith("-"):
            found.append(each)
        else:
            taking = False
    return found


def dropped(
    arguments: Sequence[str], options: Sequence[str], *, valued: bool, many: bool = False
) -> list[str]:
    """Return ``arguments`` without those options, and without what they were given."""
    kept: list[str] = []
    options_end = len(_options(arguments))
    at_index = 0
    while at_index < len(arguments):
        each = arguments[at_index]
        at_index += 1
        if at_index > options_end:
            kept.append(each)
        elif each in options:
            taken = 0
            while valued and at_index < options_end and (not taken or many):
                if taken and arguments[at_index].startswith("-"):
                    break
                at_index += 1
                taken += 1
        elif not any(valued and each.startswith(f"{option}=") for option in options):
            kept.append(each)
    return kept


def _options(arguments: Sequence[str]) -> Sequence[str]:
    return arguments[: arguments.index("--")] if "--" in arguments else arguments
