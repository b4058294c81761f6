"""Show the main job from a drop to a download, with nothing but the commands a user has.

Starts the sandbox cloud and the daemon, drops one large file and one tree of small files into two
hot folders, watches them travel, and downloads both packages again. Never imports masv_watch: it
drives the commands and speaks HTTP, as a user would. `make demo` runs it; the last line says
`demo: ok, ...` and the exit status is 0 only if every byte came back.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from outside import Command, DemoFailed, Web, free_port, wait
from screen import Journey, Screen, counted, told
from source import BLOCK, Contents, Drop, incompressible, is_ignored, libraries

TIMEOUT_S = 600.0
MASTER = "MASTER_A001.mov"
API_KEY = "sandbox-key"
PORTAL_CODE = "open-sesame"
PRODUCER = "producer@example.com"
CLIENT = "client@example.com"
CONFIGURATION = """\
version: 1
masv:
  api_url: {cloud}
  team: acme
  api_key: !env MASV_API_KEY
  link_url: "{cloud}/get/{{id}}?secret={{secret}}"
server: {{listen: "{daemon}"}}
state: {state}
mail:
  smtp: {{host: 127.0.0.1, port: {smtp_port}, tls: none}}
  from: Acme Delivery <delivery@example.com>
  alerts: {{to: [it@example.com]}}
hot_folders:
  - name: masters
    path: {masters}
    drop: each
    settle: {{quiet: 2s}}
    finalize: {{idle: 1s}}
    to: {{recipients: [{client}]}}
    link: {{mail_to: [{producer}]}}
  - name: cards
    path: {cards}
    drop: folder
    settle: {{quiet: 2s}}
    finalize: {{idle: 1s}}
    to: {{portal: vault, sender: dit@example.com, access_code: !env PORTAL_CODE}}
