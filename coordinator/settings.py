"""The coordinator's settings: flags over `vox.settings`."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass, field
from pathlib import Path

from vox import runfile
from vox.errors import UsageError
from vox.settings import StoreSettings, state_dir

HTTP_PORT = 8700
DASK_PORT = 8786


@dataclass(frozen=True, slots=True)
class CoordinatorSettings:
    """One coordinator.

    Attributes
    ----------
    host
        The address that every door listens on.
    port, http_port
        Of the Dask scheduler and of the HTTP interface; 0 takes a free one.
    store
        Where results are kept.
    keeping
        How: the backend, the quota, the key.
    config
        The settings file that was named, for the worker that is started along.
    directory
        Its keys, tokens, ledger, run file and log.
    detached
        Nobody watches: the log is all that is written.
    tls
        HTTP over TLS. The Dask scheduler and the peer service speak nothing else in any case.
    """

    host: str
    port: int
    http_port: int
    store: Path
    directory: Path
    tls: bool
    token_needed: bool
    with_worker: bool = False
    detached: bool = False
    p2p: bool = True
    peers: tuple[str, ...] = ()
    keeping: StoreSettings = field(default_factory=StoreSettings)
    config: Path | None = None

    @property
    def run_file(self) -> Path:
        """Where it says that it runs."""
        return runfile.coordinator_file()

    @property
    def log_file(self) -> Path:
        """Where it writes what happens."""
        return self.directory / "coordinator.log"

    @property
    def api_token_file(self) -> Path:
        """The HTTP token of this user's own commands."""
        return self.directory / "api.token"


def coordinator_dir() -> Path:
    """Return the folder of this user's coordinator."""
    return state_dir() / "coordinator"


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def checked_host(host: str) -> str:
    """Return the IP address to listen on for what a person wrote.

    Raises
    ------
    UsageError
        If it is no address of anything.
    """
    try:
        return str(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0])
    except OSError as error:
        raise UsageError(
            f"{host!r} is not an address of this machine", hint="--host wants an IP address or a host's name"
        ) from error


def names_of(host: str) -> frozenset[str]:
    """Return the names under which this server may be spoken to; `*` when it listens everywhere."""
    if ipaddress.ip_address(host).is_unspecified:
        return frozenset({"*"})
    own = {host, "localhost", "127.0.0.1", "::1"} if is_loopback(host) else {host}
    return frozenset(own | ({socket.gethostname().lower()} if not is_loopback(host) else set()))


def addresses_of(host: str) -> list[str]:
    """Return the addresses that the HTTP certificate shall answer to."""
    names = ["127.0.0.1", "::1", socket.gethostname()]
    if not ipaddress.ip_address(host).is_unspecified:
        return [host, *names]
    from p2p.discovery import interfaces_of

    return [*names, *interfaces_of(host)]


def shown_host(host: str) -> str:
    """Return the address to tell people: who listens everywhere is reached by the first of the machine's."""
    if not ipaddress.ip_address(host).is_unspecified:
        return host
    from p2p.discovery import interfaces_of

    return interfaces_of(host)[0]
