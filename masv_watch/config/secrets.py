"""Fetch what `!env`, `!file`, `!secret` and `!credential` name.

Owns where a secret may come from and how closely its file is guarded. Never shows a value: problems
name the variable or the file only. Called by `load` for every tag in the file, on every load.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from masv_watch.config import nodes
from masv_watch.config.guarded import check_mode, read_text
from masv_watch.config.origins import BROKEN, NOT_READ, FromEnv, Plain
from masv_watch.config.problems import (
    TOP,
    Problem,
    Source,
    Wrong,
    listed,
    nearest,
    path_text,
    printable,
)
from masv_watch.model import Secret

_TOKEN = ("server", "token")
#: the keys whose values are secrets; `*` stands for any position in a list
PLACES = (
    ("masv", "api_key"),
    ("masv", "proxy", "password"),
    ("mail", "smtp", "password"),
    ("hot_folders", "*", "to", "access_code"),
    ("hot_folders", "*", "package", "password"),
    ("hot_folders", "*", "notify", "*", "slack"),
    ("hot_folders", "*", "notify", "*", "webhook"),
    _TOKEN,
)
_LARGEST = 64 * 1024
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_CREDENTIAL = re.compile(r"[A-Za-z0-9_.@:-]+", re.ASCII)


@dataclass(slots=True)
class Resolver:
    """What fetching has met so far."""

    file: str
    source: Source
    environ: Mapping[str, str]
    #: whether secrets are read; a command beside the daemon has no need of them, and no right
    wants_secrets: bool = True
    #: whether credentials of the unit may be left unread where there are none: outside of it
    is_outside: bool = False
    problems: list[Problem] = field(default_factory=list)
    secrets: list[Secret] = field(default_factory=list)
    #: paths of secrets that stand in the file itself
    inline: list[tuple[str | int, ...]] = field(default_factory=list)
    #: credentials that were left unread, with the paths of the secrets that they are
    unseen: list[tuple[tuple[str | int, ...], str]] = field(default_factory=list)
    #: files of secrets already read: name -> value with its line, or None when there is no file
    books: dict[str, dict[str, Secret] | None] = field(default_factory=dict)
    sources: list[Source] = field(default_factory=list)
    #: of the files that are part of this one, by where in it their values stand
    parts: Mapping[tuple[str | int, ...], Source] = field(default_factory=dict)


def plain(resolver: Resolver, tree: nodes.Tree, path: tuple[str | int, ...] = ()) -> Plain:
    """Give the tree as plain values, every tag replaced by what it names."""
    if path in resolver.parts:
        # what a part names is looked for beside it, and what is wrong is told in its lines
        source = resolver.parts[path]
        others = {key: each for key, each in resolver.parts.items() if key != path}
        resolver = replace(resolver, file=source.file, source=source, parts=others)
    if isinstance(tree, nodes.Sequence):
        return [plain(resolver, one, (*path, at)) for at, one in enumerate(tree.elements)]
    if isinstance(tree, nodes.Mapping) and tree.tag is None:
        return {
            key: plain(resolver, value, (*path, key)) for key, (_, value) in tree.entries.items()
        }
    if isinstance(tree, nodes.Scalar) and tree.is_broken:
        return BROKEN
    value: Plain = tree.value if isinstance(tree, nodes.Scalar) and not tree.tag else None
    is_elsewhere = _is_elsewhere(resolver, tree)
    if tree.tag and is_secret_place(path) and (is_elsewhere or not resolver.wants_secrets):
        return _lenient(resolver, tree, path)
    if tree.tag:
        try:
            value = _fetched(resolver, tree)
        except Wrong as wrong:
            where = nodes.locate(tree, wrong.below)
            resolver.problems.append(resolver.source.problem(where, path_text(path), wrong.message))
            return BROKEN
    return _guarded(resolver, tree, path, value)


def _lenient(resolver: Resolver, tree: nodes.Tree, path: tuple[str | int, ...]) -> Plain:
    """Leave a secret unread.

    Where none is wanted that is not so for the token of our own API: a command may have a use for
    it. Where they are wanted, it is noted.
    """
    if resolver.wants_secrets and isinstance(tree, nodes.Scalar):
        resolver.unseen.append((path, tree.text.strip()))
    elif path == _TOKEN:
        trial = replace(resolver, wants_secrets=True, problems=[], secrets=[], books={}, sources=[])
        value = plain(trial, tree, path)
        if not trial.problems:
            resolver.secrets += trial.secrets
            return value
    return Secret(NOT_READ, NOT_READ)


def _guarded(
    resolver: Resolver, tree: nodes.Tree, path: tuple[str | int, ...], value: Plain
) -> Plain:
    """Turn what stands at a secret's place into a secret."""
    if is_secret_place(path) and isinstance(value, str):
        if isinstance(value, FromEnv):
            value = Secret(str(value), value.origin)
        else:
            resolver.inline.append(path)
            value = Secret(value, f"{resolver.file}:{tree.start.line}")
    if isinstance(value, Secret):
        try:
            _check_value(value)
        except Wrong as wrong:
            resolver.problems.append(
                resolver.source.problem(tree.start, path_text(path), wrong.message)
            )
            return BROKEN
        resolver.secrets.append(value)
    return value


