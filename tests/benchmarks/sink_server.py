"""Building and running the sink (sink.c), and asking it what arrived."""

from __future__ import annotations

import json
import ssl
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from measure import ACCOUNT

SOURCE = Path(__file__).with_name("sink.c")


def build(directory: Path) -> Path:
    """Compile the sink into a directory; needs a C compiler and OpenSSL's headers."""
    program = directory / "sink"
    command = ["cc", "-O2", "-o", str(program), str(SOURCE), "-lpthread", "-lssl", "-lcrypto"]
    subprocess.run(command, check=True)
    return program


@dataclass(frozen=True, slots=True)
class Certificate:
    """A throw-away authority, and a certificate of 127.0.0.1 signed by it."""

    authority: Path
    chain: Path
    key: Path


def make_certificate(directory: Path) -> Certificate:
    """An authority and a leaf of their own: rustls takes no self-signed leaf."""
    made = Certificate(directory / "ca.pem", directory / "leaf.pem", directory / "leaf.key")
    authority_key = directory / "ca.key"
    new = ["openssl", "req", "-x509", "-nodes", "-days", "2", "-newkey", "ec"]
    new += ["-pkeyopt", "ec_paramgen_curve:P-256"]
    authority = [
        *("-subj", "/CN=benchmark authority", "-keyout", authority_key, "-out", made.authority),
        *("-addext", "keyUsage=critical,keyCertSign"),
    ]
    leaf = [
        *("-subj", "/CN=127.0.0.1", "-keyout", made.key, "-out", made.chain),
        *("-CA", made.authority, "-CAkey", authority_key),
        *(
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:false",
        ),
        *("-addext", "extendedKeyUsage=serverAuth"),
    ]
    for options in (authority, leaf):
        subprocess.run([*new, *map(str, options)], check=True, capture_output=True)
    return made


class Sink:
    """A running sink; stopped at the end of the `with` block.

    `options` are the words of sink.c's command line.
    """

    def __init__(
        self, program: Path, options: list[str], *, certificate: Certificate | None = None
    ) -> None:
        words = [str(program), *options]
        if certificate:
            words += ["--tls", str(certificate.chain), str(certificate.key)]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        self._certificate = certificate
        port = self._process.stdout.readline().strip() if self._process.stdout else ""
        if not port:
            raise OSError("The sink did not start; see its message above.")
        self._root = f"{'https' if certificate else 'http'}://127.0.0.1:{port}"

    @property
    def endpoint(self) -> str:
        """The base URL, which ends in the account."""
        return f"{self._root}/{ACCOUNT}"

    def __enter__(self) -> Sink:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def stats(self) -> dict[str, Any]:
        """All counters since the last reset."""
        return self._ask("GET", "/__stats")

    def reset(self, *, fail_rate: float = 0.0, seed: int = 1) -> None:
        """Forget files and counters, and start the clock of a changing capacity anew."""
        self._ask("POST", f"/__reset?fail_rate={fail_rate}&seed={seed}")

    def _ask(self, method: str, path: str) -> dict[str, Any]:
        trust = str(self._certificate.authority) if self._certificate else None
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),  # the sink is next door, whatever the environment says
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=trust)),
        )
        with opener.open(urllib.request.Request(self._root + path, method=method)) as answer:
            told: dict[str, Any] = json.load(answer)
        return told
