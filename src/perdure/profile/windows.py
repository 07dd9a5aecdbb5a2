"""Small windows of a session: a few requests, with the pages that come in them, as sessions of their own."""

from perdure.profile.route import Route


def window(route: Route, first: int, count: int, pages_max: int) -> Route:
    """Return ``count`` requests from ``first`` on; at most ``pages_max`` pages of them, the largest, can be moved.

    What stood before them is there and stays, and the cache is cold when they begin.
    """
    legs = route.legs[first : first + count]
    fresh = [place for leg in legs for place in leg.new if route.folios[place].movable]
    kept = {
        route.names[place]
        for place in sorted(fresh, key=lambda place: -route.folios[place].tokens)[:pages_max]
    }
    folios = {
        place: folio._replace(came=folio.came - first)
        for place, folio in route.folios.items()
        if folio.page in kept and legs[0].first <= place
    }
    return route._replace(
        legs=tuple(
            leg._replace(
                new=tuple(place for place in leg.new if place in folios),
                needs=tuple(need for need in leg.needs if need[0] in kept),
            )
            for leg in legs
        ),
        folios=folios,
    )