def is_secret_place(path: tuple[str | int, ...]) -> bool:
    """Say whether a secret belongs at this path."""
    steps = tuple("*" if isinstance(step, int) else step for step in path)
    return steps in PLACES


def _check_value(value: Secret) -> None:
    text = value.reveal()
    where = f" ({value.origin})" if value.origin else ""
    if not text:
        raise Wrong(f"the secret is empty{where} - put it there, in one line")
    if not text.isprintable():
        advice = "one line with nothing else in it is a secret"
        raise Wrong(f"the secret holds a line break or a control character{where} - {advice}")


def _fetched(resolver: Resolver, tree: nodes.Tree) -> Plain:
    if isinstance(tree, nodes.Mapping):
        return _env_with_default(resolver, tree)
    assert isinstance(tree, nodes.Scalar)  # noqa: S101 - a list carries no tag (nodes, law 2)
    tag, name = tree.tag, tree.text.strip()
    if tag == "!include":
        raise Wrong("!include is for the configuration itself - write it out here")
    if not name:
        raise Wrong(f"{tag} takes a name - for example `{tag} NAME`")
    if tag == "!env":
        return _env(resolver, name)
    if tag == "!file":
        return _file(os.path.join(os.path.dirname(os.path.abspath(resolver.file)), name))
    if tag == "!credential":
        return _credential(resolver, name)
    return _secret(resolver, name)


def _env(resolver: Resolver, name: str, default: str | None = None) -> Plain:
    if _VARIABLE.fullmatch(name) is None:
        raise Wrong("!env takes the name of a variable - letters, digits and `_`")
    value = resolver.environ.get(name)
    if value is None and default is not None:
        return default
    if value is None:
        raise Wrong(
            f"the environment variable {name} is not set - set it, or give a default: "
            f'!env {{name: {name}, default: "..."}}'
        )
    if not value:
        raise Wrong(f"the environment variable {name} is empty - export it with its value")
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise Wrong(f"the environment variable {name} is not valid UTF-8")
    text = FromEnv(value)
    text.origin = f"env {name}"
    return text


def _env_with_default(resolver: Resolver, tree: nodes.Mapping) -> Plain:
    for key in tree.entries:
        if key not in {"name", "default"}:
            raise Wrong("!env knows the keys name and default", below=(key,))
    name, default = (nodes.find(tree, (key,)) for key in ("name", "default"))
    if not isinstance(name, nodes.Scalar) or not isinstance(name.value, str):
        raise Wrong('!env needs a name - !env {name: NAME, default: "..."}')
    if default is None:
        return _env(resolver, name.text)
    if not isinstance(default, nodes.Scalar) or not isinstance(default.value, str) or default.tag:
        raise Wrong("the default of !env must be text - put it in quotes", below=("default",))
    return _env(resolver, name.text, default.text)


_ADVICE: dict[type[BaseException | None], str] = {
    FileNotFoundError: " - make it, with the secret alone in it, and run chmod 600 on it",
    PermissionError: " - this user needs the right to read it, and no other user",
}


