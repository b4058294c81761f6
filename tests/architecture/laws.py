"""The laws of the house as functions over syntax trees.

Owns what a breach looks like. Each law takes one source and yields one sentence for every breach,
starting with its place. Called by test_laws.py and test_words.py, over the package and over planted
breaches.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

PACKAGE = "masv_watch"

PURE = (
    "errors",
    "model",
    "names",
    "patterns",
    "expressions",
    "globs",
    "files.hashes",
    "store.papers",
    "lifecycle",
    "retry",
    "recall",
    "preview",
    "watch.rules",
    "watch.gaps",
    "watch.markers",
    "watch.generations",
    "watch.decision",
    "watch.redrops",
    "watch.twins",
    "watch.moves",
    "watch.clashes",
    "watch.restless",
    "watch.cycles",
    "watch.fences",
    "watch.plain",
    "watch.settle",
    "watch.sameness",
    "watch.arrivals",
    "watch.limits",
    "watch.filters",
    "watch.addresses",
    "watch.amounts",
    "watch.bundles",
    "watch.completeness",
    "watch.controls",
    "watch.listing",
    "watch.manifests",
    "watch.sequences",
    "transfer.chunks",
    "transfer.pace",
    "transfer.schedule",
    "cloud.refusals",
    "cloud.reading",
    "cloud.wire",
    "delivery.proving",
    "delivery.receipt",
    "api.bodies",
    "api.outlines",
    "api.reports",
    "api.shapes",
)
IMPURE_MODULES = frozenset(
    {
        "io",
        "logging",
        "os",
        "pathlib",
        "random",
        "secrets",
        "shutil",
        "socket",
        "sqlite3",
        "subprocess",
        "threading",
        "time",
    }
)
#: standard modules that only the named rooms may use (law 2)
STANDARD_GATES = {
    "smtplib": ("delivery.mail",),
    "sqlite3": (
        "store.copying",
        "store.migrating",
        "store.peeking",
        "store.readers",
        "store.sqlite",
        "store.sql",
    ),
    "http.client": ("cli", "delivery.webhook", "sandbox"),
    "urllib.request": (),
    "subprocess": ("config.apart",),
    "multiprocessing": (),
}
#: what may be imported inside a function, and where: what a daemon that rests has no need of, and
#: what a command brings in only for itself. The contracts see these as they see any other
LATE = {
    "api.app": (f"{PACKAGE}.api.openapi",),
    "api.calls": (f"{PACKAGE}.api.reading",),
    "api.marks": ("pydantic_core",),
    "api.page.paper": ("jinja2",),
    "cli.output": (f"{PACKAGE}.cli.screens",),
    "cli.rooms": (f"{PACKAGE}.cli",),
    "cli.table": (f"{PACKAGE}.cli", f"{PACKAGE}.sandbox"),
    "cli.whereabouts": (f"{PACKAGE}.config.load", f"{PACKAGE}.config.locating"),
    "cloud.reading": ("html", "xml.etree"),
    "config.apart": tuple(
        f"{PACKAGE}.config.{each}" for each in ("load", "effective", "describing", "importing")
    ),
    "daemon": (f"{PACKAGE}.cloud.http",),
    "delivery.letters": (f"{PACKAGE}.delivery.templates",),
    "expressions": ("re2",),
    "globs": ("pathspec",),
    "inquiries": tuple(f"{PACKAGE}.{each}" for each in ("check", "doctoring", "fitness")),
    "reception": (f"{PACKAGE}.api.tls",),
    "store.seal": ("cryptography",),
    "store.signing": ("cryptography",),
    "watch.sidecars": (f"{PACKAGE}.config.sidecars",),
}
#: what the sandbox may use beside the standard library
SANDBOX_GATES = frozenset({"bottle", "aiosmtpd", f"{PACKAGE}.sandbox"})

DISK = frozenset(
    {
        "open",
        "io.open",
        "os.open",
        "os.stat",
        "os.lstat",
        "os.scandir",
        "os.listdir",
        "os.walk",
        "os.fwalk",
        "os.remove",
        "os.unlink",
        "os.rename",
        "os.replace",
        "os.rmdir",
        "os.removedirs",
        "os.truncate",
        "os.link",
        "os.symlink",
    }
)
MAY_TOUCH_DISK = (
    "files",
    "config",
    "store.sqlite",
    "store.copies",
    "store.copying",
    "store.locking",
    "store.seal",
    "api.doors",
    "api.private",
    "logs",
    "sandbox",
)
#: rooms that meet source files and therefore may not even build a path
ROOMS_OF_SOURCES = ("watch", "transfer", "uploads", "delivery.dispose", "delivery.outbox")

TIMES = frozenset(
    {
        "time.time",
        "time.time_ns",
        "time.monotonic",
        "time.monotonic_ns",
        "time.clock_gettime",
        "time.sleep",
        "time.localtime",
        "datetime.datetime.now",
        "datetime.datetime.utcnow",
        "datetime.datetime.today",
        "datetime.date.today",
        "threading.Timer",
        "sched.scheduler",
    }
)
MAY_ASK_TIME = ("loops", "sandbox", "cli")

THREADS = frozenset(
    {
        "threading.Thread",
        "threading.Timer",
        "_thread.start_new_thread",
        "concurrent.futures.ThreadPoolExecutor",
        "concurrent.futures.ProcessPoolExecutor",
        "concurrent.futures.thread.ThreadPoolExecutor",
        "multiprocessing.Process",
        "os.fork",
    }
)
MAY_START_THREADS = ("loops", "transfer.sender", "api.server", "sandbox")

MAY_CATCH_ALL = ("loops:Loop.run", "api.app:", "watch.hints:", "watch.observing:", "sandbox:")

REFUSED_NAMES = frozenset(
    {
        "utils",
        "util",
        "helpers",
        "helper",
        "common",
        "misc",
        "manager",
        "managers",
        "base",
        "core",
        "service",
        "services",
        "handler",
        "handlers",
        "lib",
        "stuff",
    }
)
LONGEST_MODULE = 500
#: values without behaviour, and nothing to split them by
LENGTH_IS_FREE = ("model",)
#: called by a library with exactly these parameters
FOREIGN_SIGNATURES = frozenset({"handle_MAIL", "handle_RCPT"})
LONGEST_FUNCTION = 40
MOST_POSITIONAL = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One module: its name below the package, its place and its tree."""

    #: dotted, without the package: `store.sqlite`; empty for the package itself
    module: str
    path: str
    text: str
    tree: ast.Module
    #: local name -> what it stands for, dotted: `sleep` -> `time.sleep`
    aliases: dict[str, str] = field(default_factory=dict)

    def at(self, node: ast.AST) -> str:
        """Give `path:line` of a node."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}"

    def within(self, *rooms: str) -> bool:
        """Say whether this is one of the rooms or lies in one."""
        return any(self.module == room or self.module.startswith(f"{room}.") for room in rooms)

    def dotted(self, node: ast.AST) -> str:
        """Give the full dotted name that an expression refers to; empty when it has none."""
        if isinstance(node, ast.Name):
            return self.aliases.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            before = self.dotted(node.value)
            return f"{before}.{node.attr}" if before else ""
        return ""


Law = Callable[[Source], Iterator[str]]


def parse(module: str, text: str, path: str = "") -> Source:
    """Build a source from a text."""
    tree = ast.parse(text)
    source = Source(module=module, path=path or f"{module}.py", text=text, tree=tree)
    for node, name, imported in _imports(source):
        if isinstance(node, ast.Import):
            local = name or imported.split(".", 1)[0]
            source.aliases[local] = imported if name else local
        else:
            source.aliases[name] = imported
    return source


@cache
def sources(root: Path) -> list[Source]:
    """Parse every module below the package's folder."""
    found = []
    for path in sorted((root / PACKAGE).rglob("*.py")):
        parts = path.relative_to(root / PACKAGE).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append(parse(module, path.read_text(), str(path.relative_to(root))))
    return found


