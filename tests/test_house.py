"""What the architecture promises: twin folders, floors that import downwards only, one engine without the other."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from utils.engine import ENGINES, engine_obstacle

ROOT = Path(__file__).resolve().parent.parent
TWINS = ("pytorch_impl", "mxnet_impl")
FLOORS = {"utils": 0, "data_prep": 1, "pytorch_impl": 2, "mxnet_impl": 2, "experiments": 3}
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


@pytest.mark.parametrize("folder", FLOORS)
def test_nothing_imports_upwards_or_a_framework_where_none_belongs(folder):
    for path in (ROOT / folder).rglob("*.py"):
        tree = ast.parse(path.read_text())
        for name in imports(tree):
            above = FLOORS.get(name, -1) > FLOORS[folder] or (name in TWINS and name != folder)
            assert not above, f"{path} imports {name}"
        if folder not in TWINS:
            assert not {"torch", "mxnet"} & set(imports(tree, top_level_only=True)), path


@pytest.mark.parametrize("gone", sorted(entry.framework for entry in ENGINES.values()))
def test_without_one_framework_the_rest_works(gone, tmp_path):
    """A framework that cannot be imported is missed by its own engine only."""
    (other,) = (name for name, entry in ENGINES.items() if entry.framework != gone)
    if reason := engine_obstacle(other):
        pytest.skip(reason)
    code = f"""
import sys
sys.modules[{gone!r}] = None  # what Python itself does to a module that must not be found
import data_prep, experiments.run, experiments.grid, experiments.compare
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
