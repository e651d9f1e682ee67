"""The two commands on a fresh machine: which Python, which packages, what is said when something is missing."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from experiments.grids.plan import GridOptions
from utils.system import installation
from utils.system import platform as platform_check
from utils.system.errors import UserError, guarded

ROOT = Path(__file__).resolve().parents[1]
PROJECT = installation._project(ROOT)
EXTRAS = PROJECT["optional-dependencies"]
NEEDED = [Requirement(text) for texts in (PROJECT["dependencies"], *EXTRAS.values()) for text in texts]

LINUX = {"sys_platform": "linux", "platform_machine": "x86_64"}
TESTED = [{**LINUX, "python_version": version} for version in ("3.10", "3.11", "3.12")]
ELSEWHERE = [
    {**LINUX, "python_version": "3.13"},
    {**LINUX, "platform_machine": "aarch64", "python_version": "3.12"},
    {"sys_platform": "darwin", "platform_machine": "arm64", "python_version": "3.11"},
]


def constraints(place):
    lines = [line.split("#")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines()]
    parsed = [Requirement(line) for line in lines if line]
    return [line for line in parsed if line.marker is None or line.marker.evaluate(place)]


# constraints.txt and pyproject.toml


@pytest.mark.parametrize("place", TESTED, ids=lambda place: place["python_version"])
def test_where_it_is_tested_every_package_has_one_exact_version(place):
    found = constraints(place)
    assert len({line.name.lower() for line in found}) == len(found)
    assert all([clause.operator for clause in line.specifier] == ["=="] for line in found)


@pytest.mark.parametrize("place", [*TESTED, *ELSEWHERE], ids=lambda place: "-".join(place.values()))
def test_the_versions_lie_within_the_ranges(place):
    by_name = {line.name: line for line in constraints(place)}
    for needed in NEEDED:
        assert needed.name in by_name
        for clause in by_name[needed.name].specifier:
            if clause.operator == "==":
                assert needed.specifier.contains(clause.version), f"{needed} against {by_name[needed.name]}"


@pytest.mark.parametrize("place", ELSEWHERE, ids=lambda place: "-".join(place.values()))
def test_where_there_is_no_numpy_1_26_numpy_2_is_taken(place):
    (numpy,) = [line for line in constraints(place) if line.name == "numpy"]
    assert numpy.specifier.contains("2.2.6")
    assert not numpy.specifier.contains("1.26.4")


def test_the_extras_are_those_that_the_installer_asks_for():
    assert set(EXTRAS) == {"pytorch", "mxnet", "report", "dev"} | {"baselines"}, "which one asks for oneself"
    assert set(installation.extras()) <= set(EXTRAS) - {"baselines"}
    assert {requirement.name for requirement in map(Requirement, EXTRAS["dev"])} > installation._TOOLS


# platform_check


@pytest.fixture
def fit_for_mxnet(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sys, "version_info", (3, 11, 7))
    monkeypatch.setattr(platform_check.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(platform_check, "_has_glibc", lambda: True)
    monkeypatch.setattr(platform_check, "_missing_libraries", list)
    monkeypatch.setattr(platform_check.shutil, "which", lambda name: None)


@pytest.mark.usefixtures("fit_for_mxnet")
class TestMxnetObstacle:
    def test_none_on_linux_x86_64_with_an_old_enough_python(self):
        assert platform_check.mxnet_obstacle() is None

    @pytest.mark.parametrize("system", ["darwin", "win32"])
    def test_other_systems(self, monkeypatch, system):
        monkeypatch.setattr(sys, "platform", system)
        assert "Linux x86-64 only" in platform_check.mxnet_obstacle()

    def test_arm(self, monkeypatch):
        monkeypatch.setattr(platform_check.platform, "machine", lambda: "aarch64")
        assert "Linux x86-64 only" in platform_check.mxnet_obstacle()

    def test_another_c_library(self, monkeypatch):
        monkeypatch.setattr(platform_check, "_has_glibc", lambda: False)
        assert "glibc" in platform_check.mxnet_obstacle()

    def test_a_newer_python_and_how_uv_supplies_an_older_one(self, monkeypatch):
        monkeypatch.setattr(sys, "version_info", (3, 13, 0))
        assert "install Python 3.12, or uv" in platform_check.mxnet_obstacle()
        monkeypatch.setattr(platform_check.shutil, "which", lambda name: f"/usr/bin/{name}")
        assert "uv venv --seed --python 3.12 .venv" in platform_check.mxnet_obstacle()

    def test_missing_system_libraries_are_named_with_their_packages(self, monkeypatch):
        monkeypatch.setattr(platform_check, "_missing_libraries", lambda: ["libgomp.so.1", "libquadmath.so.0"])
        obstacle = platform_check.mxnet_obstacle()
        assert obstacle.endswith("apt-get install libgomp1 libquadmath0")
        assert "\n" not in obstacle


def test_a_library_that_does_not_exist_is_found_missing(monkeypatch):
    monkeypatch.setattr(platform_check, "_SYSTEM_LIBRARIES", {"libc.so.6": "libc6", "libnosuch.so.9": "libnosuch9"})
    if sys.platform == "linux":
        assert platform_check._missing_libraries() == ["libnosuch.so.9"]


# installation


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project folder and an empty environment; ``project.calls`` counts what pip was asked."""
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "prefix").mkdir()
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    monkeypatch.setattr(installation, "mxnet_obstacle", lambda: None)
    return tmp_path


