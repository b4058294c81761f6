"""Run a command of a unit within the unit's own limits, in a root of its own, without systemd.

Owns the reading of a unit with its drop-ins and what the kernel is asked for: mounts, user,
capabilities, system calls. Never part of the product. Started by the tests of the Debian package,
as root and in a mount namespace of its own:

    unshare --mount --propagation private python limits.py ROOT KEY

KEY is ExecStart or ExecStartPre. What is not imposed: ProtectHostname, ProtectClock (their calls
are refused by the filter), IPAccounting and other cgroup settings, PrivateIPC, KeyringMode,
RestrictNamespaces and RestrictRealtime beyond the filter.
"""

from __future__ import annotations

import ctypes
import os
import re
import resource
import shlex
import struct
import subprocess
import sys
from pathlib import Path

NAME = "masv-watch.service"
USER = "masv-watch"
CREDENTIALS = f"/run/credentials/{NAME}"
NOTIFY = "/run/masv-watch-notify"

_LIBC = ctypes.CDLL(None, use_errno=True)
_NO_NEW_PRIVILEGES, _SECCOMP, _DROP_CAPABILITY, _NO_WRITE_AND_EXECUTE = 38, 22, 24, 65
_FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
#: AUDIT_ARCH_*, by what `uname -m` says
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_ALLOW, _KILL, _EPERM = 0x7FFF0000, 0x80000000, 0x00050001


def settings_of(root: Path) -> dict[str, list[str]]:
    """Read the unit and its drop-ins: every value of a key, an empty one forgets those before."""
    files = [root / "lib/systemd/system" / NAME]
    files += sorted((root / "etc/systemd/system" / f"{NAME}.d").glob("*.conf"))
    found: dict[str, list[str]] = {}
    for file in files:
        for line in file.read_text().splitlines():
            key, sign, value = line.partition("=")
            if not sign or line.startswith(("#", ";", "[")):
                continue
            if value:
                found.setdefault(key, []).append(value)
            else:
                found[key] = []
    return found


def _run(*words: object) -> None:
    subprocess.run([str(word) for word in words], check=True)


def _paths(unit: dict[str, list[str]], key: str) -> list[str]:
    words = [word for line in unit.get(key, []) for word in shlex.split(line)]
    return [word.lstrip("-").replace("%%", "%") for word in words]


def enclose(root: Path, unit: dict[str, list[str]], uid: int) -> None:
    """Mount what the service sees: everything read-only but what a line opens."""
    _run("mount", "--bind", root, root)
    _own_temporary(root, unit)
    _devices(root)
    _run("mount", "-t", "proc", "-o", "hidepid=2", "proc", root / "proc")
    _run("mount", "--rbind", "/sys", root / "sys")
    for folder, mode in (
        (f"var/lib/{unit['StateDirectory'][-1]}", unit["StateDirectoryMode"][-1]),
        (f"run/{unit['RuntimeDirectory'][-1]}", unit["RuntimeDirectoryMode"][-1]),
    ):
        (root / folder).mkdir(parents=True, exist_ok=True)
        os.chown(root / folder, uid, uid)
        (root / folder).chmod(int(mode, 8))
        _run("mount", "--bind", root / folder, root / folder)
    for path in _paths(unit, "ReadWritePaths"):
        if (root / path.lstrip("/")).is_dir():
            _run("mount", "--bind", root / path.lstrip("/"), root / path.lstrip("/"))
    _credentials(root, unit, uid)
    if unit.get("ProtectHome", ["no"])[-1] == "tmpfs":
        for home in ("home", "root"):
            _run("mount", "-t", "tmpfs", "-o", "ro,mode=755", "tmpfs", root / home)
    assert unit["ProtectSystem"][-1] == "strict"
    _run("mount", "-o", "remount,bind,ro", root)
    _run("mount", "--bind", root / "proc/sys", root / "proc/sys")
    _run("mount", "-o", "remount,bind,ro", root / "proc/sys")


