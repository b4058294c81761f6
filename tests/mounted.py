"""Real file systems for tests that need more than one.

Owns mounting a tmpfs or an ext4 image and taking all of it down again. Never part of the product.
Where this user may not mount, the test that asks is skipped with the reason.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

import pytest

#: the UUID of what only takes a number
SPARE = "77777777-2222-3333-4444-555555555555"


class Mounts:
    """What one test has mounted."""

    def __init__(self) -> None:
        self._points: list[Path] = []

    def tmpfs(self, point: Path, *options: str) -> None:
        """Mount a new, empty file system in memory."""
        words = ["-o", ",".join(options)] if options else []
        self._mount(point, "-t", "tmpfs", *words, "masv-test")

    def image(self, point: Path, image: Path, *options: str) -> None:
        """Mount an image that `make_image` made."""
        self._mount(point, "-o", ",".join(("loop", *options)), str(image))

    def image_anew(self, point: Path, image: Path, *options: str, was: int, spare: Path) -> None:
        """Mount an image under another device number than it had, which a spare one has by then.

        Somebody else's may have it for a moment only: then it is given away once more.
        """
        for number in range(8):
            self.image(
                spare.with_name(f"{spare.name}{number}"),
                make_image(spare.with_name(f"{spare.name}{number}.img"), SPARE, "SPARE"),
            )
            self.image(point, image, *options)
            if point.stat().st_dev != was:
                return
            self.leave(point)
        raise AssertionError(f"the number {was} was free again and again")

    def bind(self, point: Path, folder: Path) -> None:
        """Let a folder stand at another place as well."""
        self._mount(point, "--bind", str(folder))

    def make_read_only(self, point: Path) -> None:
        """Let nobody write there any more."""
        subprocess.run(["mount", "-o", "remount,ro", str(point)], check=True)

    def leave(self, point: Path) -> None:
        """Unmount; its folder stays, empty."""
        subprocess.run(["umount", str(point)], check=True)
        self._points.remove(point)

    def end(self) -> None:
        """Unmount all that is left."""
        for point in reversed(self._points):
            subprocess.run(["umount", "-l", str(point)], check=False)

    def _mount(self, point: Path, *words: str) -> None:
        point.mkdir(exist_ok=True)
        done = subprocess.run(
            ["mount", *words, str(point)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"this user may not mount: {done.stderr.strip()}")
        self._points.append(point)


def make_image(path: Path, uuid: str, label: str) -> Path:
    """Make a small ext4 image with this UUID."""
    tool = shutil.which("mkfs.ext4") or "/usr/sbin/mkfs.ext4"
    if not Path(tool).exists():
        pytest.skip("mkfs.ext4 is not installed")
    with path.open("wb") as file:
        file.truncate(4 << 20)
    subprocess.run([tool, "-q", "-F", "-U", uuid, "-L", label, str(path)], check=True)
    return path


class Silent:
    """A mounted file system whose server never answers: whatever looks at it hangs (fault 10).

    A real one of the kernel's own (FUSE), of which nobody reads the questions.
    """

    def __init__(self, point: Path) -> None:
        """Mount it; the test is skipped where that is not allowed."""
        point.mkdir(exist_ok=True)
        self.point = point
        try:
            self._server = os.open("/dev/fuse", os.O_RDWR)
        except OSError as error:
            pytest.skip(f"there is no FUSE: {error}")
        options = f"fd={self._server},rootmode=40000,user_id=0,group_id=0,subtype=silent"
        library = ctypes.CDLL(None, use_errno=True)
        words = (b"silent", os.fsencode(point), b"fuse")
        if library.mount(*words, ctypes.c_ulong(0), options.encode()):
            os.close(self._server)
            pytest.skip(f"this user may not mount: {os.strerror(ctypes.get_errno())}")
        self._is_mounted = True

    def end(self) -> None:
        """Let everybody who hangs go, with an error, and unmount."""
        if self._is_mounted:
            self._is_mounted = False
            os.close(self._server)
            subprocess.run(["umount", "-l", str(self.point)], check=False)
