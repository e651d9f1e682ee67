"""What this project needs, as ranges; ``constraints.txt`` holds the one set of exact versions it is tested with.

``pip install -c constraints.txt -e '.[mxnet,pytorch,report,dev]'`` installs everything;
``bash run_experiments.sh`` and ``bash run_tests.sh`` do so by themselves. The tables below stand outside
``setup()`` so that ``utils.system.installation`` can hold a ready environment against them.
"""

BASE = [
    "numpy>=1.26,<3",
    "pandas>=2.2,<3",
    "pyarrow>=15",
    "safetensors>=0.4.3",
    "scipy>=1.13,<2",
    "tabulate>=0.9",
    "tomli>=2; python_version < '3.11'",  # tomllib from 3.11 on
    "tqdm>=4.66",
]
PYTORCH = ["torch>=2.2,<3"]
MXNET = [
    "mxnet==1.9.1",
    "numpy>=1.26,<2",  # its mxnet.numpy fails to import with NumPy 2
    "pyarrow>=15,<22",  # the last line that works with NumPy 1
    "setuptools>=77; python_version >= '3.12'",  # supplies distutils, which MXNet imports and Python dropped in 3.12
]
TESTS = ["hypothesis>=6.100", "pytest>=8", "pytest-xdist>=3.5"]
EXTRAS = {
    "pytorch": PYTORCH,
    "mxnet": MXNET,
    "report": ["Jinja2>=3.1,<4", "matplotlib>=3.8,<4"],  # its page and the figures; tables need nothing beyond BASE
    "dev": [*TESTS, "ruff>=0.5"],
}
FLOORS = ["utils", "data_prep", "pytorch_impl", "mxnet_impl", "baselines", "experiments", "studies"]

if __name__ == "__main__":
    from setuptools import find_packages, setup

    setup(
        name="vae-cf",
        version="0.1.0",
        description="Variational autoencoders for collaborative filtering: one program, two engines (PyTorch, MXNet)",
        license="MIT",
        license_files=["LICENSE"],
        python_requires=">=3.10",
        install_requires=BASE,
        extras_require=EXTRAS,
        packages=find_packages(include=[pattern for name in FLOORS for pattern in (name, f"{name}.*")]),
        py_modules=["main_mxnet", "main_pytorch"],
        package_data={"experiments": ["grids/*.toml", "report/page.*"], "studies": ["*/grids/*.toml"]},
    )
