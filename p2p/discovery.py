"""Finding machines nearby by multicast DNS. Everything heard is a hint: who is there is decided by TLS.

Announcements carry names made of keys, ports and versions; no host, user or project names. Where there is no
multicast nothing is found, nothing fails, and listed addresses do the work.
"""

from __future__ import annotations

import base64
import ipaddress
import logging
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import ifaddr
import zeroconf
from zeroconf import IPVersion, ServiceBrowser, ServiceInfo, ServiceStateChange, Zeroconf

from p2p.tokens import FINGERPRINT_DIGITS
from vox.digest import PeerId

PEER_TYPE = "_vox-peer._tcp.local."
HEAD_TYPE = "_vox-head._tcp.local."
VERSION = 1
PROTOCOL = 1
TABLE_MAX = 256
RESOLVE_MS = 1000
# After the first coordinator has answered, others on the same wire answer within this time.
LATE_S = 0.3
# A TXT record's strings are at most 255 bytes; ours are far shorter.
VALUE_BYTES_MAX = 200

_WILDCARDS = ("", "0.0.0.0", "::")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CoordinatorSighting:
    """A coordinator that announced itself.

    Attributes
    ----------
    address
        `host:port` of its HTTP interface.
    cluster, fingerprint
        The cluster's name and its authority's fingerprint, unproved: a join token's must fit.
    properties
        Everything else that it announced.
    """

    address: str
    cluster: str
    fingerprint: str
    properties: Mapping[str, str]


class Announcer:
    """Tells a network that a service is here, until it is closed."""

    def __init__(
        self, kind: str, label: str, port: int, properties: Mapping[str, str], interfaces: Sequence[str]
    ) -> None:
        self._zeroconf: Zeroconf | None = None
        # A host name of its own, or the addresses of two machines that share one would be mixed.
        self._info = ServiceInfo(
            kind,
            f"{label}.{kind}",
            addresses=[socket.inet_aton(address) for address in interfaces],
            port=port,
            properties={key: value[:VALUE_BYTES_MAX] for key, value in properties.items()},
            server=f"{label}.local.",
        )
        self._interfaces = list(interfaces)

    @classmethod
    def of_peer(cls, peer: PeerId, cluster: str, port: int, interfaces: Sequence[str]) -> Announcer:
        """Announce a peer service."""
        # Two services with one identity differ by port: multicast DNS misses a name taken on the same host.
        label = f"{_base32(peer)[:24]}-{port}"
        properties = {"v": str(VERSION), "id": _base32(peer), "cl": cluster, "p": f"{PROTOCOL}-{PROTOCOL}"}
        return cls(PEER_TYPE, label, port, properties, interfaces)

    @classmethod
    def of_coordinator(
        cls,
        peer: PeerId,
        cluster: str,
        port: int,
        interfaces: Sequence[str],
        extra: Mapping[str, str] | None = None,
    ) -> Announcer:
        """Announce a coordinator's HTTP interface, for workers that are told no address."""
        label = f"{_base32(peer)[:24]}-{port}"
        properties = {
            **(extra or {}),
            "v": str(VERSION),
            "cl": cluster,
            "fp": cluster[:FINGERPRINT_DIGITS],
            "api": str(port),
        }
        return cls(HEAD_TYPE, label, port, properties, interfaces)

    def start(self) -> bool:
        """Announce; return whether there was a network to announce on."""
        self._zeroconf = _open(self._interfaces)
        if self._zeroconf is None:
            return False
        try:
            # Names are made of keys, so nobody else can hold them: no need to probe for a second and a half.
            self._zeroconf.register_service(self._info, cooperating_responders=True)
        except (OSError, zeroconf.Error, TimeoutError) as error:
            _log.warning("this machine cannot be announced (%s); others need its address", error)
            self.close()
            return False
        return True

    def close(self) -> None:
        """Say goodbye."""
        if self._zeroconf is not None:
            self._zeroconf.close()  # unregisters first
            self._zeroconf = None


class Browser:
    """Hears of the peers of one cluster on the networks of some interfaces. See `neighbourhood.Discovery`."""

    def __init__(self, cluster: str, own: PeerId, interfaces: Sequence[str]) -> None:
        self._cluster = cluster
        self._own = _base32(own)
        self._watch = _Watch(PEER_TYPE, interfaces, self._wanted)

    def start(self, seen: Callable[[str], None], gone: Callable[[str], None]) -> None:
        """Tell of addresses as they appear and disappear, from a thread of its own."""
        self._watch.start(seen, gone)

    def close(self) -> None:
        """Tell nothing more."""
        self._watch.close()

    def _wanted(self, properties: Mapping[str, str]) -> bool:
        if properties.get("cl") != self._cluster or properties.get("id") == self._own:
            return False
        lowest, _, highest = properties.get("p", "").partition("-")
        return lowest.isdecimal() and highest.isdecimal() and int(lowest) <= PROTOCOL <= int(highest)