def _imports(source: Source) -> Iterator[tuple[ast.Import | ast.ImportFrom, str, str]]:
    """Give every import: its node, its local name and the full name of what it brings."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.asname or "", alias.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield node, alias.asname or alias.name, f"{node.module or ''}.{alias.name}"


def _brings(imported: str, module: str) -> bool:
    return imported == module or imported.startswith(f"{module}.")


def standard_gates(source: Source) -> Iterator[str]:
    """Law 2: gated modules of the standard library enter where they are meant to."""
    for node, _, imported in _imports(source):
        for gated, rooms in STANDARD_GATES.items():
            if _brings(imported, gated) and not source.within(*rooms):
                yield f"{source.at(node)}: {gated} enters by {', '.join(rooms) or 'nobody'}"


def hidden_imports(source: Source) -> Iterator[str]:
    """Law 2: nothing is imported in a way that the contracts cannot see."""
    for node, _, imported in _imports(source):
        if _brings(imported, "importlib") and not (
            _brings(imported, "importlib.resources") or _brings(imported, "importlib.metadata")
        ):
            yield f"{source.at(node)}: importlib hides an import from the gates"
        if isinstance(node, ast.ImportFrom) and node.level:
            yield f"{source.at(node)}: relative imports hide where something comes from"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Name) and node.id in {"__import__", "exec", "eval"}:
            yield f"{source.at(node)}: {node.id} hides an import from the gates"


def late_imports(source: Source) -> Iterator[str]:
    """Law 2: an import stands at the top, but for what the table of late ones names."""
    for function in ast.walk(source.tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        inner = parse(source.module, ast.unparse(function), source.path)
        for _, _, imported in _imports(inner):
            if not any(_brings(imported, each) for each in LATE.get(source.module, ())):
                yield f"{source.at(function)}: {function.name} imports {imported}"


def witness(source: Source) -> Iterator[str]:
    """Law 11: the sandbox knows the standard library, its own gates and nothing of ours."""
    if not source.within("sandbox"):
        return
    for node, _, imported in _imports(source):
        top = imported.split(".", 1)[0]
        known = any(_brings(imported, gate) for gate in SANDBOX_GATES)
        if not known and top not in sys.stdlib_module_names:
            yield f"{source.at(node)}: the sandbox imports {imported}"


def purity(source: Source) -> Iterator[str]:
    """Law 3: pure modules have no way to the outside."""
    if source.module not in PURE:
        return
    for node, _, imported in _imports(source):
        if imported.split(".", 1)[0] in IMPURE_MODULES:
            yield f"{source.at(node)}: a pure module imports {imported.split('.', 1)[0]}"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and source.dotted(node.func) in {"open", "print", "input"}:
            yield f"{source.at(node)}: a pure module calls {source.dotted(node.func)}"


def states(source: Source) -> Iterator[str]:
    """Law 4: no attribute called state is written; only `Store.advance` moves one, in SQL."""
    if source.within("sandbox"):
        return
    for node in ast.walk(source.tree):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store | ast.Del)
            and node.attr == "state"
        ):
            yield f"{source.at(node)}: writes .state"
        if isinstance(node, ast.Call):
            name = source.dotted(node.func).rsplit(".", 1)[-1]
            words = [a.value for a in node.args if isinstance(a, ast.Constant)]
            if name in {"setattr", "__setattr__"} and "state" in words:
                yield f"{source.at(node)}: writes .state by {name}"
            if name == "replace" and any(keyword.arg == "state" for keyword in node.keywords):
                yield f"{source.at(node)}: writes state by replace"


def advancing_statements(sql: str, path: str = "queries.sql") -> Iterator[str]:
    """Law 4: only statements named `advance_...` contain SET state."""
    for named in re.split(r"^-- name:", sql, flags=re.MULTILINE)[1:]:
        name, _, body = named.partition("\n")
        for statement in re.sub(r"--.*", "", body).split(";"):
            writes = re.search(r"(?:\bset|,)\s+state\s*=", statement, re.IGNORECASE)
            if writes and not name.strip().startswith("advance_"):
                yield f"{path}: statement {name.strip()} sets a state"


def disk(source: Source) -> Iterator[str]:
    """Law 5: only `files` touches source files."""
    if source.within(*MAY_TOUCH_DISK):
        return
    for node in ast.walk(source.tree):
        name = source.dotted(node) if isinstance(node, ast.Name | ast.Attribute) else ""
        if name in DISK or name.startswith("shutil."):
            yield f"{source.at(node)}: {name} outside of files"
    for node, _, imported in _imports(source):
        if _brings(imported, "pathlib") and source.within(*ROOMS_OF_SOURCES):
            yield f"{source.at(node)}: pathlib in a room that meets source files"


def times(source: Source) -> Iterator[str]:
    """Law 6: time comes from `loops.Clock`."""
    if source.within(*MAY_ASK_TIME):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Name | ast.Attribute) and source.dotted(node) in TIMES:
            yield f"{source.at(node)}: {source.dotted(node)} instead of the clock"


def threads(source: Source) -> Iterator[str]:
    """Law 7: threads are born in four places."""
    if source.within(*MAY_START_THREADS):
        return
    for node in ast.walk(source.tree):
        name = source.dotted(node) if isinstance(node, ast.Name | ast.Attribute) else ""
        if name in THREADS and not _only_annotates(source, node):
            yield f"{source.at(node)}: {name} is born outside of its places"
        if isinstance(node, ast.ClassDef):
            for parent in node.bases:
                if source.dotted(parent) in THREADS:
                    yield f"{source.at(node)}: {node.name} is a thread"


def _only_annotates(source: Source, wanted: ast.AST) -> bool:
    """Say whether the node stands in an annotation: naming a type starts nothing."""
    for node in ast.walk(source.tree):
        annotations = [getattr(node, "annotation", None), getattr(node, "returns", None)]
        for annotation in annotations:
            if annotation is not None and any(part is wanted for part in ast.walk(annotation)):
                return True
    return False


def catch_all(source: Source) -> Iterator[str]:
    """Law 8: everything is caught in four places only, and logged there; or raised again."""
    for owner, handler in _handlers(source.tree, ""):
        caught = handler.type
        kinds = caught.elts if isinstance(caught, ast.Tuple) else [caught]
        broad = any(
            kind is None or source.dotted(kind) in {"Exception", "BaseException"} for kind in kinds
        )
        if not broad or _raises_again(handler):
            continue
        if not _may_catch_all(source.module, owner):
            yield f"{source.at(handler)}: {owner or 'the module'} catches everything"
        elif not source.within("sandbox") and not _logs_with_traceback(handler):
            yield f"{source.at(handler)}: {owner} catches everything and logs no traceback"
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call) or source.dotted(node.func) != "contextlib.suppress":
            continue
        if {"Exception", "BaseException"} & {source.dotted(kind) for kind in node.args}:
            yield f"{source.at(node)}: suppresses everything"


def _handlers(tree: ast.AST, owner: str) -> Iterator[tuple[str, ast.ExceptHandler]]:
    for child in ast.iter_child_nodes(tree):
        inner = owner
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            inner = f"{owner}.{child.name}" if owner else child.name
        if isinstance(child, ast.ExceptHandler):
            yield owner, child
        yield from _handlers(child, inner)


def _may_catch_all(module: str, owner: str) -> bool:
    for place in MAY_CATCH_ALL:
        room, _, function = place.partition(":")
        if (module == room or module.startswith(f"{room}.")) and function in {"", owner}:
            return True
    return False


def _raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    if not isinstance(last, ast.Raise):
        return False
    return last.exc is None or (isinstance(last.exc, ast.Name) and last.exc.id == handler.name)


def _logs_with_traceback(handler: ast.ExceptHandler) -> bool:
    for node in ast.walk(handler):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "exception":
                return True
            if any(keyword.arg == "exc_info" for keyword in node.keywords):
                return True
    return False


def sizes(source: Source) -> Iterator[str]:
    """Law 12: modules, functions and parameter lists stay small."""
    lines = source.text.count("\n")
    if lines > LONGEST_MODULE and source.module not in LENGTH_IS_FREE:
        yield f"{source.path}:1: {lines} lines"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = _length(node)
            if length > LONGEST_FUNCTION:
                yield f"{source.at(node)}: {node.name} has {length} lines"
            positional = _positional(node)
            if positional > MOST_POSITIONAL and node.name not in FOREIGN_SIGNATURES:
                yield f"{source.at(node)}: {node.name} has {positional} positional parameters"


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines from `def` to the end without the docstring, which nobody should shorten."""
    length = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node) is not None:
        length -= (first.end_lineno or first.lineno) - first.lineno + 1
    return length


