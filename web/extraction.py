"""What there is to translate: the texts of pages, the words of kinds, and the sentences that other modules say.

Texts of pages stand in `_()` and `plural()`. Words of kinds are read from their JSON schemas. Sentences of shared and
worker (errors, notes of progress, reasons) are found in their source: an f-string becomes a sentence with placeholders,
and `web.pages.sentences` finds it again when it has been said. Those carry the context CONTEXT.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file

from shared import kinds
from web import forms
from web.pages.sentences import CONTEXT
from web.pages.wording import english_label

ROOT = Path(__file__).parents[1]
_KEYWORDS = {"_": None, "plural": (1, 2), "ngettext": (1, 2)}
_CALLS = {"_", "plural"}

_SAYS_ALL = (
    "shared", "web/auth.py", "web/limits.py", "web/problems.py",
    "worker/attempt.py", "worker/engines", "worker/finishing", "worker/health.py", "worker/pulse.py",
    "worker/runner.py", "worker/sentences.py", "worker/steps.py", "web/strict_json.py",
)  # fmt: skip
"""Where every sentence may reach a page."""
_SAYS_BY_RAISING = ("web/incoming.py", "web/pages", "web/uploads.py", "worker/kinds")
"""Where other texts stand beside sentences that are raised."""
_NOT_FOR_READERS = ("shared/cron_sentences.py", "shared/settings.py")

_WORDS = {
    "shared/batch_files.py": ("_once", "_refuse", "_why"),
    "shared/cron.py": ("_FIELDS", "EXAMPLE"),
    "shared/job.py": ("JobState",),
    "shared/kinds/params.py": ("Media", "Output", "Task"),
    "shared/plan.py": ("_told",),
    "web/problems.py": ("_TITLES",),
}
"""Tables, classes and functions whose texts are put into sentences, or are shown as they are."""
_VALUES = {
    "shared/inputs.py": ("_ARTICLES",),
    "shared/intake/formats.py": ("_FOREIGN",),
    "shared/intake/sounds.py": ("what",),
    "shared/intake/streams.py": ("what",),
    "worker/engines/datasets/formats.py": ("_REASONS",),
    "worker/engines/guides.py": ("purpose",),
    "worker/engines/music.py": ("titles",),
    "worker/engines/video.py": ("changes",),
}
"""Variables whose texts are put into sentences."""
_OF_JSON = (
    "expecting value", "expecting property name enclosed in double quotes", "expecting ',' delimiter",
    "expecting ':' delimiter", "unterminated string starting at", "extra data",
)  # fmt: skip
"""What Python's json finds wrong, as a fault of a line says it."""

_SAYING = {"_recover", "_unsafe", "progress", "release"}
"""What is called with words that are shown, sentence or not."""
_FAILING = {"JobError", "RetryableError", "_fail", "fail"}
"""What is called with the code of an error first."""
_FOR_AUTHORS = {"RuntimeError", "SystemExit", "TypeError", "KeyError", "LookupError"}
"""Errors that no reader meets."""
_UNSAID = {"description", "examples", "icon", "presets", "summary", "title"}
"""Fields of kinds and of the API whose texts are no sentences; those of kinds are read from their schemas."""

_NAMED = re.compile(r"\{(\w+)\}")
_SENTENCE_LIKE = re.compile(r"(?!STORAGE_URL) ?(?:[A-Z“']|%\().* .*(?:[.!?…”]|\. (?:.*: )?%\(\w+\)s)", re.DOTALL)
_CODE = re.compile("[a-z]+(?:_[a-z]+)*")