@pytest.fixture
def asked_of_pip(monkeypatch):
    calls = []
    monkeypatch.setattr(installation, "_pip_install", lambda root, arguments, log: calls.append(list(arguments)))
    return calls


def test_an_installation_is_not_repeated(project, asked_of_pip, capsys):
    assert installation.install(project)
    assert not installation.install(project)
    assert len(asked_of_pip) == 1
    assert asked_of_pip[0][-1].endswith("[pytorch,mxnet,report,dev]")
    assert "pip's log is" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_it_is_repeated_when_what_is_needed_changed(project, asked_of_pip, name):
    installation.install(project)
    with open(project / name, "a") as stream:
        stream.write("# another line\n")
    assert installation.install(project)
    assert len(asked_of_pip) == 2


def test_an_interrupted_installation_is_not_believed(project, asked_of_pip, monkeypatch):
    installation.install(project)
    with open(project / "constraints.txt", "a") as stream:
        stream.write("# newer\n")

    def interrupted(root, arguments, log):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(installation, "_pip_install", interrupted)
        with pytest.raises(KeyboardInterrupt):
            installation.install(project)
    shutil.copy(ROOT / "constraints.txt", project)  # back to what was installed before: still half of something else
    assert installation.install(project)


def test_without_mxnet_everything_else_is_installed(project, asked_of_pip, monkeypatch, capsys):
    monkeypatch.setattr(installation, "mxnet_obstacle", lambda: "no wheel")
    installation.install(project)
    assert asked_of_pip[0][-1].endswith("[pytorch,report,dev]")
    assert "without MXNet" in capsys.readouterr().err
    monkeypatch.setattr(installation, "mxnet_obstacle", lambda: None)  # the missing libraries have come
    assert installation.install(project)


def test_a_failing_pip_is_one_line_that_names_its_log(project, monkeypatch, capsys):
    python = project / "python"
    python.write_text(
        "#!/bin/sh\necho Collecting numpy\necho 'ERROR: No matching distribution found for numpy'\nexit 1\n"
    )
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    assert guarded(lambda argv: installation.install(project)) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(said) == 1
    assert "No matching distribution found for numpy" in said[0]
    log = project / ".cache" / "install.log"
    assert str(log) in said[0]
    assert "Collecting numpy" in log.read_text()
    assert not list((project / "prefix").iterdir())


def test_this_environment_lacks_nothing_but_what_is_taken_away(monkeypatch):
    monkeypatch.setattr(installation, "mxnet_obstacle", lambda: "set aside here")
    versions = {"numpy": "1.26.4", "torch": "2.13.0+cpu", "tqdm": "1.0"}

    def version(name):
        if name == "hypothesis":
            raise installation.importlib.metadata.PackageNotFoundError
        return versions.get(name, "2.3")  # fits no range exactly, so that the ranges are seen to count

    monkeypatch.setattr(installation.importlib.metadata, "version", version)
    lacks = installation.lacking()
    assert "hypothesis" in lacks
    assert "tqdm>=4.66 (has 1.0)" in lacks
    assert not any(line.startswith(("numpy", "torch", "pandas", "mxnet", "ruff", "mypy")) for line in lacks)


@pytest.mark.parametrize(("absent", "lacks"), [("packaging.requirements", "pytest"), ("tomli", "tomli")])
def test_what_reads_the_ranges_is_itself_lacking_where_it_is(monkeypatch, absent, lacks):
    monkeypatch.setitem(sys.modules, "tomllib", None)  # as on Python 3.10
    monkeypatch.setitem(sys.modules, absent, None)
    assert installation.lacking() == [lacks]


@pytest.mark.parametrize(("lacks", "code"), [([], 0), (["torch>=2.2,<3 (has none)", "tqdm>=4.66 (has 1.0)"], 1)])
def test_check_says_what_is_lacking_and_by_its_exit_code_whether_anything_is(monkeypatch, capsys, lacks, code):
    monkeypatch.setattr(installation, "lacking", lambda: lacks)
    assert installation.main(["--check"]) == code
    assert capsys.readouterr().out == (", ".join(lacks) + "\n" if lacks else "")


