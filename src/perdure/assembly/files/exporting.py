"""A tree written elsewhere: as a directory, a tar, or a commit of another repository."""

from pathlib import Path
from typing import Final, NamedTuple

from perdure.adapters.workspace.export import export_directory, export_tar, refuse_taken
from perdure.adapters.workspace.gitexport import Wording, export_git
from perdure.log.port import BlobStore

TAR: Final = ".tar"


class Exported(NamedTuple):
    """What was written. ``commit`` is empty but for a commit; ``notes`` say what could not be written."""

    files: int
    commit: str = ""
    notes: tuple[str, ...] = ()


def export_tree(store: BlobStore, tree: str, target: Path) -> Exported:
    """Write ``tree`` to ``target``: a new directory, or a new ``.tar`` file.

    Raises ``BadInput`` where something is there already.
    """
    if target.suffix == TAR:
        refuse_taken(target)
        part = target.with_name(f".{target.name}.part")
        try:
            with part.open("wb") as file:
                done = export_tar(store.get, tree, file)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return Exported(done.files, notes=done.notes)
    done = export_directory(store.get, tree, target)
    return Exported(done.files, notes=done.notes)


def export_commit(
    store: BlobStore, tree: str, repository: Path, *, branch: str, words: str, at: int, workspace: Path
) -> Exported:
    """The bare ``repository`` has ``tree`` as the newest commit of ``branch``, which says ``words``.

    Raises ``BadInput`` where git is missing or the repository is not one of its own.
    """
    wording = Wording(branch, words, at)
    made = export_git(store.get, tree, repository, wording, workspace=workspace)
    return Exported(made.files, made.commit, made.notes)
