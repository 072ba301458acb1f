"""Points in time as logs write them: ISO 8601 or an epoch, and as this program writes them."""

from datetime import UTC, datetime
from typing import Any


def moment(value: Any, naive_is_local: bool = False) -> datetime | None:
    """The point in time, aware; None for what is none. An epoch may count seconds or finer units."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        if isinstance(value, str) and not value.replace(".", "", 1).isdigit():
            found = datetime.fromisoformat(value.strip())
            if found.tzinfo is None:
                found = found.astimezone() if naive_is_local else found.replace(tzinfo=UTC)
            return found.astimezone(UTC)
        seconds = float(value)
        # Beyond the year 5138 it is a finer unit.
        scale = next((scale for scale in (1, 1e3, 1e6, 1e9) if abs(seconds) < 1e11 * scale), 1)
        return datetime.fromtimestamp(seconds / scale, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def stamp(time: datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds, which sorts as text."""
    if time is None:
        return None
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
