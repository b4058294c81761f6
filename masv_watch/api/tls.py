"""The certificate by which `https` listeners speak: the user's, or one of our own making.

Owns reading, making and renewing it, and the terms of TLS. Never listens. Called by `daemon` at the
start and at a reload.

Law 1. The key of our own certificate is private to the daemon's user from its first moment; one
that others could read is not used again.
Law 2. Our own certificate is made anew when it is about to end or names other addresses than those
that callers use, and in no other case: whoever trusts its fingerprint keeps trusting it.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from masv_watch.api import private
from masv_watch.errors import CannotListen
from masv_watch.model import Listen, Scheme, Server
from masv_watch.names import shown

CERTIFICATE_FILE = "api-certificate.pem"
KEY_FILE = "api-key.pem"
#: days that our own certificate is good for: the most that every client accepts
VALID_DAYS = 397
#: days before its end at which another one is made
RENEWED_DAYS = 30
#: hours that a caller's clock may be behind
LEEWAY_HOURS = 24
#: forward secrecy and authenticated encryption only, for what still speaks 1.2
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What `https` listeners show of themselves."""

    context: ssl.SSLContext
    #: SHA-256 of the certificate, pairs of hexadecimal digits with colons, as openssl prints it
    fingerprint: str
    #: the file with the certificate, for callers to trust
    certificate: str
    #: whether we made it
    is_own: bool
    #: whether its time is over, by the clock given
    is_over: bool = False


def identity(server: Server, listens: Sequence[Listen], *, folder: str, now: float) -> Identity:
    """Load the user's certificate, or our own from the folder, made when there is none.

    `listens` are the addresses that callers use; `now` is the wall clock.

    Raises:
        CannotListen: a file is missing, not what it should be, or may be read by others.
    """
    if server.tls.certificate is not None:
        key = server.tls.key or server.tls.certificate
        return _users(server.tls.certificate, key, now)
    names = names_of(server, listens)
    certificate = os.path.join(folder, CERTIFICATE_FILE)
    key = os.path.join(folder, KEY_FILE)
    try:
        if not _is_usable(certificate, key, names, now):
            _make(certificate, key, names, now)
        return _loaded(certificate, key, now, is_own=True)
    except (OSError, ValueError) as error:
        where = shown(os.fsencode(folder))
        raise CannotListen(
            f"the certificate of this API cannot be kept in {where}: {_why(error)}",
            hint="let this user write there, or name a certificate in server.tls",
        ) from error


def names_of(server: Server, listens: Sequence[Listen]) -> tuple[str, ...]:
    """Give the names and addresses that our own certificate is for, sorted."""
    names = {"localhost", "127.0.0.1", "::1", socket.gethostname()}
    names.update(name.rpartition(":")[0] if name.count(":") == 1 else name for name in server.hosts)
    names.update(each.host for each in listens if each.scheme is not Scheme.UNIX)
    return tuple(sorted({name.strip("[]").lower() for name in names if _is_name(name)}))


def _is_name(name: str) -> bool:
    with contextlib.suppress(ValueError):
        return not ipaddress.ip_address(name.strip("[]").partition("%")[0]).is_unspecified
    with contextlib.suppress(ValueError):
        x509.DNSName(name)
        return bool(name)
    return False


def _users(certificate: str, key: str, now: float) -> Identity:
    try:
        _check_mode(key)
        return _loaded(certificate, key, now, is_own=False)
    except (OSError, ValueError) as error:
        named = " and ".join(shown(os.fsencode(each)) for each in dict.fromkeys((certificate, key)))
        raise CannotListen(
            f"the certificate of server.tls ({named}) cannot be used: {_why(error)}",
            hint="name PEM files of a certificate with its chain and of its key, without a "
            "passphrase, readable by this user and closed to others",
        ) from error


def _check_mode(key: str) -> None:
    if private.is_open_to_all(key):
        raise ValueError("every user of this machine can read the key")


def _loaded(certificate: str, key: str, now: float, *, is_own: bool) -> Identity:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    # without a password at hand the library would ask for one on the terminal
    context.load_cert_chain(certificate, key, password=_no_passphrase)
    found = _read_certificate(certificate)
    digits = found.fingerprint(hashes.SHA256()).hex(":").upper()
    return Identity(
        context=context,
        fingerprint=digits,
        certificate=certificate,
        is_own=is_own,
        is_over=found.not_valid_after_utc.timestamp() <= now,
    )


def _no_passphrase() -> str:
    raise ValueError("the key is protected by a passphrase")


def _read_certificate(path: str) -> x509.Certificate:
    found = private.read(path, wants_privacy=False)
    if found is None:
        raise FileNotFoundError(errno.ENOENT, "no such file")
    return x509.load_pem_x509_certificate(found)


def _is_usable(certificate: str, key: str, names: tuple[str, ...], now: float) -> bool:
    try:
        found = _read_certificate(certificate)
        secret = private.read(key, wants_privacy=True)
        if secret is None:
            return False
        its = serialization.load_pem_private_key(secret, None).public_key()
        said = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, TypeError, x509.ExtensionNotFound):
        return False
    ends = found.not_valid_after_utc.timestamp() - timedelta(days=RENEWED_DAYS).total_seconds()
    begins = found.not_valid_before_utc.timestamp()
    return begins <= now < ends and its == found.public_key() and set(said) == set(_sans(names))


def _make(certificate: str, key: str, names: tuple[str, ...], now: float) -> None:
    secret = ec.generate_private_key(ec.SECP256R1())
    begins = datetime.fromtimestamp(now, tz=UTC) - timedelta(hours=LEEWAY_HOURS)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "masv-watch")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(secret.public_key())
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName(_sans(names)), critical=False)
        # it vouches for nobody else, also where somebody trusts it
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
        .sign(secret, hashes.SHA256())
    )
    pem = secret.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    private.write(key, pem, mode=0o600)
    private.write(certificate, made.public_bytes(serialization.Encoding.PEM), mode=0o644)


def _sans(names: Iterable[str]) -> list[x509.GeneralName]:
    sans: list[x509.GeneralName] = []
    for name in names:
        try:
            sans.append(x509.IPAddress(ipaddress.ip_address(name.partition("%")[0])))
        except ValueError:
            sans.append(x509.DNSName(name))
    return sans


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "not PEM").replace("_", " ").lower()
        return f"they do not fit together or are not PEM ({reason})"
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return str(error).partition("\n")[0]