"""


class Stage:
    """The temporary folder and what runs in it."""

    def __init__(self, screen: Screen, folder: Path) -> None:
        self.screen, self.folder = screen, folder
        self.hot = {name: folder / "hot" / name for name in ("masters", "cards")}
        for path in self.hot.values():
            path.mkdir(parents=True)
        self.commands: dict[str, Command] = {}
        self.drops: dict[str, Drop] = {}
        self.journeys: list[Journey] = []
        self.team = ""
        self.mailed = ""

    def start(self) -> None:
        """Bring up the cloud, let the configuration be checked, bring up the daemon."""
        sandbox = self._run("sandbox", "--listen=127.0.0.1:0", "--smtp=127.0.0.1:0")
        ready = re.compile(r"sandbox ready: api=(\S+) smtp=(\S+) team=(\S+)")
        found = wait(
            "the sandbox's ready line",
            lambda: ready.search(sandbox.log.read_text("utf-8", "replace")),
            sandbox,
            within=60,
        )
        self.cloud, self.team = Web(found[1]), found[3]
        self.screen.moment("sandbox", found[0].removeprefix("sandbox "))
        self.daemon = Web(f"http://127.0.0.1:{free_port()}")
        self._configure(found[2].rpartition(":")[2])
        daemon = self._run("run", "-c", str(self.configuration))
        wait("readiness", lambda: self.daemon.answers("/readyz"), daemon, within=60)
        self.screen.moment("daemon", f"ready at {self.daemon.url}")

    def _run(self, *words: str) -> Command:
        if words[0] == "sandbox":
            words = (*words, f"--data={self.folder / 'cloud'}")
        secrets = {"MASV_API_KEY": API_KEY, "PORTAL_CODE": PORTAL_CODE}
        command = Command(list(words), self.folder / f"{words[0]}.log", secrets)
        self.commands[words[0]] = command
        return command

    def _configure(self, smtp_port: str) -> None:
        self.configuration = self.folder / "masv-watch.yml"
        paths = {name: json.dumps(str(path)) for name, path in self.hot.items()}
        text = CONFIGURATION.format(
            cloud=self.cloud.url,
            daemon=self.daemon.url,
            state=json.dumps(str(self.folder / "state")),
            smtp_port=smtp_port,
            client=CLIENT,
            producer=PRODUCER,
            **paths,
        )
        self.configuration.write_text(text)
        check = self._run("check", "-c", str(self.configuration))
        status = check.finish()
        self.screen.moment("check", f"{self.configuration}")
        for line in check.tail():
            self.screen.more(line)
        if status != 0:
            raise DemoFailed(f"`masv-watch check` ended with status {status}, see above")

    def drop(self, size_mib: int) -> None:
        """Begin to write into both hot folders, while the daemon watches."""
        library = Path(os.__file__).parent
        master, card = self.hot["masters"] / MASTER, self.hot["cards"] / library.name
        self.drops["masters"] = Drop("masters", lambda: incompressible(master, size_mib))
        self.drops["cards"] = Drop("cards", lambda: libraries(card))
        self.screen.moment("masters", f"dropping {MASTER}, {size_mib} MiB of random bytes")
        self.screen.moment("cards", f"dropping {library}, file by file, links followed")
        for drop in self.drops.values():
            drop.start()

    def travel(self) -> None:
        """Show both uploads from the drop to complete."""
        self.journeys = [Journey("masters", "team"), Journey("cards", "portal")]
        detailed_at = 0.0

        def arrived() -> bool:
            nonlocal detailed_at
            self._look_at_drops()
            self._look_at_uploads()
            if self.screen.now() - detailed_at >= 1:
                detailed_at = self.screen.now()
                self._look_at_files()
            self.screen.live("  ".join(journey.bar() for journey in self.journeys))
            return all("complete" in journey.moments for journey in self.journeys)

        self.wait("the delivery of both drops", arrived)

    def wait(self, what: str, condition: Callable[[], Any]) -> Any:
        """Wait while sandbox and daemon live."""
        running = [self.commands[name] for name in ("sandbox", "run")]
        return wait(what, condition, *running, within=TIMEOUT_S)

    def _look_at_drops(self) -> None:
        for name, drop in self.drops.items():
            if drop.error:
                raise DemoFailed(drop.error)
            if not drop.is_alive() and drop.unsaid:
                drop.unsaid = False
                size = told(sum(content.size for content in drop.contents.values()))
                files = counted(len(drop.contents))
                self.screen.moment(name, f"dropped: {files}, {size}")

    def _look_at_uploads(self) -> None:
        for view in self.daemon.get("/api/v1/uploads"):
            for journey in self.journeys:
                if view["type"] == journey.type:
                    if journey.upload_id not in ("", view["upload_id"]):
                        raise DemoFailed(f"{journey.hot_folder} made two uploads of one drop")
                    journey.look(view, self.screen)

    def _look_at_files(self) -> None:
        for journey in self.journeys:
            if journey.upload_id and "complete" not in journey.moments:
                files = self.daemon.get(f"/api/v1/uploads/{journey.upload_id}")["files"]
                sent = sum(file["progress"] >= file["size"] for file in files)
                journey.files = f" {sent}/{len(files)} files"

    def letter(self) -> str:
        """Wait for the mail of our own and give the link in it."""
        found = self.wait("the mail", self._letters)
        if len(found) > 1:
            raise DemoFailed(f"{PRODUCER} got {len(found)} letters instead of one")
        link = re.search(r"https?://\S+/get/\S+", found[0]["text"])
        if link is None:
            raise DemoFailed("the mail holds no link")
        self.screen.moment("mail", f"to {PRODUCER}: {found[0]['subject']}")
        self.screen.more(link[0])
        self.mailed = link[0]
        return link[0]

    def _letters(self) -> list[Any]:
        return [mail for mail in self.cloud.get("/_sandbox/mail") if PRODUCER in mail["to"]]

    def witness(self) -> dict[str, Any]:
        """Ask the sandbox what it holds, say it, and give the portal's package."""
        packages = self.cloud.get("/_sandbox/packages")
        for package in packages:
            calls, state = package["finalize_calls"], package["state"]
            whom = f"for portal {package['portal']}" if package["portal"] else "for the team"
            files = counted(len(package["files"]))
            said = f"{package['name']} {whom}: {state}, {files}"
            self.screen.moment("cloud", f"{said}, finalize asked {counted(calls, 'time')}")
            for address in filter(None, (link["email"] for link in package["links"])):
                self.screen.more(f"the cloud itself mails a link of its own to {address}")
            if (state, calls) != ("finalized", 1):
                raise DemoFailed(f"package {package['name']} was not finalized exactly once")
        portal = [package for package in packages if package["portal"]]
        if (len(packages), len(portal)) != (2, 1):
            raise DemoFailed(f"the cloud holds {len(packages)} packages instead of two")
        return dict(portal[0])

    def portal_link(self, package_id: str) -> str:
        """Make a link to the portal's package as the team that owns the portal does."""
        team = f"/v1.1/teams/{self.team}/packages/{package_id}"
        token = self.cloud.get(team, X_API_KEY=API_KEY)["access_token"]
        link = self.cloud.post(f"/v1/packages/{package_id}/links", X_Package_Token=token)
        self.screen.moment(
            "cards", "a portal mails no link, so its team makes one with its API key"
        )
        url = f"{self.cloud.url}/get/{link['id']}?secret={link['download_secret']}"
        self.screen.more(url)
        return url

    def fetch(self, name: str, link: str) -> Contents:
        """Download a package by its link and compare every file with what was dropped."""
        url, got, bytes_so_far = urlsplit(link), Contents(), 0

        def progress(count: int) -> None:
            nonlocal bytes_so_far
            bytes_so_far += count
            self.screen.live(f"{name} downloading {len(got)} files, {told(bytes_so_far)}")

        for file in self.cloud.get(f"{url.path}/files?{url.query}"):
            path = unquote_to_bytes("/".join(filter(None, (file["path"], file["name"]))))
            if path in got:
                raise DemoFailed(f"{path!r} is in the package twice")
            got[path] = self.cloud.content(f"{url.path}/file/{file['id']}?{url.query}", progress)
        self._compare(name, got)
        return got

    def _compare(self, name: str, got: Contents) -> None:
        dropped = self.drops[name].below(self.hot[name])
        left_out = {path for path in dropped if is_ignored(path)}
        kept = {path: content for path, content in dropped.items() if path not in left_out}
        differing = [path for path in sorted({*kept, *got}) if kept.get(path) != got.get(path)]
        if differing:
            first = "; ".join(difference(path, kept, got) for path in differing[:3])
            raise DemoFailed(f"{name}: {counted(len(differing))} not equal: {first}")
        size = told(sum(content.size for content in got.values()))
        self.screen.moment(name, f"downloaded: {counted(len(got))}, {size}, sha256 of each equal")
        for path in sorted(left_out):
            self.screen.more(f"left out by the built-in ignore list: {os.fsdecode(path)}")

    def stop(self) -> int:
        """End everything that runs, the daemon first, and give the daemon's exit status."""
        for drop in self.drops.values():
            drop.stopping.set()
            drop.join()
        statuses = {"run": 0}
        for command in running(self):
            began = self.screen.now()
            statuses[command.name] = command.stop()
            took = self.screen.now() - began
            said = f"stopped in {took:.1f} s, status {statuses[command.name]}"
            self.screen.moment(shown(command), said)
        return statuses["run"]