def test_wrong_arguments_are_refused():
    with pytest.raises(UserError, match="expected nothing or --check"):
        installation.main(["--chek"])


# setup.py


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A copy of what the packaging reads, with an environment in which pip has installed it as editable."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("setup.py", "pyproject.toml", "LICENSE", "main_mxnet.py", "main_pytorch.py"):
        shutil.copy(ROOT / name, folder)
    for init in ROOT.glob("*/__init__.py"):
        (folder / init.parent.name).mkdir()
        shutil.copy(init, folder / init.parent.name)
    venv.create(folder / "env", symlinks=True, with_pip=False)
    done = pip("install", "--prefix=env", "--ignore-installed", "-e", ".", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def pip(command, *arguments, cwd):
    """What pip says when it takes nothing from anywhere but this environment."""
    offline = ("--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    return subprocess.run(
        [sys.executable, "-m", "pip", command, *offline, *arguments],
        cwd=cwd, env={**os.environ, "PIP_USER": "0"}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def imported(clone, name, cwd):
    """The file of a module as a Python finds it that stands in ``cwd`` and has the editable installation."""
    code = f"import importlib.util; print(importlib.util.find_spec({name!r}).origin)"
    python = clone / "env" / "bin" / "python"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [python, "-c", code], cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=True
    ).stdout.strip()


def test_every_floor_of_the_house_is_installed_as_editable(clone, tmp_path):
    floors = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    assert "utils" in floors
    for name in floors:
        assert imported(clone, name, tmp_path) == str(clone / name / "__init__.py")
    assert imported(clone, "main_pytorch", tmp_path) == str(clone / "main_pytorch.py")


def test_a_strangers_utils_is_not_hidden_and_in_the_clone_ours_is_found(clone, tmp_path):
    ours, strangers = clone / "utils" / "__init__.py", tmp_path / "utils.py"
    strangers.touch()
    assert imported(clone, "utils", tmp_path) == str(strangers)
    assert imported(clone, "utils", clone) == str(ours)
    (site_packages,) = clone.glob("env/lib/python*/site-packages")
    try:  # of two that are installed the stranger's comes first, but in the clone
        shutil.copy(strangers, site_packages)
        assert imported(clone, "utils", site_packages.parent) == str(site_packages / "utils.py")
        assert imported(clone, "utils", clone) == str(ours)
    finally:
        (site_packages / "utils.py").unlink()


@pytest.mark.parametrize("door", ["main_pytorch.py", "main_mxnet.py", "run_experiments.sh"])
def test_the_doors_find_their_own_utils_wherever_they_are_called(tmp_path, door):
    (tmp_path / "utils.py").write_text("raise SystemExit('the stranger was imported')")
    opener = "bash" if door.endswith(".sh") else sys.executable
    done = subprocess.run(
        [opener, ROOT / door, "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", ["wheel", "install --ignore-installed --prefix=."])
def test_a_wheel_is_refused_in_one_line(clone, tmp_path, command):
    done = pip(*command.split(), str(clone), cwd=tmp_path)
    assert done.returncode != 0
    assert [line.strip() for line in done.stderr.splitlines() if "vae-cf is used from" in line] == [
        "error: vae-cf is used from a clone of its repository: run pip install -e . in the clone"
    ]
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


# environment.sh


def bash(script, *, path, cwd=ROOT, **environment):
    return subprocess.run(
        ["bash", "-c", script], cwd=cwd, env={"PATH": str(path), "HOME": str(cwd), **environment},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


FUNCTIONS = "set -euo pipefail; source utils/environment.sh; "


@pytest.fixture
def pythons(tmp_path):
    """A folder to be the PATH, and a maker of fake Pythons in it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("bash", "grep", "cat", "mkdir", "dirname", "sed", "readlink"):
        (folder / tool).symlink_to(shutil.which(tool))

    def make(name, version, venv=True):
        path = folder / name
        major, minor = version.split(".")
        path.write_text(
            "#!/usr/bin/env bash\n"
            'case "$*" in\n'
            f'  *print*) echo "{version}" ;;\n'
            f"  *ensurepip*) exit {0 if venv else 1} ;;\n"
            f'  *"(3, 10)"*) exit {int((int(major), int(minor)) < (3, 10))} ;;\n'
            "  *) exit 1 ;;\n"
            "esac\n"
        )
        path.chmod(0o755)
        (folder / "env").unlink(missing_ok=True)
        (folder / "env").symlink_to(shutil.which("env"))
        return path

    make.folder = folder
    return make


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        ({"python3": "3.11"}, "python3"),
        ({"python3": "3.13", "python3.12": "3.12"}, "python3.12"),
        ({"python3": "3.9", "python3.10": "3.10"}, "python3.10"),
        ({"python3": "3.8", "python3.13": "3.13"}, "python3.13"),
        ({"python3": "3.14"}, "python3"),
        ({"python": "3.12"}, "python"),
    ],
)
def test_the_python_that_mxnet_can_live_with_is_preferred(pythons, there, chosen):
    for name, version in there.items():
        pythons(name, version)
    result = bash(FUNCTIONS + "find_python", path=pythons.folder)
    assert (result.returncode, result.stdout.strip()) == (0, chosen)


def test_no_recent_python_is_one_line(pythons):
    pythons("python3", "3.9")
    result = bash(FUNCTIONS + "python=$(find_python) || exit $?", path=pythons.folder)
    assert result.returncode == 2
    assert result.stderr.splitlines() == [
        "error: no Python 3.10 or later was found (python3, python3.12, ...); install Python 3.12"
    ]


def test_a_python_without_venv_is_one_line_and_another_is_taken_first(pythons):
    pythons("python3", "3.11", venv=False)
    result = bash(FUNCTIONS + "find_python", path=pythons.folder)
    assert result.returncode == 2
    assert result.stderr.strip().endswith("apt-get install python3.11-venv")
    pythons("python3.12", "3.12")
    assert bash(FUNCTIONS + "find_python", path=pythons.folder).stdout.strip() == "python3.12"


def test_a_suitable_active_environment_is_used_and_named(pythons, tmp_path):
    prefix = tmp_path / "active"
    (prefix / "bin").mkdir(parents=True)
    python = prefix / "bin" / "python"
    python.write_text("#!/usr/bin/env bash\nexit 0\n")
    python.chmod(0o755)
    pythons("python3", "3.11")
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        result = bash(
            FUNCTIONS + 'use_environment; echo "$PYTHON"',
            path=pythons.folder, **{variable: str(prefix)},
        )  # fmt: skip
        assert result.stdout.strip() == str(python)
        assert result.stderr.strip() == f"environment: the active {prefix}"


def test_an_unsuitable_active_environment_is_left_alone_and_says_what_it_lacks(pythons, tmp_path):
    prefix = tmp_path / "active"
    (prefix / "bin").mkdir(parents=True)
    python = prefix / "bin" / "python"
    python.write_text('#!/usr/bin/env bash\n[ "$1" = -c ] && exit 0\necho mxnet, torch\nexit 1\n')
    python.chmod(0o755)
    pythons("python3", "3.11")
    result = bash(FUNCTIONS + "use_active_environment", path=pythons.folder, VIRTUAL_ENV=str(prefix))
    assert result.returncode == 1
    assert "lacks mxnet, torch; leaving it alone" in result.stderr


# The scripts


def test_the_help_of_the_main_job_needs_no_python_and_names_every_option(pythons):
    result = bash("bash run_experiments.sh --help", path=pythons.folder)
    assert result.returncode == 0, result.stderr
    for field in dataclasses.fields(GridOptions):
        assert f"--{field.name}" in result.stdout


def test_the_help_of_the_tests_makes_no_environment(pythons):
    result = bash("bash run_tests.sh --help", path=pythons.folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert "bash run_tests.sh -m slow" in result.stdout


@pytest.mark.parametrize("script", ["run_experiments.sh", "run_tests.sh"])
def test_the_scripts_may_be_links_from_elsewhere(pythons, tmp_path, script):
    link = tmp_path / "link.sh"
    link.symlink_to(ROOT / script)
    said = [bash(f"cd {folder}; bash {name} --help", path=pythons.folder)
            for folder, name in ((ROOT, script), (tmp_path, "link.sh"))]  # fmt: skip
    assert said[1].returncode == 0, said[1].stderr
    assert said[0].stdout == said[1].stdout != ""


@pytest.mark.parametrize("script", ["run_experiments.sh", "run_tests.sh"])
def test_a_script_called_through_a_link_works_in_its_own_folder(pythons, tmp_path, script):
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    for each in (script, "utils/environment.sh"):
        (project / each).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / each, project / each)
    elsewhere.mkdir()
    (elsewhere / "go").symlink_to(project / script)
    done = bash("bash elsewhere/go", path=pythons.folder, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: no Python 3.10 or later was found"), "the project's own line"
    assert (project / ".cache").is_dir()
    assert [path.name for path in elsewhere.iterdir()] == ["go"]


@pytest.mark.parametrize("script", ["run_experiments.sh", "run_tests.sh", ".ci/run", "utils/environment.sh"])
def test_the_scripts_are_sound_bash(script):
    subprocess.run(["bash", "-n", str(ROOT / script)], check=True, timeout=30)
    assert script == "utils/environment.sh" or os.access(ROOT / script, os.X_OK)
