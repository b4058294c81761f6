"""Synthetic camera cards: paths with their contents, and which of them a card cannot do without.

Owns the structures as the makers document them. Never judges one. Used by the tests of
completeness, pure and with real files.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from masv_watch.config.cards import read_all
from masv_watch.model import Card, Identity, Incomplete, Rule, To, Wholeness
from masv_watch.watch.listing import Listing

Contents = Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One card."""

    #: path -> content
    files: Contents
    #: paths without which it is not whole
    required: Collection[bytes]
    #: folders that hold no file
    empty: Collection[bytes] = field(default=())


def card(name: str) -> Card:
    """Give a profile that ships."""
    found = read_all({"defaults": {"bundles": [name]}}, beside="/")
    assert (found.faults, found.problems) == ([], [])
    return found.known[name]


def rule(*names: str, incomplete: Incomplete | None = Incomplete.HOLD, **whole: object) -> Rule:
    """Give a rule that asks for these cards, and for what else is said."""
    wants = Wholeness(cards=tuple(map(card, names)), incomplete=incomplete, **whole)  # type: ignore[arg-type]
    return Rule(name="hot", path=b"/hot", to=To(recipients=()), whole=wants, at="w.yml:7")


def listing(files: Contents, top: bytes = b"card", *, folders: Collection[bytes] = ()) -> Listing:
    """Give what a sweep would show of these files."""
    known = {b"/".join(path.split(b"/")[:depth]) for path in files for depth in range(1, 40)}
    above = {path.rpartition(b"/")[0] for path in known} - {b""}
    placed = [(path, identity(len(content))) for path, content in files.items()]
    return Listing(top, "folder", placed, folders=sorted({*above, *folders, top}))


def identity(size: int) -> Identity:
    """Give an identity of this size."""
    return Identity(size=size, mtime_ns=1, ctime_ns=1, inode=1, device=1)


def p2(base: bytes = b"card/", clips: Collection[bytes] = (b"0001AB", b"0002CD")) -> Made:
    """Two clips of four channels, with the files that a camera adds."""
    required, files = set(), {}
    for clip in clips:
        audio = b"<Audio><AudioFormat>MXF</AudioFormat></Audio>" * 4
        files[base + b"CONTENTS/CLIP/" + clip + b".XML"] = (
            b'<?xml version="1.0" encoding="UTF-8"?><P2Main xmlns="urn:schemas-Professional-Plug-in'
            b':P2:ClipMetadata:v3.1"><ClipContent><ClipName>' + clip + b"</ClipName><EssenceList>"
            b"<Video><VideoFormat>MXF</VideoFormat></Video>" + audio + b"</EssenceList>"
            b"</ClipContent></P2Main>"
        )
        files[base + b"CONTENTS/VIDEO/" + clip + b".MXF"] = b"picture"
        for channel in range(4):
            files[base + b"CONTENTS/AUDIO/%b%02d.MXF" % (clip, channel)] = b"sound"
        required |= files.keys()
        files[base + b"CONTENTS/ICON/" + clip + b".BMP"] = b"icon"
    required -= {path for path in required if b"/ICON/" in path}
    files[base + b"CONTENTS/VOICE/0001AB00.WAV"] = b"memo"
    files[base + b"CONTENTS/PROXY/0001AB.MP4"] = b"proxy"
    files[base + b"LASTCLIP.TXT"] = b"0002CD"
    return Made(files=files, required=required)


def xdroot(base: bytes = b"card/XDROOT/") -> Made:
    """A card of MXF files with proxies and thumbnails, as newer cameras write it."""
    files, listed, required = {}, b"", {base + b"MEDIAPRO.XML"}
    for clip in (b"C0001", b"C0002"):
        files[base + b"Clip/" + clip + b".MXF"] = b"media"
        files[base + b"Clip/" + clip + b"M01.XML"] = b"<NonRealTimeMeta/>"
        required |= files.keys()
        listed += (
            b'<Material uri="./Clip/' + clip + b'.MXF" type="MXF"><Proxy uri="./Sub/' + clip
            + b'S03.MP4" type="MP4"/><RelevantInfo uri="./Clip/' + clip + b'M01.XML" type="XML"/>'
            b'<RelevantInfo uri="./Thmbnl/' + clip + b'T01.JPG" type="JPG"/></Material>'
        )  # fmt: skip
    for clip in (b"C0001", b"C0002"):
        files[base + b"Sub/" + clip + b"S03.MP4"] = b"proxy"
        files[base + b"Thmbnl/" + clip + b"T01.JPG"] = b"small"
    files[base + b"MEDIAPRO.XML"] = _mediapro(listed)
    files[base + b"DISCMETA.XML"] = b"<DiscMeta/>"
    files[base + b"CUEUP.XML"] = b"\xff" * 16
    return Made(files=files, required=required, empty=[base + b"Edit", base + b"General"])


