"""What the architecture promises: twin folders, floors that import downwards only, one engine without the other."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from hypothesis import settings

from utils.engine import ENGINES, engine_obstacle

ROOT = Path(__file__).resolve().parent.parent
TWINS = ("pytorch_impl", "mxnet_impl")
#: Who may import whom: a room its own floor and what stands in its line, never upwards; the twins never each other.
MAY_IMPORT = {
    "utils.system": set(),
    "utils": {"utils.system"},
    "data_prep": {"utils", "utils.system"},
    "pytorch_impl": {"utils", "utils.system"},
    "mxnet_impl": {"utils", "utils.system"},
    "baselines": {"utils", "utils.system"},
    "experiments.tasks": {"data_prep", "utils", "utils.system"},
    "experiments.runs": {"experiments.tasks", "data_prep", "utils", "utils.system"},
    "experiments.grids": {"experiments.runs", "experiments.analysis", "data_prep", "utils", "utils.system"},
    "experiments.parity": {
        "experiments.tasks",
        "experiments.runs",
        "experiments.analysis",
        "data_prep",
        "utils",
        "utils.system",
    },
    "experiments.analysis": {"data_prep", "utils", "utils.system"},
    "experiments.report": {"experiments.analysis", "data_prep", "utils", "utils.system"},
    "studies.recotour2020": {"experiments.analysis", "data_prep", "utils", "utils.system"},
}
#: What stands outside the rooms calls them: a command, in a few lines (the main job, a script's, in some more).
LONGEST_COMMAND, COMMANDS = 15, ROOT / "experiments"
FORCED_BY_A_FRAMEWORK = {
    *("forward", "hybrid_forward", "Linear"),  # layers.py
    *("_SparseProduct", "_BlockedProduct", "gathered"),  # layers.py, PyTorch: products with gradients of their own
    *("_decay_groups", "_step", "_shrink", "_penalty"),  # optimizers.py
}


def names_in_order(path):
    """Every class, function and method of a file, with the names of its arguments."""
    found = []
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name not in FORCED_BY_A_FRAMEWORK:
            found.append((node.name, arguments(node) if isinstance(node, ast.FunctionDef) else None))
        if isinstance(node, ast.ClassDef) and node.name not in FORCED_BY_A_FRAMEWORK:
            methods = [inner for inner in node.body if isinstance(inner, ast.FunctionDef)]
            found += [(f"{node.name}.{m.name}", arguments(m)) for m in methods if m.name not in FORCED_BY_A_FRAMEWORK]
    return found


def arguments(function):
    return [argument.arg for argument in function.args.args]


def test_the_twins_have_the_same_files():
    files = [{path.relative_to(ROOT / twin) for path in (ROOT / twin).rglob("*.py")} for twin in TWINS]
    assert files[0] == files[1]
    assert len(files[0]) >= 9


@pytest.mark.parametrize("name", sorted(str(p.relative_to(ROOT / TWINS[0])) for p in (ROOT / TWINS[0]).rglob("*.py")))
def test_the_twins_define_the_same_names_in_the_same_order(name):
    assert names_in_order(ROOT / TWINS[0] / name) == names_in_order(ROOT / TWINS[1] / name)


def imports(tree, top_level_only=False):
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def room_of(name):
    """The longest beginning of a dotted name that is a room; None where it is none of ours."""
    parts = name.split(".")
    return next((room for n in range(len(parts), 0, -1) if (room := ".".join(parts[:n])) in MAY_IMPORT), None)


def imported_modules(tree):
    """Every dotted name that a file imports, of modules and of what may be modules in them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_no_room_imports_upwards_or_a_framework_where_none_belongs(room):
    files = [path for path in (ROOT / room.replace(".", "/")).rglob("*.py") if room_of(module_of(path)) == room]
    assert files
    for path in files:
        tree = ast.parse(path.read_text())
        for name in imported_modules(tree):
            other = room_of(name)
            is_above = name.startswith(("experiments.", "studies.", "benchmarks.")) and other is None
            assert not is_above, f"{path} imports {name}"
            assert other in {None, room, *MAY_IMPORT[room]}, f"{path} imports {name}"
        if room not in TWINS:
            assert not {"torch", "mxnet"} & set(imports(tree, top_level_only=True)), path


