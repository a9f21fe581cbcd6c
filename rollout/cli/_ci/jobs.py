"""The jobs of a GitLab pipeline file: with what it includes from the same repository, inputs and `extends` put in."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from rollout.errors import Place, PlanInvalid, Problem
from rollout.report.plain import plain

COMPONENT = "rollout"
"""The name of our component, by which others include it."""

MOST_BYTES = 5_000_000
"""GitLab takes no larger configuration (CI limits, `ci_max_total_yaml_size_bytes`: 5 MB)."""

MOST_FILES = 150
"""GitLab takes no more includes (`include`: 150)."""

WORDS = frozenset(
    [
        "after_script",
        "before_script",
        "cache",
        "default",
        "image",
        "include",
        "pages",
        "services",
        "spec",
        "stages",
        "variables",
        "workflow",
    ]
)
"""Keys of the top that are no jobs. `pages` is one if it is a mapping with a script."""

MOST_VALUES = 200_000
"""Of one file, its aliases written out: no file may grow by them."""

_INPUT = re.compile(r"\$\[\[\s*inputs\.([A-Za-z0-9_-]+)\s*(?:\|[^\]]*)?\]\]")


REFERENCE = "!reference"


class _Loader(yaml.SafeLoader):
    """With GitLab's `!reference`, which is not followed: what it would bring is not looked at, and that is said."""


_Loader.add_constructor(REFERENCE, lambda _loader, _node: None)


_Asked = tuple[Path, str | None, Place, Mapping[str, Any]]
"""A file, how it was named, by whom, and the inputs that it was given."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as GitLab would make it; `keys` are its own, those of what it extends, and of `default`."""

    name: str
    place: Place
    keys: Mapping[str, Any]

    def lines(self) -> list[str]:
        """Of its scripts, in the order in which they run; one that goes on behind a backslash is one line."""
        return [*_lines(self.keys.get("before_script")), *_lines(self.keys.get("script"))]


@dataclass(slots=True)
class Pipeline:
    """`unseen`: includes that are not in this repository, and `!reference`. `doubled`: jobs that a later include overwrites."""

    jobs: list[Job] = field(default_factory=list)
    unseen: list[Problem] = field(default_factory=list)
    doubled: list[Problem] = field(default_factory=list)


def read(path: Path) -> Pipeline:
    """Raises PlanInvalid when a file is no YAML, or not there."""
    try:
        return _read(path)
    except RecursionError as error:
        raise PlanInvalid([Problem(Place(str(path)), "no YAML: something in it holds itself")]) from error


def _read(path: Path) -> Pipeline:
    found = Pipeline()
    top: dict[str, tuple[Place, Any]] = {}
    own: set[str] = set()
    folder = path.resolve().parent
    waiting: list[_Asked] = [(path, None, Place(str(path)), {})]
    for number, (file, name, place, inputs) in enumerate(waiting, 1):
        if number > MOST_FILES:
            raise PlanInvalid([Problem(place, f"more than {MOST_FILES} files are included")])
        for key, (at, value) in _entries(file, name or str(file), place, inputs, found).items():
            if key == "include":
                waiting += _included(value, at, folder, found)
            elif key not in top:
                top[key] = (at, value)
                own |= {key} if name is None else set()
            elif key in own and isinstance(value, dict) and isinstance(top[key][1], dict):
                top[key] = (
                    top[key][0],
                    _merged(value, top[key][1]),
                )  # the file's own keys win over those that it includes
            elif key not in WORDS and not key.startswith("."):
                lost = f"job {plain(key)} is there already, at {top[key][0]}: one of the two is lost"
                found.doubled.append(Problem(at, lost))
    found.jobs = list(_jobs(top))
    return found


