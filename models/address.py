"""Addresses of endpoints, as people write them and as clients need them."""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from errors import BadInput


def normalise(url: str) -> str:
    """The base URL a client needs, so that a bare host, or a slash at the end, serves as well."""
    url = url.strip().rstrip("/")
    if "://" not in url:
        url = f"http://{url}"
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise BadInput(f"{url} is not an address: {error}.") from error
    return url if parts.path else f"{url}/v1"


def shown(url: str) -> str:
    """The address without user and password, because people read it in messages and logs."""
    return re.sub(r"//[^/@]*@", "//", url)


def is_loopback(url: str) -> bool:
    """Whether the address is this machine, where a proxy server must never be asked."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