def extracted() -> Catalog:
    """Every message, with the files that it is in."""
    found = Catalog(charset="utf-8")
    for method, paths in (("python", ROOT.glob("web/**/*.py")), ("jinja2", ROOT.glob("web/templates/**/*.html"))):
        for path in sorted(paths):
            _add(found, path, (message for _, message, _, _ in extract_from_file(method, path, keywords=_KEYWORDS)))
    for kind in kinds.names():
        path = ROOT / "shared" / "kinds" / f"{kind}.py"
        if path.exists():  # kinds from elsewhere are shown as they are written
            _add(found, path, _kind_words(kind))
    _add(found, ROOT / "web" / "forms.py", (forms.AUTOMATIC, *forms.ROLES))
    for path in _sources(("shared", "worker", "web/pages/failures.py")):
        _add(found, path, _names(path))
    for path in _sources(_SAYS_ALL):
        _add(found, path, _sentences(path), CONTEXT)
    for path in _sources(_SAYS_BY_RAISING):
        _add(found, path, _sentences(path, raised_only=True), CONTEXT)
    for name, variables in _WORDS.items():
        _add(found, ROOT / name, _table(ROOT / name, variables), CONTEXT)
    for name, variables in _VALUES.items():
        _add(found, ROOT / name, _values(ROOT / name, variables), CONTEXT)
    _add(found, ROOT / "shared" / "batch_files.py", _OF_JSON, CONTEXT)
    return found


def _add(found: Catalog, path: Path, messages: Iterable[str | tuple[str, ...]], context: str | None = None) -> None:
    for message in messages:
        found.add(message, locations=[(_place(path), 0)], context=context)


def _place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _sources(names: Iterable[str]) -> Iterator[Path]:
    for name in names:
        path = ROOT / name
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        yield from (each for each in files if _place(each) not in _NOT_FOR_READERS)


# ---- kinds ----------------------------------------------------------------------------------------------------------


def _kind_words(kind: str) -> Iterator[str]:
    """Every word of a kind that a form shows."""
    declared = kinds.params_class(kind)
    yield declared.title
    yield declared.summary
    yield declared.action
    schema = kinds.schema(kind)
    for preset in schema.get("x-presets", ()):
        yield preset["title"]
    for name, each in schema["properties"].items():
        yield english_label(name)
        yield from _field_words(each)


def _field_words(prop: Mapping[str, Any]) -> Iterator[str]:
    hints = prop.get("x-ui", {})
    shown = [
        prop.get("title"),
        prop.get("description"),
        *(hints.get(each) for each in ("unit", "placeholder", "group")),
    ]
    choices = [*prop.get("enum", ()), *(value for each in prop.get("anyOf", ()) for value in each.get("enum", ()))]
    titles = hints.get("titles", {})
    for text in [*shown, *(titles.get(each, each) for each in choices)]:
        if isinstance(text, str) and re.search("[A-Za-z]", text):
            yield text


# ---- sentences ------------------------------------------------------------------------------------------------------


def _sentences(path: Path, *, raised_only: bool = False) -> list[str]:
    """The sentences in a module, f-strings with their values as placeholders."""
    # Pydantic's errors are told by templates with {braces} that str.format fills in.
    braces = path.name == "complaints.py"
    tree = ast.parse(path.read_text("utf-8"))
    found = [template(node, braces=braces) for node in _texts(tree, said=not raised_only)]
    if path.name == "errors.py":
        # The docstring of an error is its sentence where none is given.
        found += [ast.get_docstring(each) or "" for each in _errors(tree)]
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _callee(node) in _SAYING]
    words = [template(node) for call in calls for node in _texts(call, said=True)]
    return [text for text in found if _SENTENCE_LIKE.fullmatch(text)] + [text for text in words if " " in text]


