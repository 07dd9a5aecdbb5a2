"""Which runs move together: whoever shares receipts, claims or budgets is not parted."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from perdure.driver.books import Books
from perdure.log import events as e
from perdure.log.envelope import unseal
from perdure.log.port import RunRow
from perdure.values.errors import BadInput, UnknownRun


class RunGroup(NamedTuple):
    """Runs that move together, each after those that it comes from."""

    tenant: str
    runs: tuple[str, ...]


def units_of(source: Books, runs: Sequence[str], tenants: Sequence[str]) -> tuple[RunGroup, ...]:
    """Return what is selected: all, or these ``tenants``, or the families of these ``runs``.

    Raises ``UnknownRun``, ``BadInput`` for a tenant that isn't here, or for runs of a tenant that has claims or
    budgets in common.
    """
    rows = source.rows()
    if runs:
        return _families(source, rows, runs)
    known = {row.tenant for row in rows}
    for tenant in tenants:
        if tenant not in known:
            raise BadInput(f"tenant {tenant!r} has no run here")
    return tuple(
        RunGroup(tenant, _in_order(row for row in rows if row.tenant == tenant))
        for tenant in sorted(known)
        if not tenants or tenant in tenants
    )


def _families(source: Books, rows: Sequence[RunRow], runs: Sequence[str]) -> tuple[RunGroup, ...]:
    by_name = {row.run: row for row in rows}
    for run in runs:
        if run not in by_name:
            raise UnknownRun(f"there is no run {run!r} in this store")
    tenants = {by_name[run].tenant for run in runs}
    found: list[RunGroup] = []
    for tenant in sorted(tenants):
        here = [row for row in rows if row.tenant == tenant]
        family = _joined(source, here, {run for run in runs if by_name[run].tenant == tenant})
        if len(family) < len(here):
            _check_apart(source, tenant)
        found.append(RunGroup(tenant, _in_order(row for row in here if row.run in family)))
    return tuple(found)


def _joined(source: Books, rows: Sequence[RunRow], wanted: set[str]) -> set[str]:
    """Return ``wanted`` with all of their lineages, and with parents and children, however far."""
    links: dict[str, set[str]] = {}
    for row in rows:
        for other in (f"lineage {row.lineage}", *_parents(source, row)):
            links.setdefault(row.run, set()).add(other)
            links.setdefault(other, set()).add(row.run)
    found: set[str] = set()
    edge = set(wanted)
    while edge:
        found |= edge
        edge = {other for each in edge for other in links.get(each, ())} - found
    return found & {row.run for row in rows}


def _parents(source: Books, row: RunRow) -> Iterable[str]:
    if row.parent is not None:
        yield row.parent
    elif row.position:
        (first,) = source.read(row.run, 0, 1)
        body = unseal(first).body
        if isinstance(body, e.RunOpened) and body.parent:
            yield body.parent


def _check_apart(source: Books, tenant: str) -> None:
    """Raise ``BadInput`` if runs of the tenant know of each other."""
    if source.claims(scope=tenant):
        raise BadInput(
            f"runs of tenant {tenant} have claims in common: one part of them would not know of the other",
            hint=f"move the tenant whole: --tenant {tenant}",
        )


def _in_order(rows: Iterable[RunRow]) -> tuple[str, ...]:
    by_name: Mapping[str, RunRow] = {row.run: row for row in rows}
    found: dict[str, None] = {}

    def add(run: str) -> None:
        row = by_name[run]
        if run not in found:
            if row.parent is not None and row.parent in by_name:
                add(row.parent)
            found[run] = None

    for run in by_name:
        add(run)
    return tuple(found)
