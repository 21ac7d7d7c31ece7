"""The reference: every public name with its signature, its docstring and its source."""

import html
import importlib
import inspect
import pkgutil
import re
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .texts import Heading, code_box, highlighted

BESIDE = "sum", "max", "abs", "pow"  # public too, but not in __all__
GROUPS = {  # of minigrad's own names, by the part of the library that they live in
    "The dialect": ("engine", "tree"),
    "Looking into a program": ("gradcheck", "listing", "learn", "stepper"),
    "Threads and GPUs": ("backend", "kernels"),
}
LAST = "Threads and GPUs"
PARTS = "models", "learn", "data", "evaluate", "lectures", "stepper"
FILES = {"minigrad.models": (), "minigrad.stepper": ("figures", "interactive")}  # (): all of them
SENTENCE = re.compile(r"(?<=[.:)\]]) (?=Raises [A-Z]|Source: )")


@dataclass(frozen=True)
class Entry:
    """A public name; source: of its code, within the site; methods: (signature, html) of each."""

    name: str
    anchor: str
    signature: str
    html: str
    source: str
    methods: list[tuple[str, str]]


@dataclass
class Group:
    """What one module offers, or several; lead: a sentence on it."""

    title: str
    anchor: str
    lead: str = ""
    entries: list[Entry] = field(default_factory=list)


@dataclass
class Part:
    """A page of the reference."""

    title: str
    file: str
    lead: str
    groups: list[Group]

    @property
    def headings(self) -> list[Heading]:
        found = []
        for group in self.groups:
            found.append(Heading(2, group.anchor, group.title, html.escape(group.title)))
            for entry in group.entries:
                found.append(Heading(3, entry.anchor, entry.name, f"<code>{entry.name}</code>"))
        return found


def parts() -> list[Part]:
    """The pages of the reference, minigrad's own first."""
    whole = importlib.import_module("minigrad")
    names = [*whole.__all__, *BESIDE]
    own = Part("minigrad", "reference.html", first_line(whole), grouped(whole, names, GROUPS))
    return [own, *(part(importlib.import_module(f"minigrad.{name}")) for name in PARTS)]


def part(package: Any) -> Part:
    """The page of a package: what it offers, or what each of its files does."""
    if package.__name__ in FILES:
        groups = [group_of(file) for file in members(package)]
    else:
        groups = grouped(package, [name for name, x in vars(package).items() if documented(x)])
    file = f"reference.{package.__name__.removeprefix('minigrad.')}.html"
    return Part(package.__name__, file, first_line(package), [g for g in groups if g.entries])


def members(package: Any) -> list[Any]:
    names = FILES[package.__name__] or [m.name for m in pkgutil.iter_modules(package.__path__)]
    return [importlib.import_module(f"{package.__name__}.{name}") for name in names]


def group_of(module: Any) -> Group:
    """What a module defines and explains in more than one line."""
    names = [
        name
        for name, x in vars(module).items()
        if documented(x) and x.__module__ == module.__name__ and "\n" in x.__doc__
    ]
    group = named(module)
    group.entries += [entry(module, name) for name in names]
    return group


def grouped(package: Any, names: list[str], groups: dict[str, tuple] | None = None) -> list[Group]:
    """Names of a package by the modules that define them, some of them under other titles."""
    titles = {place: title for title, places in (groups or {}).items() for place in places}
    found: dict[str, Group] = {title: Group(title, slug(title)) for title in groups or ()}
    for name in names:
        home = importlib.import_module(vars(package)[name].__module__)
        title = titles.get(home.__name__.split(".")[1]) or named(home).title
        found.setdefault(title, named(home)).entries.append(entry(package, name))
    if LAST in found:
        found[LAST] = found.pop(LAST)
    return list(found.values())


def named(module: Any) -> Group:
    title = module.__name__.split(".")[-1].replace("_", " ").capitalize()
    return Group(title, slug(title), first_line(module))


def documented(x: Any) -> bool:
    """True for a function or class of minigrad with a name and a docstring of its own."""
    is_one = inspect.isfunction(x) or inspect.isclass(x)
    ours = is_one and x.__module__.startswith("minigrad.") and not x.__name__.startswith("_")
    return bool(ours and x.__doc__ and not x.__doc__.startswith(f"{x.__name__}("))


def entry(module: Any, name: str) -> Entry:
    x = vars(module)[name]
    methods = [
        (signature(f, f".{called}"), prose(inspect.getdoc(f) or ""))
        for called, f in vars(x).items()
        if inspect.isclass(x) and inspect.isfunction(f) and not called.startswith("_") and f.__doc__
    ]
    anchor = f"{module.__name__.removeprefix('minigrad.models.')}.{name}"
    told = prose(inspect.getdoc(x) or "")
    return Entry(name, anchor, signature(x, name), told, link(x), methods)


def signature(f: Any, name: str) -> str:
    """How it is called, without annotations."""
    try:
        told = inspect.signature(f)
    except ValueError:
        return name
    bare = [p.replace(annotation=p.empty) for p in told.parameters.values() if p.name != "self"]
    return f"{name}{told.replace(parameters=bare, return_annotation=told.empty)}"


def link(x: Any) -> str:
    plain = inspect.unwrap(x)
    return f"source/{plain.__module__}.html#L{inspect.getsourcelines(plain)[1]}"


def prose(doc: str) -> str:
    """A docstring as HTML: paragraphs, examples, indented code."""
    blocks = []
    for block in re.split(r"\n\s*\n", doc):
        if block.startswith(">>>"):
            blocks.append(code_box(block, "pycon"))
        elif block.startswith("    "):
            blocks.append(code_box(textwrap.dedent(block)))
        else:
            for sentences in SENTENCE.split(" ".join(block.split())):
                told = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(sentences, quote=False))
                blocks.append(f"<p>{told}</p>\n")
    return "".join(blocks)


def first_line(module: Any) -> str:
    return (module.__doc__ or "").strip().partition("\n")[0]


def slug(title: str) -> str:
    return re.sub(r"\W+", "-", title.lower()).strip("-")


def source_pages(found: list[Part]) -> dict[str, str]:
    """The modules that the reference links to, by file: their code, each line with an anchor."""
    links = {entry.source for part in found for group in part.groups for entry in group.entries}
    pages = {}
    for file in sorted({link.partition("#")[0] for link in links}):
        name = Path(file).name.removesuffix(".html")
        lines = highlighted(inspect.getsource(importlib.import_module(name))).split("\n")
        told = "\n".join(f'<span id="L{n}">{line}</span>' for n, line in enumerate(lines, 1))
        code = f'<div class="code"><pre><code>{told}</code></pre></div>\n'
        pages[file] = f"<h1>{name}</h1>\n{code}"
    return pages