def _file(path: str) -> Secret:
    try:
        content, mode = read_text(path, _LARGEST)
        check_mode(mode)
        text = content.decode("utf-8-sig")
    except Wrong as wrong:
        advice = _ADVICE.get(type(wrong.__cause__), "")
        raise Wrong(f"the secret file {printable(path)} {wrong.message}{advice}") from wrong
    except UnicodeDecodeError:
        raise Wrong(f"the secret file {printable(path)} is not UTF-8 text") from None
    return Secret(_chomped(text), f"file {printable(path)}")


def _is_elsewhere(resolver: Resolver, tree: nodes.Tree) -> bool:
    """Say whether a value is a credential that only the service's own unit can read."""
    if not isinstance(tree, nodes.Scalar) or tree.tag != "!credential":
        return False
    is_one = _CREDENTIAL.fullmatch(tree.text.strip()) is not None
    return is_one and resolver.is_outside and not resolver.environ.get("CREDENTIALS_DIRECTORY")


def _credential(resolver: Resolver, name: str) -> Secret:
    folder = resolver.environ.get("CREDENTIALS_DIRECTORY", "")
    if _CREDENTIAL.fullmatch(name) is None or name in {".", ".."}:
        raise Wrong("!credential takes the name of a systemd credential - no slashes, no spaces")
    if not folder:
        raise Wrong(
            f"$CREDENTIALS_DIRECTORY is not set, so there is no credential {name} - add "
            f"`LoadCredential={name}:PATH` to the unit, and run under systemd"
        )
    try:
        content, _ = read_text(os.path.join(folder, name), _LARGEST)
        return Secret(_chomped(content.decode("utf-8-sig")), f"credential {name}")
    except Wrong as wrong:
        raise Wrong(
            f"the credential {name} {wrong.message} - is `LoadCredential={name}:PATH` in the unit?"
        ) from wrong
    except UnicodeDecodeError:
        raise Wrong(f"the credential {name} is not UTF-8 text") from None


def _secret(resolver: Resolver, name: str) -> Secret:
    looked: list[str] = []
    known: set[str] = set()
    folder = os.path.dirname(os.path.abspath(resolver.file))
    while True:
        path = os.path.join(folder, "secrets.yml")
        book = _book(resolver, path)
        if book is not None:
            if name in book:
                return book[name]
            known.update(book)
        looked.append(printable(path) + ("" if book is not None else " (no such file)"))
        parent = os.path.dirname(folder)
        if parent == folder:
            break
        folder = parent
    meant = nearest(name, sorted(known))
    hint = f" - did you mean `{meant}`?" if meant else ""
    raise Wrong(f"no secret `{printable(name)}`{hint} - looked in {listed(looked, 'and')}")


def _book(resolver: Resolver, path: str) -> dict[str, Secret] | None:
    """Read one secrets.yml once; its own problems are noted at their place in it."""
    if path not in resolver.books:
        resolver.books[path] = _opened_book(resolver, path)
    return resolver.books[path]


def _opened_book(resolver: Resolver, path: str) -> dict[str, Secret] | None:
    if not os.path.lexists(path):
        return None
    source = Source(path)
    resolver.sources.append(source)
    try:
        content, mode = read_text(path, _LARGEST)
        check_mode(mode)
        text = content.decode("utf-8-sig")
    except (Wrong, UnicodeDecodeError) as error:
        reason = error.message if isinstance(error, Wrong) else "is not UTF-8 text"
        resolver.problems.append(source.problem(TOP, "file", f"the file {reason}"))
        return {}
    # Its lines are never shown: nearly every one is a secret.
    tree, problems = nodes.read(source, text)
    resolver.problems.extend(problems)
    if tree is None:
        return {}
    if not isinstance(tree, nodes.Mapping):
        message = "must be lines of `name: value`"
        resolver.problems.append(source.problem(tree.start, "top level", message))
        return {}
    return _entries(resolver, source, tree)


def _entries(resolver: Resolver, source: Source, tree: nodes.Mapping) -> dict[str, Secret]:
    book = {}
    for key, (_, value) in tree.entries.items():
        if isinstance(value, nodes.Scalar) and value.tag is None and value.value is not None:
            # As it was written: a code such as 0042 stays one.
            book[key] = Secret(value.text, f"{printable(source.file)}:{value.start.line}")
        else:
            message = "must be text, written here without a tag"
            resolver.problems.append(source.problem(value.start, path_text((key,)), message))
    return book


def _chomped(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r")