def _positional(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def module_names(source: Source) -> Iterator[str]:
    """Law 12: no module is called after nothing in particular."""
    for part in source.module.split("."):
        if part in REFUSED_NAMES:
            yield f"{source.path}:1: {part} names no noun"


def docstrings(source: Source) -> Iterator[str]:
    """Section 8: every module and every public function, class and method says what it is for."""
    if not ast.get_docstring(source.tree):
        yield f"{source.path}:1: the module has no docstring"
    yield from _undocumented(source, source.tree)


def _undocumented(source: Source, parent: ast.AST) -> Iterator[str]:
    for node in ast.iter_child_nodes(parent):
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.name.startswith("_") or any(
            source.dotted(decorator).endswith((".setter", "overload"))
            for decorator in node.decorator_list
        ):
            continue
        if not ast.get_docstring(node):
            yield f"{source.at(node)}: {node.name} has no docstring"
        if isinstance(node, ast.ClassDef):
            yield from _undocumented(source, node)


#: the laws that look at one module, in the order of the house
LAWS: tuple[Law, ...] = (
    standard_gates,
    hidden_imports,
    late_imports,
    witness,
    purity,
    states,
    disk,
    times,
    threads,
    catch_all,
    sizes,
    module_names,
    docstrings,
)


def invisible_folders(root: Path) -> Iterator[str]:
    """Law 1: a folder without `__init__.py` would be invisible to every contract."""
    for folder in sorted({path.parent for path in (root / PACKAGE).rglob("*.py")}):
        if not (folder / "__init__.py").exists():
            yield f"{folder.relative_to(root)}: has no __init__.py"
