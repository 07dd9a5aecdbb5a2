"""What SQLite says, as what the caller must do.

Only a write decides between "this was refused" and "this may have been half done": the latter is
fatal to the store object, because a failed sync must never be tried again.
"""

import errno

import apsw

from perdure.values.errors import (
    Busy,
    PerdureError,
    StoreDamaged,
    StoreFailed,
    StoreReadOnly,
)


def said(error: BaseException, doing: str) -> PerdureError:
    """Return ``error`` of SQLite or the system in perdure's words."""
    what = f"{doing}: {error}"
    match error:
        case PerdureError():
            return error
        case apsw.BusyError() | apsw.LockedError():
            return Busy(f"{what}: another process holds the store")
        case apsw.CorruptError() | apsw.NotADBError():
            return StoreDamaged(what)
        case apsw.ReadOnlyError() | apsw.PermissionsError() | PermissionError():
            return StoreReadOnly(what)
        case OSError() if error.errno == errno.EROFS:
            return StoreReadOnly(what)
        case _:
            return StoreFailed(what)
