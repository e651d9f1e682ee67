"""What the architecture promises: twin folders, floors that import downwards only, one engine without the other."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

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