def _names(path: Path) -> Iterator[str]:
    """The metrics that a module measures and the codes of errors that it raises or knows, as pages write them."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.MatchValue) and isinstance(node.value, ast.Constant):
            yield from (text.replace("_", " ") for text in [str(node.value.value)] if _CODE.fullmatch(text))
        if isinstance(node, ast.Call):
            texts = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
            if _callee(node) == "metric" and texts:
                yield english_label(texts[0])
            if _callee(node) in _FAILING:
                yield from (text.replace("_", " ") for text in texts[:1] if _CODE.fullmatch(text))
            for each in node.keywords:
                if each.arg == "code" and isinstance(each.value, ast.Constant) and "Unavailable" in _callee(node):
                    yield str(each.value.value).replace("_", " ")


def _table(path: Path, names: Iterable[str]) -> list[str]:
    """The texts in assignments, classes and functions of these names at the top of a module."""
    found: list[str] = []
    for node in ast.parse(path.read_text("utf-8")).body:
        targets = {each.id for each in getattr(node, "targets", ()) if isinstance(each, ast.Name)}
        own = getattr(node, "name", "") or getattr(getattr(node, "target", None), "id", "")
        if {*targets, own} & set(names):
            found += [template(each) for each in _texts(node, said=True)]
    return [text for text in found if re.search("[A-Za-z]", text)]


def _values(path: Path, names: Iterable[str]) -> Iterator[str]:
    """The texts that variables of these names may have; of a table its values."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Assign(targets=[target], value=value) | ast.AugAssign(target=target, value=value):
                pass
            case ast.Call(func=ast.Attribute(value=target, attr="append"), args=[value]):
                pass
            case _:
                continue
        if {each.id for each in ast.walk(target) if isinstance(each, ast.Name)} & set(names):
            # What is added to a text stands behind an "and" of its own, which the page finds by itself.
            texts = (template(each).strip().removeprefix("and ") for each in _literals(value))
            yield from (text for text in texts if text)


def _literals(node: ast.AST) -> Iterator[ast.Constant | ast.JoinedStr]:
    """The texts in an expression that are its value: not what is compared, no key of a table."""
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        yield node
    elif not isinstance(node, ast.Compare):
        for child in node.values if isinstance(node, ast.Dict) else ast.iter_child_nodes(node):
            yield from _literals(child)


def _texts(node: ast.AST, *, said: bool) -> Iterator[ast.Constant | ast.JoinedStr]:
    """The texts under a node that a reader may see: no docstrings, logs, descriptions or what `_()` has already."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Raise) and isinstance(child.exc, ast.Call) and _callee(child.exc) in _FOR_AUTHORS:
            continue
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue
        if isinstance(child, ast.Call) and (_callee(child) in _CALLS or _is_log(child)):
            continue
        if isinstance(child, ast.keyword) and child.arg in _UNSAID:
            continue
        if isinstance(child, ast.AnnAssign) and isinstance(child.target, ast.Name) and child.target.id in _UNSAID:
            continue
        if isinstance(child, ast.JoinedStr) or (isinstance(child, ast.Constant) and isinstance(child.value, str)):
            if said:
                yield child
            continue
        yield from _texts(child, said=said or isinstance(child, ast.Raise))


def template(node: ast.Constant | ast.JoinedStr, *, braces: bool = False) -> str:
    """A text with %(name)s for each value in it."""
    if isinstance(node, ast.Constant):
        text = str(node.value).replace("%", "%%")
        return _NAMED.sub(r"%(\1)s", text) if braces else text
    parts: list[str] = []
    used: dict[str, int] = {}
    for part in node.values:
        if isinstance(part, ast.Constant):
            parts.append(str(part.value).replace("%", "%%"))
        elif isinstance(part, ast.FormattedValue):
            name = _named(part.value)
            used[name] = used.get(name, 0) + 1
            parts.append(f"%({name}{used[name] if used[name] > 1 else ''})s")
    return "".join(parts)


def _named(value: ast.expr) -> str:
    """A name for a value in a sentence, as near to the source as can be."""
    match value:
        case ast.Name(id=name) if name.isupper():
            return name.lower()
        case ast.Name(id=name):
            return name.lstrip("_")
        case ast.Attribute(attr=name):
            return name.lstrip("_")
        case ast.Subscript(value=inner):
            return _named(inner)
        case ast.Call(args=[first, *_]) if not isinstance(first, ast.Constant):
            return _named(first)
        case ast.Call(func=inner):
            return _named(inner)
        case ast.GeneratorExp(generators=[first, *_]):
            return _named(first.iter)
        case ast.BinOp(left=inner):
            return _named(inner)
        case _:
            return "value"


def _errors(tree: ast.Module) -> Iterator[ast.ClassDef]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and any(ast.unparse(each) != "TypedDict" for each in node.bases):
            yield node


def _callee(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def _is_log(call: ast.Call) -> bool:
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    return isinstance(owner, ast.Name) and owner.id in {"log", "logging", "warnings", "re"}
