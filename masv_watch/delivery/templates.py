"""Fill in the templates of letters: the shipped ones, and those of the user.

Owns Jinja2 and the words for what is wrong in a template. Never knows what a letter says: its names
come from `letters`, which alone calls this, and only once a letter is to be written.
"""

from __future__ import annotations

import functools
import os
import traceback
from collections.abc import Mapping

import jinja2
from jinja2 import meta
from jinja2.sandbox import SandboxedEnvironment

from masv_watch.errors import MailDeferred
from masv_watch.logs import escaped

#: characters of a fault's words that are kept
_WORDS = 300
#: what a template of the user can go wrong with, beside Jinja2's own errors
_FAULTS = (
    jinja2.TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
)


def shipped(name: str, known: Mapping[str, object], *, html: bool = False) -> str:
    """Fill in a template of ours."""
    return _shipped(html=html).get_template(name).render(known)


def own(path: str, known: Mapping[str, object]) -> str:
    """Fill in a template of the user.

    Raises:
        MailDeferred: it fails; a person has to correct it.
    """
    try:
        return _own(path).render(known)
    except _FAULTS as error:
        raise MailDeferred(
            f"the mail template does not work: {_fault(error, path)}",
            hint="correct link.template; `masv-watch check` tries it out",
            what="letter",
        ) from error


def faults(path: str, known: Mapping[str, object]) -> list[str]:
    """List what is wrong with a template of the user, each as `path:line: sentence`."""
    try:
        _own(path).render(known)
    except _FAULTS as error:
        return [_fault(error, path)]
    return []


def names_in(path: str) -> set[str]:
    """Give the names that a template of the user asks for, and those that it includes.

    One that cannot be read asks for none: what is wrong is told when it is filled in.
    """
    folder, name = os.path.split(path)
    environment = _environment(jinja2.FileSystemLoader(folder or "."), html=True)
    found: set[str] = set()
    left, seen = [name], {name}
    try:
        while left:
            tree = environment.parse(_source(environment, left.pop()))
            found |= meta.find_undeclared_variables(tree)
            others = {one for one in meta.find_referenced_templates(tree) if one} - seen
            seen |= others
            left += others
    except _FAULTS:
        return set()
    return found


def _source(environment: SandboxedEnvironment, name: str) -> str:
    loader = environment.loader
    return "" if loader is None else loader.get_source(environment, name)[0]


@functools.cache
def _shipped(*, html: bool) -> SandboxedEnvironment:
    # Kept, for it holds the compiled templates: 20 ms a letter otherwise.
    return _environment(jinja2.PackageLoader("masv_watch.delivery"), html=html)


def _own(path: str) -> jinja2.Template:
    folder, name = os.path.split(path)
    return _environment(jinja2.FileSystemLoader(folder or "."), html=True).get_template(name)


def _environment(loader: jinja2.BaseLoader, *, html: bool) -> SandboxedEnvironment:
    return SandboxedEnvironment(
        loader=loader,
        autoescape=html,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _fault(error: Exception, path: str) -> str:
    where, line = path, 1
    if isinstance(error, jinja2.TemplateNotFound):
        said = f"there is no template {error.name}"
    elif isinstance(error, jinja2.TemplateSyntaxError):
        where, line, said = error.filename or path, error.lineno, error.message or ""
    else:
        # Jinja2 puts the template's own lines into the traceback.
        frames = traceback.extract_tb(error.__traceback__)
        folder = os.path.dirname(path) or "."
        own = [frame for frame in frames if os.path.dirname(frame.filename) == folder]
        if own:
            where, line = own[-1].filename, own[-1].lineno or 1
        said = str(error) or type(error).__name__
    return f"{escaped(where)}:{line}: {escaped(said)[:_WORDS]}"