def test_nothing_imports_in_a_circle():
    """Types count too: what only a checker reads is still what a reader must know first."""
    rooms = ("utils", "data_prep", *TWINS, "experiments", "studies")
    modules = {module_of(path): ast.parse(path.read_text()) for room in rooms for path in (ROOT / room).rglob("*.py")}

    def known(name):
        while name and name not in modules:
            name = name.rpartition(".")[0]
        return name

    graph = {
        module: {known(name) for name in imported_modules(tree)} - {module, ""} for module, tree in modules.items()
    }
    TopologicalSorter(graph).prepare()  # raises CycleError, naming the circle


def test_a_command_only_calls_its_room():
    commands = [path for path in COMMANDS.glob("*.py") if path.stem not in {"__init__", "main_job"}]
    assert len(commands) >= 6
    for path in (*commands, *COMMANDS.glob("*/__main__.py")):
        assert len(path.read_text().splitlines()) <= LONGEST_COMMAND, path


@pytest.mark.parametrize("gone", sorted(entry.framework for entry in ENGINES.values()))
def test_without_one_framework_the_rest_works(gone, tmp_path):
    """A framework that cannot be imported is missed by its own engine only."""
    (other,) = (name for name, entry in ENGINES.items() if entry.framework != gone)
    if reason := engine_obstacle(other):
        pytest.skip(reason)
    code = f"""
import sys
sys.modules[{gone!r}] = None  # what Python itself does to a module that must not be found
import data_prep, experiments.runs.run, experiments.grids.command, experiments.analysis.compare
from utils.engine import load_engine
print(load_engine({other!r}).describe())
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert gone not in done.stdout


# The tests themselves

TESTS = sorted((ROOT / "tests").glob("*.py"))
_STATE = {"get_state", "set_state", "seed", "default_rng", "RandomState"}


def unseeded(tree):
    """The lines of a test file that draw what no seed of the file decides."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    imported = set(imports(tree))
    for node in [tree, *functions]:
        calls = [(ast.unparse(call.func), call) for call in ast.walk(node) if isinstance(call, ast.Call)]
        called = {name for name, _ in calls}
        for name, call in calls:
            of, _, last = name.rpartition(".")
            makes_generator = last in ("default_rng", "RandomState", "Random")
            if makes_generator and not (call.args or call.keywords):
                yield call.lineno
            if of == "random" and "random" in imported and not makes_generator:  # else a generator's name
                yield call.lineno
            if node is tree:
                continue
            is_global = of == "np.random" and last not in _STATE
            is_torch = last in ("normal_", "uniform_") or (of == "torch" and last.startswith("rand"))
            if (is_global and "np.random.seed" not in called) or (is_torch and "torch.manual_seed" not in called):
                yield call.lineno
    if named := {"secrets", "uuid"} & imported:
        yield f"it imports {', '.join(sorted(named))}"


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_no_test_file_imports_another_or_draws_unseeded(path):
    tree = ast.parse(path.read_text())
    assert not [name for name in imports(tree) if name.startswith("test_")], "what tests share has a file of its own"
    assert not list(unseeded(tree))


@pytest.mark.parametrize(
    ("code", "is_seeded"),
    [
        ("x = np.random.default_rng()", False),
        ("def f():\n    np.random.RandomState().rand()", False),
        ("def f():\n    return np.random.rand(3)", False),
        ("def f():\n    return torch.randn(3)", False),
        ("def f(layer):\n    layer.weight.normal_()", False),
        ("import random\nx = random.choice('ab')", False),
        ("import random\nx = random.Random()", False),
        ("import uuid", False),
        ("x = np.random.default_rng(), np.random.default_rng(1)", False),
        ("import random\nx = random.Random(3).choice('ab')", True),
        ("x = np.random.default_rng(0)", True),
        ("def f():\n    np.random.seed(1)\n    return np.random.rand(3)", True),
        ("def f():\n    torch.manual_seed(0)\n    return torch.randn(3)", True),
        ("def f():\n    random = np.random.default_rng(3)\n    return random.random()", True),
    ],
)
def test_what_draws_unseeded_is_seen(code, is_seeded):
    assert (not list(unseeded(ast.parse(code)))) == is_seeded


def test_the_suite_tries_the_same_examples_every_time():
    assert settings.get_profile("suite").derandomize
    assert not settings.get_profile("long").derandomize


def test_there_is_a_licence_and_a_changelog_that_explains_its_mark():
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")
    changelog = (ROOT / "CHANGELOG.md").read_text()
    introduction, unreleased = changelog.split("\n## ")[:2]
    assert "marked **[results change]**" in introduction
    assert unreleased.startswith("Unreleased")
    for name in ("LICENSE", "CHANGELOG.md"):
        assert f"]({name})" in (ROOT / "README.md").read_text(), f"the README names {name}"
