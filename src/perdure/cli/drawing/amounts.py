"""Tokens, shares and money as people read them."""


def tool_name(tool: str) -> str:
    """Return a tool's name with its own part in front: of ``mcp__server__tool`` the server says less."""
    server, _, name = tool.removeprefix("mcp__").partition("__")
    return f"{name} ({server})" if tool.startswith("mcp__") and name else tool or "unnamed"


def tokens(count: float) -> str:
    """Return a number of tokens in three digits and a unit."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("K", 1e3)):
        if count >= size * 0.9995:
            amount = count / size
            return f"{amount:.0f} {unit}" if amount >= 99.95 else f"{amount:.1f} {unit}"
    return f"{count:.0f}"


def percent(part: float, whole: float) -> str:
    """Return ``part`` of ``whole``; a dash where there is no whole."""
    if whole <= 0:
        return "-"
    share = part / whole * 100
    return f"{share:.1f} %" if share >= 0.05 or share <= 0 else "<0.1 %"


def dollars(microusd: float) -> str:
    """Return money with as many digits as say something."""
    sign, amount = "-" if microusd < 0 else "", abs(microusd) / 1e6
    if amount >= 1_000:
        return f"{sign}${amount:,.0f}"
    if amount >= 1 or not amount:
        return f"{sign}${amount:,.2f}"
    return f"{sign}${amount:.3f}" if amount >= 0.001 else f"{sign}${amount:.6f}"