def difference(path: bytes, dropped: Contents, got: Contents) -> str:
    """Say in what a file differs."""
    if path not in got:
        return f"{path!r} did not arrive"
    return f"{path!r} has other bytes" if path in dropped else f"{path!r} should not be there"


def shown(command: Command) -> str:
    """Give a command the name it has on the screen."""
    return {"run": "daemon"}.get(command.name, command.name)


def roomy_folder(size_mib: int) -> Path:
    """Make a temporary folder where the source and the cloud's copy fit."""
    needed = 2 * size_mib * BLOCK + (1 << 30)
    places = [tempfile.gettempdir(), "/var/tmp", os.getcwd()]  # noqa: S108 - mkdtemp makes it ours
    for place in places:
        if os.path.isdir(place) and shutil.disk_usage(place).free > needed:
            return Path(tempfile.mkdtemp(prefix="masv-demo-", dir=place))
    raise DemoFailed(f"no room: {told(needed)} are needed in one of {', '.join(places)}")


def play(stage: Stage, size_mib: int) -> str:
    """Run the whole job and give the last line."""
    stage.start()
    stage.drop(size_mib)
    stage.travel()
    mailed = stage.letter()
    package = stage.witness()
    got = stage.fetch("masters", mailed)
    got |= stage.fetch("cards", stage.portal_link(package["id"]))
    began = min(journey.moments["transferring"] for journey in stage.journeys)
    seconds = max(journey.moments["complete"] for journey in stage.journeys) - began
    size = sum(content.size for content in got.values())
    rate = size / BLOCK / seconds
    stage.screen.say()
    stage.screen.say(
        "Measured from the first transferring to the last complete, both uploads in parallel, the\n"
        "second of finalize.idle included; source, daemon and cloud share this machine."
    )
    count = f"{len(got)} files, {size} bytes"
    return f"demo: ok, {count}, sha256 equal, {seconds:.1f} s, {rate:.1f} MiB/s"


