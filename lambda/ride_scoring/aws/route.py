"""The environment in; out come the way to a server (a proxy, or none) and whose word is taken that
it is the right one (the TLS context)."""

import base64
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined] # not in typeshed

import botocore

from ride_scoring.aws.endpoints import Origin, parsed_url
from ride_scoring.aws.sockets import PacedTlsSocket
from ride_scoring.errors import SettingsError


class Proxy(NamedTuple):
    """An HTTP proxy, and the headers that it asks for."""

    origin: Origin
    headers: Mapping[str, str]


def tls_context(environment: Mapping[str, str]) -> ssl.SSLContext:
    """Verifies certificates and names; 15 ms of CPU. Raises `SettingsError`.

    The bundle is boto3's: AWS_CA_BUNDLE, REQUESTS_CA_BUNDLE, or the one that botocore carries.
    (boto3 takes certifi's before the last where it is installed; in the function it is not.)
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sslsocket_class = PacedTlsSocket
    name = next((n for n in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE") if environment.get(n)), "")
    bundle = environment[name] if name else Path(botocore.__file__).with_name("cacert.pem")
    try:
        context.load_verify_locations(bundle)
    except OSError as error:
        raise SettingsError(f"{name} names {bundle}, which holds no certificates") from error
    return context


def proxy_for(environment: Mapping[str, str], origin: Origin) -> Proxy | None:
    """The proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY, in either case, mean for a server.

    Raises `SettingsError` for one that is not spoken to over plain HTTP.
    """
    name = f"{origin.scheme}_proxy"
    url = _either_case(environment, name)
    bypass = {"no": _either_case(environment, "no_proxy")}
    if not url or proxy_bypass_environment(origin.authority, bypass):
        return None
    url = url if "://" in url else f"http://{url.removeprefix('//')}"
    proxy, _ = parsed_url(name.upper(), url)
    if proxy.scheme != "http":
        raise SettingsError(
            f"{name.upper()} must begin with http://: no other kind of proxy is supported"
        )
    return Proxy(proxy, _proxy_headers(url))


def _either_case(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name, environment.get(name.upper(), ""))


def _proxy_headers(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    if not parts.username or not parts.password:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password)}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