def find_coordinators(
    timeout_s: float, interfaces: Sequence[str] | None = None, cluster: str = ""
) -> list[CoordinatorSighting]:
    """Return the coordinators that announce themselves, waiting for the first one at most `timeout_s`.

    `cluster` is the beginning of the name of the one that is looked for, as a join token tells it.
    """
    found: dict[str, CoordinatorSighting] = {}
    first = threading.Event()
    watch: _Watch

    def seen(address: str) -> None:
        properties = watch.properties(address)
        found[address] = CoordinatorSighting(
            address, properties.get("cl", ""), properties.get("fp", ""), properties
        )
        first.set()

    def complete(properties: Mapping[str, str]) -> bool:
        name = properties.get("cl", "")
        return bool(name) and name.startswith(cluster) and properties.get("v") == str(VERSION)

    watch = _Watch(HEAD_TYPE, interfaces_of("") if interfaces is None else interfaces, complete)
    watch.start(seen, lambda address: None)
    try:
        if first.wait(timeout_s):
            threading.Event().wait(LATE_S)
    finally:
        watch.close()
    return sorted(found.values(), key=lambda sighting: sighting.address)


def interfaces_of(host: str) -> list[str]:
    """Return the IPv4 addresses on which a service bound to `host` can be reached.

    A wildcard gives every address of the machine but loopback, or loopback where there is no other.
    """
    if host not in _WILDCARDS:
        try:
            return [socket.gethostbyname(host)]
        except OSError:
            return []
    addresses = [str(network.ip) for network in _networks() if not network.ip.is_loopback]
    return addresses or ["127.0.0.1"]


class _Watch:
    """The wanted services of one type: a bounded table, and who is told of it."""

    def __init__(
        self, kind: str, interfaces: Sequence[str], wanted: Callable[[Mapping[str, str]], bool]
    ) -> None:
        self._kind = kind
        self._interfaces = list(interfaces)
        self._wanted = wanted
        self._lock = threading.Lock()
        self._table: dict[str, tuple[str, dict[str, str]]] = {}
        self._zeroconf: Zeroconf | None = None
        self._seen: Callable[[str], None] = lambda _: None
        self._gone: Callable[[str], None] = lambda _: None
        # An announcement from here may name any address on earth; only these networks' are taken up.
        self._near = [network.network for network in _networks() if str(network.ip) in set(interfaces)]

    def start(self, seen: Callable[[str], None], gone: Callable[[str], None]) -> None:
        self._seen, self._gone = seen, gone
        self._zeroconf = _open(self._interfaces)
        if self._zeroconf is not None:
            ServiceBrowser(self._zeroconf, self._kind, handlers=[self._changed])

    def close(self) -> None:
        if self._zeroconf is not None:
            self._zeroconf.close()
            self._zeroconf = None

    def properties(self, address: str) -> dict[str, str]:
        with self._lock:
            return next((dict(known) for where, known in self._table.values() if where == address), {})

    def _changed(
        self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        # The names of these parameters are zeroconf's: it calls by keyword.
        entry = None
        if state_change is not ServiceStateChange.Removed:
            entry = self._resolve(zeroconf, name)
        with self._lock:
            old = self._table.pop(name, None)
            if entry is not None and len(self._table) < TABLE_MAX:
                self._table[name] = entry
            else:
                entry = None
        if old is not None and (entry is None or old[0] != entry[0]):
            self._gone(old[0])
        if entry is not None:
            self._seen(entry[0])

    def _resolve(self, zeroconf: Zeroconf, name: str) -> tuple[str, dict[str, str]] | None:
        try:
            info = zeroconf.get_service_info(self._kind, name, RESOLVE_MS)
        except Exception as error:
            # Whatever the network sent, one bad announcement must not end the browser's thread.
            _log.info("an announcement cannot be read: %s", error)
            return None
        if info is None or not info.port:
            return None
        properties = {
            key.decode("ascii", "replace"): value.decode("ascii", "replace")
            for key, value in info.properties.items()
            if isinstance(key, bytes) and isinstance(value, bytes)
        }
        if not self._wanted(properties):
            return None
        for address in info.parsed_addresses(IPVersion.V4Only):
            if any(ipaddress.IPv4Address(address) in network for network in self._near):
                return f"{address}:{info.port}", properties
        _log.info("an announcement from outside the networks here is not taken up")
        return None


def _open(interfaces: Sequence[str]) -> Zeroconf | None:
    if not interfaces:
        return None
    try:
        return Zeroconf(interfaces=list(interfaces), ip_version=IPVersion.V4Only)
    except (OSError, zeroconf.Error, ValueError) as error:
        _log.warning("there is no multicast on %s (%s); listed addresses work", ", ".join(interfaces), error)
        return None


def _networks() -> list[ipaddress.IPv4Interface]:
    return [
        ipaddress.IPv4Interface(f"{ip.ip}/{ip.network_prefix}")
        for adapter in ifaddr.get_adapters()
        for ip in adapter.ips
        if ip.is_IPv4 and isinstance(ip.ip, str)
    ]


def _base32(peer: PeerId) -> str:
    return base64.b32encode(peer.sha256).decode().rstrip("=").lower()
