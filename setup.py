"""The project is used from its folder, ``pip install -e .``; its metadata are in ``pyproject.toml``.

Its top-level names, ``utils`` before all, are too common to be copied among the packages of an environment.
"""

from setuptools import setup
from setuptools.command.build_py import build_py


class EditableOnly(build_py):
    """Refuses to copy the packages, as every way of building a wheel asks; an editable installation does not."""

    def run(self):
        if not self.editable_mode:
            raise SystemExit("error: vae-cf is used from a clone of its repository: run pip install -e . in the clone")
        super().run()


setup(cmdclass={"build_py": EditableOnly})