def disc(base: bytes = b"card/") -> Made:
    """An older disc, which has no MEDIAPRO.XML."""
    files, required = {}, {base + b"INDEX.XML"}
    for clip in (b"C0001", b"C0002"):
        files[base + b"Clip/" + clip + b".MXF"] = b"media"
        files[base + b"Clip/" + clip + b"M01.XML"] = b"<NonRealTimeMeta/>"
        required |= files.keys()
    for clip in (b"C0001", b"C0002"):
        files[base + b"Sub/" + clip + b"S01.MXF"] = b"proxy"
    files[base + b"Edit/E0001E01.SMI"] = b"<smil/>"
    files[base + b"Edit/E0001M01.XML"] = b"<NonRealTimeMeta/>"
    files[base + b"INDEX.XML"] = b"<index/>"
    files[base + b"DISCMETA.XML"] = b"<DiscMeta/>"
    return Made(files=files, required=required)


def bpav(base: bytes = b"card/") -> Made:
    """An XDCAM EX card; the first recording spans two clips."""
    files, listed, required = {}, b"", {base + b"BPAV/MEDIAPRO.XML"}
    optional = set()
    for clip in (b"709_0001_01", b"709_0001_02", b"709_0002_01"):
        here = base + b"BPAV/CLPR/" + clip + b"/" + clip
        for ending in (b".MP4", b"M01.XML", b".SMI", b"R01.BIM", b"I01.PPN"):
            files[here + ending] = b"<x/>"
        optional |= {here + b"R01.BIM", here + b"I01.PPN"}
        listed += (
            b'<Material uri="./CLPR/' + clip + b"/" + clip + b'.SMI" type="PD-EDL"><Component '
            b'uri="urn:smpte:umid:0"/><RelevantInfo uri="./CLPR/' + clip + b"/" + clip
            + b'M01.XML" type="XML"/></Material>'
        )  # fmt: skip
    required |= files.keys() - optional
    files[base + b"BPAV/MEDIAPRO.XML"] = _mediapro(listed)
    files[base + b"BPAV/CUEUP.XML"] = b"\xff" * 16
    files[base + b"BPAV/TAKR/709_0001/709_0001.SMI"] = b"<smil/>"
    files[base + b"BPAV/TAKR/709_0001/709_0001M01.XML"] = b"<NonRealTimeMeta/>"
    return Made(files=files, required=required)


def proav(base: bytes = b"card/") -> Made:
    """The layout that players called SAM."""
    files, optional = {}, set()
    for clip in (b"C0001", b"C0002"):
        here = base + b"PROAV/CLPR/" + clip + b"/" + clip
        for ending in (b"C01.SMI", b"V01.MXF", b"M01.XML", b"A01.MXF", b"A02.MXF", b"A03.MXF"):
            files[here + ending] = b"<x/>"
        # names alone do not say how many channels there were
        optional |= {here + b"A03.MXF"}
    files[base + b"PROAV/INDEX.XML"] = b"<index/>"
    required = files.keys() - optional
    files[base + b"PROAV/DISCMETA.XML"] = b"<DiscMeta/>"
    return Made(files=files, required=required)


def red(base: bytes = b"card/") -> Made:
    """A magazine of two clips, the first of three pieces, the second of one."""
    reel = base + b"A001_1103AB.RDM/"
    long, short = b"A001_C001_1103XY", b"A001_C002_1103QR"
    files = {reel + long + b".RDC/" + long + b"_%03d.R3D" % piece: b"media" for piece in (1, 2, 3)}
    files[reel + short + b".RDC/" + short + b"_001.R3D"] = b"media"
    # which piece is the last one no name says
    required = files.keys() - {reel + long + b".RDC/" + long + b"_003.R3D"}
    files[reel + long + b".RDC/" + long + b".RMD"] = b"look"
    files[reel + short + b".RDC/" + short + b".rtn"] = b"small"
    files[reel + b"digital_magazine.bin"] = b"magazine"
    return Made(files=files, required=required)


def _mediapro(listed: bytes) -> bytes:
    return (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<MediaProfile '
        b'xmlns="http://xmlns.sony.net/pro/metadata/mediaprofile" version="2.30"><Properties>'
        b'<System systemId="0"/></Properties><Contents>' + listed + b"</Contents></MediaProfile>"
    )