def _entries(
    file: Path, name: str, asked: Place, inputs: Mapping[str, Any], found: Pipeline
) -> dict[str, tuple[Place, Any]]:
    """The keys of a file's last document, each with its place. The one before it declares inputs."""
    try:
        nodes, values = _documents(file, name)
    except OSError as error:
        raise PlanInvalid([Problem(asked, f"cannot read {plain(name)}: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise PlanInvalid([Problem(Place(name), "it is not UTF-8")]) from error
    except yaml.MarkedYAMLError as error:
        at = _place(name, error.problem_mark)
        raise PlanInvalid([Problem(at, f"no YAML: {plain(error.problem or 'it cannot be read')}")]) from error
    except (ValueError, OverflowError, yaml.YAMLError) as error:
        # Such as a control character, a day that no calendar has, a number of 5,000 digits, a path with a zero byte.
        raise PlanInvalid([Problem(Place(name), f"it cannot be read: {plain(error)}")]) from error
    if not values or not isinstance(values[-1], dict) or not isinstance(nodes[-1], yaml.MappingNode):
        raise PlanInvalid([Problem(Place(name), "a pipeline is a mapping of jobs")])
    said = f"what {REFERENCE} brings is not looked at"
    found.unseen += [Problem(_place(name, node.start_mark), said) for node in _references(nodes[-1])]
    given = {**_defaults(values[0] if len(values) > 1 else {}), **inputs}
    places = {str(_put_in(str(key.value), given)): _place(name, key.start_mark) for key, _ in nodes[-1].value}
    return {
        key: (places.get(key, Place(name)), _put_in(value, given))
        for key, value in ((str(_put_in(str(key), given)), value) for key, value in values[-1].items())
    }


def _place(name: str, mark: yaml.Mark | None) -> Place:
    return Place(name, mark.line + 1, mark.column + 1) if mark else Place(name)


def _documents(file: Path, name: str) -> tuple[list[yaml.Node], list[Any]]:
    """Of the file: as nodes, which know their places, and as values."""
    data = file.read_bytes()
    if len(data) > MOST_BYTES:
        too_large = f"it is larger than the {MOST_BYTES} bytes that GitLab takes"
        raise PlanInvalid([Problem(Place(name), too_large)])
    text = data.decode()
    nodes = list(yaml.compose_all(text, Loader=_Loader))
    for node in nodes:
        if _size(node, {}) > MOST_VALUES:
            said = f"more than {MOST_VALUES} values, its aliases written out"
            raise PlanInvalid([Problem(_place(name, node.start_mark), said)])
    return nodes, list(yaml.load_all(text, Loader=_Loader))


def _below(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [one for pair in node.value for one in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Values in it, each alias counted as what it stands for. Raises RecursionError for a node that holds itself."""
    if id(node) not in known:
        known[id(node)] = 1 + sum(_size(one, known) for one in _below(node))
    return known[id(node)]


def _references(top: yaml.Node) -> Iterator[yaml.Node]:
    waiting, seen = [top], set[int]()
    while waiting:
        node = waiting.pop()
        if node.tag == REFERENCE:
            yield node
        elif id(node) not in seen:
            seen.add(id(node))
            waiting += _below(node)


def _defaults(header: Any) -> dict[str, Any]:
    for key in ("spec", "inputs"):
        header = header.get(key) if isinstance(header, dict) else None
    declared = header if isinstance(header, dict) else {}
    return {
        str(name): one.get("default")
        for name, one in declared.items()
        if isinstance(one, dict) and "default" in one
    }


def _put_in(value: Any, inputs: Mapping[str, Any]) -> Any:
    """A text that is one input as a whole becomes its value, of whatever type."""
    if isinstance(value, dict):
        return {str(_put_in(str(key), inputs)): _put_in(one, inputs) for key, one in value.items()}
    if isinstance(value, list):
        return [_put_in(one, inputs) for one in value]
    if not isinstance(value, str):
        return value
    whole = _INPUT.fullmatch(value)
    if whole:
        return inputs.get(whole[1], value)
    return _INPUT.sub(lambda found: str(inputs.get(found[1], found[0])), value)


def _included(said: Any, at: Place, folder: Path, found: Pipeline) -> Iterator[_Asked]:
    for one in said if isinstance(said, list) else [said]:
        asked: dict[str, Any] = (
            {"remote" if "://" in one else "local": one}
            if isinstance(one, str)
            else one
            if isinstance(one, dict)
            else {}
        )
        inputs: dict[str, Any] = asked["inputs"] if isinstance(asked.get("inputs"), dict) else {}
        local, component = asked.get("local"), str(asked.get("component", ""))
        if isinstance(local, str) and "*" not in local and "$" not in local:
            yield folder / local.lstrip("/"), local.lstrip("/"), at, inputs
        elif PurePosixPath(component.partition("@")[0]).name == COMPONENT:
            yield shipped(), f"component {component}", at, inputs
        else:
            what = next((f"{key}: {value}" for key, value in asked.items() if key != "inputs"), str(one))
            why = "its name is a pattern, or has a variable" if local else "it is not in this repository"
            found.unseen.append(Problem(at, f"include {plain(what)} is not looked at: {why}"))


def shipped() -> Path:
    """The component's template, as of this rollout."""
    packaged = resources.files("rollout") / "shipped" / "gitlab.yml"
    here = Path(str(packaged))
    return here if here.is_file() else Path(__file__).parents[3] / "templates" / "rollout.yml"


def _jobs(top: Mapping[str, tuple[Place, Any]]) -> Iterator[Job]:
    default = top["default"][1] if "default" in top and isinstance(top["default"][1], dict) else {}
    default = {**{key: top[key][1] for key in ("image", "before_script") if key in top}, **default}
    everywhere = top["variables"][1] if "variables" in top and isinstance(top["variables"][1], dict) else {}
    for name, (place, value) in top.items():
        if not isinstance(value, dict) or name.startswith(".") or (name in WORDS and "script" not in value):
            continue
        keys = {**default, **_extended(name, top, ())}
        own = keys.get("variables", {})
        yield Job(
            name, place, {**keys, "variables": _merged(everywhere, own)} if isinstance(own, dict) else keys
        )


def _extended(name: str, top: Mapping[str, tuple[Place, Any]], seen: tuple[str, ...]) -> dict[str, Any]:
    value = top[name][1] if name in top else {}
    if not isinstance(value, dict) or name in seen:
        return {}
    merged: dict[str, Any] = {}
    above = value.get("extends") or []
    for parent in above if isinstance(above, list) else [above]:
        merged = _merged(merged, _extended(str(parent), top, (*seen, name)))
    return _merged(merged, value)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """As `extends` does it: mappings key by key, all else as a whole."""
    both = {
        key: _merged(below[key], value)
        if isinstance(value, dict) and isinstance(below.get(key), dict)
        else value
        for key, value in above.items()
    }
    return {**below, **both}


def _lines(script: Any) -> Iterator[str]:
    for one in script if isinstance(script, list) else [script]:
        if isinstance(one, str):
            yield from one.replace("\\\n", " ").splitlines()
        elif isinstance(one, list):
            yield from _lines(one)
