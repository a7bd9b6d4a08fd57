"""Maps the folders at the root onto one package, `apus`; everything else is in pyproject.toml."""

from setuptools import find_packages, setup

FOLDERS = find_packages(exclude=["test*", "bench*"])

setup(
    script_name="setup.py",  # Named, so that the build leaves this file out of the package.
    packages=["apus", *(f"apus.{folder}" for folder in FOLDERS)],
    package_dir={"apus": "."},
    package_data={"apus": ["py.typed"]},
)
