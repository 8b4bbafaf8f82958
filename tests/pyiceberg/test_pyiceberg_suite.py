"""PyIceberg's own tests of catalogs and tables, run on ours. Its source distribution brings them, into build/."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pyiceberg
import pytest

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "pyiceberg-tests"
FILES = (
    "tests/catalog/test_sql.py",
    "tests/catalog/test_catalog_behaviors.py",
    "tests/table/test_init.py",
    "tests/table/test_manage_snapshots.py",
    "tests/test_schema.py",
)


@pytest.fixture(scope="module")
def sources() -> Path:
    """PyIceberg's tests, of the version that is installed, and nothing else of its sources: they would be imported."""
    folder = BUILD / f"pyiceberg-{pyiceberg.__version__}"
    if not folder.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        download = ["download", "--quiet", "--no-deps", "--no-binary=pyiceberg", f"--dest={BUILD}"]
        subprocess.run([sys.executable, "-m", "pip", *download, f"pyiceberg=={pyiceberg.__version__}"], check=True)
        with tarfile.open(BUILD / f"{folder.name}.tar.gz") as archive:
            wanted = (f"{folder.name}/tests/", f"{folder.name}/pyproject.toml")
            archive.extractall(BUILD, [m for m in archive if m.name.startswith(wanted)], filter="data")
    return folder


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("file", FILES)
def test_pyicebergs_own_tests(sources: Path, tmp_path: Path, file: str) -> None:
    ours = {"PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])}
    environment = {**os.environ, **ours, **dict.fromkeys(("PYICEBERG_HOME", "HOME", "TMPDIR"), str(tmp_path))}
    arguments = [
        "-p",
        "floe_in_place",
        "-p",
        "no:cacheprovider",
        "-q",
        "-rfE",
        "--tb=short",
        f"--basetemp={tmp_path}/t",
    ]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", *arguments, file],
        cwd=sources,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
