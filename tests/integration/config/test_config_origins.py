"""Every value that counts, and where it comes from."""

from __future__ import annotations

from pathlib import Path

from masv_watch.config import effective

SHIPPED = Path(__file__).parents[3] / "config"
ENVIRON = {
    name: f"canary-{name}-0123456789"
    for name in (
        "MASV_API_KEY",
        "MASV_WATCH_TOKEN",
        "SMTP_PASSWORD",
        "PORTAL_CODE",
        "PACKAGE_PASSWORD",
    )
}
TEXT = """\
version: 1
masv: {team: !env {name: TEAM, default: acme}, api_key: !env MASV_API_KEY}
defaults:
  settle: {quiet: 20s}
  ignore: ["*.xmp"]
hot_folders:
  - {name: out, path: /srv/out, to: {recipients: [a@example.com]}}
  - name: own
    path: /srv/own
    to: {portal: p, sender: a@example.com, access_code: canary-inline}
    settle: {quiet: 1h}
"""


def shown(path: Path) -> dict[str, tuple[str, str]]:
    found = effective.effective(str(path), environ=ENVIRON)
    assert len({each.key for each in found}) == len(found)
    return {each.key: (each.value, each.origin.replace(f"{path.parent}/", "")) for each in found}


def test_each_value_is_shown_with_where_it_comes_from(tmp_path: Path) -> None:
    """Pain 11: default, `defaults:`, the folder's own line, the environment."""
    path = tmp_path / "w.yml"
    path.write_text(TEXT)

    found = shown(path)

    assert found["masv.team"] == ("acme", "!env TEAM at w.yml:2")
    assert found["masv.api_key"] == ("***", "!env MASV_API_KEY at w.yml:2")
    assert found["masv.api_url"] == ("https://api.massive.app", "default")
    assert found["hot_folders[0].settle.quiet"] == ("20s", "w.yml:4")
    assert found["hot_folders[1].settle.quiet"] == ("1h", "w.yml:11")
    assert found["hot_folders[0].ignore"] == ('["*.xmp"]', "w.yml:5")
    assert found["hot_folders[0].settle.warn_after"] == ("6h", "default")
    assert found["hot_folders[0].settle.samples"] == ("3", "default")
    assert found["hot_folders[0].drop"] == ("each", "default")
    assert found["hot_folders[1].to.access_code"] == ("***", "w.yml:10")
    assert found["hot_folders[0].limits.per_drop"] == ("15 TB", "default")
    assert found["hot_folders[0].schedule"] == ("always open", "default")
    assert found["transfer.chunk_size"] == ("100 MiB", "default")
    assert "canary" not in str(found)


def test_file_that_writes_every_key_has_no_default_left_but_unwritten_ones() -> None:
    """Every key of the reference is found where it is written, and no secret is shown."""
    found = shown(SHIPPED / "reference.yml")

    first = {key: origin for key, (_, origin) in found.items() if "hot_folders[" not in key}
    assert [key for key, origin in first.items() if origin == "default"] == []
    assert "canary" not in str(found)