def _own_temporary(root: Path, unit: dict[str, list[str]]) -> None:
    assert unit["PrivateTmp"][-1] == "yes"
    bound = {path: root / "mnt" / str(at) for at, path in enumerate(_paths(unit, "BindPaths"))}
    for path, beside in bound.items():
        beside.mkdir(exist_ok=True)
        _run("mount", "--bind", root / path.lstrip("/"), beside)
    for folder in (root / "tmp", root / "var/tmp"):
        own = folder / f"systemd-private-0-{NAME}-x" / "tmp"
        own.mkdir(parents=True, exist_ok=True)
        own.chmod(0o1777)
        _run("mount", "--bind", own, folder)
    for path, beside in bound.items():
        (root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
        _run("mount", "--bind", beside, root / path.lstrip("/"))


def _devices(root: Path) -> None:
    _run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", root / "dev")
    for name, minor in (("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9)):
        os.mknod(root / "dev" / name, 0o020666, os.makedev(1, minor))
        (root / "dev" / name).chmod(0o666)
    (root / "dev/shm").mkdir()
    _run("mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", root / "dev/shm")


def _credentials(root: Path, unit: dict[str, list[str]], uid: int) -> None:
    folder = root / CREDENTIALS.lstrip("/")
    folder.mkdir(parents=True, exist_ok=True)
    _run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder)
    for line in unit["LoadCredential"]:
        name, _, source = line.partition(":")
        stored = root / "etc/credstore" / source
        if stored.exists():
            (folder / name).write_bytes(stored.read_bytes())
            os.chown(folder / name, uid, uid)
            (folder / name).chmod(0o400)


def allowed_calls(unit: dict[str, list[str]]) -> list[int]:
    """Give the numbers of the system calls that the unit's filter lets through."""
    names: set[str] = _group("@default")
    for line in unit["SystemCallFilter"]:
        groups = [_group(word) for word in line.lstrip("~").split()]
        names = names.difference(*groups) if line.startswith("~") else names.union(*groups)
    source = subprocess.run(
        ["cc", "-E", "-dM", "-"], input="#include <sys/syscall.h>\n",
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    numbers = dict(re.findall(r"^#define __NR_(\w+) (\d+)$", source, re.M))
    return sorted(int(numbers[name]) for name in names if name in numbers)


def _group(name: str) -> set[str]:
    if not name.startswith("@"):
        return {name}
    told = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager", name],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    words = [line.strip() for line in told.splitlines()[1:]]
    members = [_group(word) for word in words if word and not word.startswith("#")]
    return set().union(*members)


def _filter(allowed: list[int], families: list[int], socket_call: int) -> bytes:
    """Write the program that the kernel asks before every system call."""

    def step(code: int, value: int, *, then: int = 0, otherwise: int = 0) -> bytes:
        return struct.pack("=HBBI", code, then, otherwise, value)

    load, equal, give = 0x20, 0x15, 0x06
    program = [
        step(load, 4),
        step(equal, _ARCHITECTURES[os.uname().machine], then=1),
        step(give, _KILL),
        step(load, 0),
        # a socket of another family than the unit names is refused
        step(equal, socket_call, otherwise=len(families) + 3),
        step(load, 16),
    ]
    for at, family in enumerate(families):
        program.append(step(equal, family, then=len(families) - at))
    program += [step(give, _EPERM), step(give, _ALLOW)]
    for number in allowed:
        program += [step(equal, number, otherwise=1), step(give, _ALLOW)]
    return b"".join([*program, step(give, _EPERM)])


def _prctl(*words: int) -> None:
    if _LIBC.prctl(*(ctypes.c_ulong(word) for word in words), *(ctypes.c_ulong(0),) * 3) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl {words[0]}: {os.strerror(number)}")


def confine(unit: dict[str, list[str]], uid: int, program: bytes) -> None:
    """Become the service's user, with nothing left that the unit takes away."""
    # a machine may allow even root no more
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = min(int(unit["LimitNOFILE"][-1]), most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(int(unit["UMask"][-1], 8))
    assert unit["NoNewPrivileges"][-1] == "yes"
    assert unit.get("CapabilityBoundingSet", []) == []
    with open("/proc/sys/kernel/cap_last_cap") as last:
        for capability in range(int(last.read()) + 1):
            _prctl(_DROP_CAPABILITY, capability)
    groups = [
        _number(name) for line in unit.get("SupplementaryGroups", []) for name in line.split()
    ]
    os.setgroups([uid, *groups])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    _prctl(_NO_NEW_PRIVILEGES, 1)
    assert unit["MemoryDenyWriteExecute"][-1] == "yes"
    _prctl(_NO_WRITE_AND_EXECUTE, 1)
    kept = ctypes.create_string_buffer(program, len(program))
    whole = ctypes.create_string_buffer(
        struct.pack("=HxxxxxxQ", len(program) // 8, ctypes.addressof(kept))
    )
    _prctl(_SECCOMP, 2, ctypes.addressof(whole))


def _number(group: str) -> int:
    if group.isdigit():
        return int(group)
    with open("/etc/group") as lines:
        return next(int(line.split(":")[2]) for line in lines if line.startswith(f"{group}:"))


def main(root: Path, key: str) -> None:
    """Become the command."""
    unit = settings_of(root)
    entry = next(
        line.split(":") for line in (root / "etc/passwd").read_text().splitlines()
        if line.startswith(f"{USER}:")
    )  # fmt: skip
    uid = int(entry[2])
    families = [_FAMILIES[name] for name in unit["RestrictAddressFamilies"][-1].split()]
    allowed = allowed_calls(unit)
    source = subprocess.run(
        ["cc", "-E", "-dM", "-"], input="#include <sys/syscall.h>\n",
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    (socket_call,) = re.findall(r"^#define __NR_socket (\d+)$", source, re.M)
    enclose(root, unit, uid)
    words = unit[key][-1].lstrip("-").split()
    environ = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "USER": USER, "HOME": entry[5], "LANG": "C.UTF-8",
        "STATE_DIRECTORY": f"/var/lib/{unit['StateDirectory'][-1]}",
        "RUNTIME_DIRECTORY": f"/run/{unit['RuntimeDirectory'][-1]}",
        "CREDENTIALS_DIRECTORY": CREDENTIALS,
        "SYSTEMD_EXEC_PID": str(os.getpid()),
        "NOTIFY_SOCKET": NOTIFY, "WATCHDOG_USEC": "60000000",
    }  # fmt: skip
    os.chroot(root)
    os.chdir("/")
    confine(unit, uid, _filter(allowed, families, int(socket_call)))
    os.execve(words[0], words, environ)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
