"""Two pretended hosts: network namespaces joined by one wire. For root on Linux."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

needs_namespaces = pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0 or shutil.which("ip") is None, reason="needs root and `ip`"
)


@dataclass(frozen=True)
class Host:
    """A namespace, its address on the wire, and how to run a command in it."""

    name: str
    address: str

    @property
    def prefix(self) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.name)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=30)


@contextlib.contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """Make two hosts, 10.77.0.1 and 10.77.0.2, that see each other and nothing else."""
    tag = secrets.token_hex(3)
    hosts = tuple(Host(f"vox{tag}{side}", f"10.77.0.{n}") for n, side in enumerate("ab", 1))
    try:
        try:
            for host in hosts:
                _ip("netns", "add", host.name)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"namespaces cannot be made here: {error.stderr.decode().strip()}")
        links = [f"v{tag}{side}" for side in "ab"]
        _ip(
            *("link", "add", links[0], "netns", hosts[0].name, "type", "veth"),
            *("peer", "name", links[1], "netns", hosts[1].name),
        )
        for host, link in zip(hosts, links, strict=True):
            _ip("-n", host.name, "link", "set", "lo", "up")
            _ip("-n", host.name, "link", "set", link, "up")
            _ip("-n", host.name, "addr", "add", f"{host.address}/24", "dev", link)
        yield hosts[0], hosts[1]
    finally:
        for host in hosts:
            subprocess.run(["ip", "netns", "del", host.name], check=False, capture_output=True, timeout=30)