def try_next(stage: Stage) -> None:
    """Say what can be done with what still runs."""
    api, cloud = stage.daemon.url, stage.cloud.url
    # the command beside the interpreter that runs this
    ours = os.path.join(os.path.dirname(os.path.relpath(sys.executable)), "masv-watch")
    upload, pids = stage.journeys[0].upload_id, [command.pid for command in running(stage)]
    stage.screen.say(f"""
Both keep running. Try next:
  see it all          {api}/ in a browser, or {ours} top -c {stage.configuration}
  drop something      cp -r SOME_FOLDER {stage.hot["cards"]}/
                      cp SOME_FILE {stage.hot["masters"]}/
  why is it (not)     {ours} explain -c {stage.configuration} {stage.hot["masters"]}/SOME_FILE
  see the uploads     curl -s {api}/api/v1/uploads
  one of them         curl -s {api}/api/v1/uploads/{upload}
  is it ready         curl -si {api}/readyz
  what the cloud has  curl -s {cloud}/_sandbox/packages
  the mails           curl -s {cloud}/_sandbox/mail
  the download page   {stage.mailed}
  the configuration   {stage.configuration}
  the daemon's log    tail -f {stage.commands["run"].log}
  stop both           kill {" ".join(map(str, pids))}
  remove everything   rm -r {stage.folder}
""")


def running(stage: Stage) -> list[Command]:
    """List the two commands that stay."""
    return [stage.commands[name] for name in ("run", "sandbox") if name in stage.commands]


def explain(stage: Stage) -> None:
    """Print what helps to understand a failure."""
    for journey in stage.journeys:
        stage.screen.say(journey.bar())
    for command in running(stage):
        stage.screen.say(f"The last lines of the {shown(command)}'s log:")
        for line in command.tail():
            stage.screen.say(f"  {line}")


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="The main job, from a drop to a download.")
    parser.add_argument("--keep", action="store_true", help="leave sandbox and daemon running")
    parser.add_argument("--size-mib", type=int, default=1024, help="size of the large file")
    return parser.parse_args()


def main() -> int:
    """Play, clean up, and say the last line."""
    asked, screen = options(), Screen()
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.default_int_handler)
    stage, last = None, ""
    try:
        folder = roomy_folder(asked.size_mib)
        screen.moment("demo", f"in {folder}")
        stage = Stage(screen, folder)
        last = play(stage, asked.size_mib)
    except DemoFailed as error:
        last = f"demo: FAILED, {error}"
    except (LookupError, OSError, TypeError, ValueError, HTTPException) as error:
        last = f"demo: FAILED, something answered in another form than expected: {error!r}"
    except KeyboardInterrupt:
        last = "demo: FAILED, stopped by hand"
    # From here on everything is being ended; a second Ctrl-C would leave half of it behind.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if stage is not None:
        last = leave(stage, last, keep=asked.keep)
    screen.say(last)
    return 0 if last.startswith("demo: ok") else 1


def leave(stage: Stage, last: str, *, keep: bool) -> str:
    """Say how to go on with what runs, or stop and remove everything; give the last line."""
    is_good = last.startswith("demo: ok")
    if keep and is_good:
        try_next(stage)
        return last
    if not is_good:
        explain(stage)
    status = stage.stop()
    if keep:
        stage.screen.say(f"Kept for a look: {stage.folder}")
    else:
        shutil.rmtree(stage.folder, ignore_errors=True)
    if is_good and status != 0:
        return f"demo: FAILED, the daemon stopped with status {status}"
    return last


if __name__ == "__main__":
    sys.exit(main())
