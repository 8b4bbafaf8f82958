"""PyIceberg's own test suite, as it is and on our catalogs, side by side: ``make pyiceberg-suite``.

What needs no server, or the integration tests (``--servers``), which want a REST catalog, Hive's, S3 and Spark: each
run has new ones, filled by PyIceberg's ``dev/provision.py``. Of the version that is installed, or of the newest one
that the package index has (``--newest``: what will break). Its source distribution brings the tests, into build/. The
exit code is 1 if a test that passes plainly fails on ours and is not in ``deviations.toml``, or is there and passes.
"""

from __future__ import annotations

import argparse
import collections
import importlib.metadata
import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import venv
from pathlib import Path

from tests.pyiceberg import servers

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build/pyiceberg-tests"

# What its tests import beside what this repository's environment has.
NEEDS = (
    "pytest-lazy-fixtures",
    "pytest-mock",
    "requests-mock",
    "fastavro",
    "moto[server]",
    "boto3<1.43.118",  # as s3fs wants it
    "google-cloud-bigquery>=3.33,<4",
    "google-auth",
    "thrift",
    "s3fs",
    "adlfs",
    "gcsfs",
    "pytz",
    "datafusion<55",  # as pyiceberg-core is built for
)
NO_SERVER = "(unmarked or parametrize) and not integration"
NOT_TESTS = ("tests/notebooks", "tests/benchmark")
WITH_SERVERS = ("tests/integration", *NOT_TESTS)

Outcomes = dict[str, dict[str, str]]


def sources(version: str) -> Path:
    """PyIceberg's tests and what provisions them, and nothing else of its sources: they would be imported."""
    folder = BUILD / f"pyiceberg-{version}"
    if not (folder / ".ready").exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        download = ["download", "--quiet", "--no-deps", "--no-binary=pyiceberg", f"--dest={BUILD}"]
        subprocess.run([sys.executable, "-m", "pip", *download, f"pyiceberg=={version}"], check=True)
        with tarfile.open(BUILD / f"{folder.name}.tar.gz") as archive:
            wanted = tuple(f"{folder.name}/{part}" for part in ("tests/", "dev/provision.py", "pyproject.toml"))
            archive.extractall(BUILD, [m for m in archive if m.name.startswith(wanted)], filter="data")
        (folder / ".ready").touch()
    return folder


def environment(name: str, *packages: str) -> Path:
    """The Python of an environment that has this repository's and more."""
    folder = BUILD / name
    python = folder / "bin/python"
    ready = folder / ".ready"
    if not ready.exists():
        venv.create(folder, with_pip=True)
        ours = sysconfig.get_paths()["purelib"]
        inside = subprocess.check_output(
            [python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"], text=True
        )
        Path(inside.strip(), "zz_repository.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
        subprocess.run(pip, check=True)
        ready.touch()
    return python


def run(python: Path | str, folder: Path, *arguments: str, plugins: tuple[str, ...] = ()) -> tuple[Outcomes, str]:
    """What became of each test, and what pytest said."""
    with tempfile.TemporaryDirectory() as scratch:
        path = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
        outcomes = Path(scratch, "outcomes.json")
        own = {**dict.fromkeys(("PYICEBERG_HOME", "HOME", "TMPDIR"), scratch), "SUITE_OUTCOMES": str(outcomes)}
        loaded = [part for plugin in ("outcomes", *plugins, "no:cacheprovider") for part in ("-p", plugin)]
        done = subprocess.run(
            [python, "-m", "pytest", *loaded, "-q", "-rfE", "--tb=short", f"--basetemp={scratch}/t", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path, **own},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return json.loads(outcomes.read_text()) if outcomes.exists() else {}, done.stdout


def run_on_servers(
    python: Path, folder: Path, provision: Path, *arguments: str, plugins: tuple[str, ...] = ()
) -> tuple[Outcomes, str]:
    """`run`, on new servers that have what the tests expect."""
    os.environ["PYTHONPATH"] = str(servers.pyspark())
    with servers.servers():
        subprocess.run([python, provision], check=True)
        return run(python, folder, *arguments, plugins=plugins)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--newest", action="store_true", help="the newest PyIceberg that the package index has")
    parser.add_argument("tests", nargs="*", default=["tests"], help="of the source distribution; default: all")
    parser.add_argument("--servers", action="store_true", help="the integration tests, on servers of this machine")
    parser.add_argument("--provision", type=Path, help="PyIceberg's dev/provision.py; default: the distribution's")
    options = parser.parse_args()
    if options.newest:
        python = environment("newest", *NEEDS)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--pre", "--upgrade", "pyiceberg"], check=True)
        asked = [str(python), "-c", "from importlib.metadata import version; print(version('pyiceberg'))"]
        version = subprocess.check_output(asked, text=True).strip()
    else:
        version = importlib.metadata.version("pyiceberg")
        python = environment("with-needs", *NEEDS)
    folder = sources(version)
    if options.servers:
        provision = options.provision or folder / "dev/provision.py"
        if lacking := [*servers.missing(), *([] if provision.exists() else [f"{provision} (--provision)"])]:
            print(f"The integration tests cannot run without {', '.join(lacking)}: make pyiceberg-integration")
            return 2
        which = ["-m", "integration", *(f"--ignore={part}" for part in NOT_TESTS), *options.tests]
        plain, _ = run_on_servers(python, folder, provision, *which)
        ours, said = run_on_servers(python, folder, provision, *which, plugins=("floe_on_servers",))
    else:
        which = ["-m", NO_SERVER, *(f"--ignore={part}" for part in WITH_SERVERS), *options.tests]
        plain, _ = run(python, folder, *which)
        ours, said = run(python, folder, *which, plugins=("floe_in_place",))
    return report(version, plain, ours, said)


def report(version: str, plain: Outcomes, ours: Outcomes, said: str) -> int:
    by = collections.Counter((found["outcome"], found["by"]) for found in ours.values())
    passes = sum(found["outcome"] == "passed" for found in plain.values())
    print(f"PyIceberg {version}: {len(plain)} tests, of which {passes} pass as they are. On our catalogs:")
    print(f"{by['passed', 'engine']:6} passed in the engine")
    print(f"{by['passed', 'pyiceberg']:6} passed by falling back on PyIceberg's code")
    print(f"{by['passed', '']:6} passed without a table of ours")
    print(f"{sum(count for (outcome, _), count in by.items() if outcome == 'listed'):6} differ, with a reason")
    print(f"{sum(count for (outcome, _), count in by.items() if outcome == 'failed'):6} failed")
    for name, found in ours.items():
        if found["by"] == "pyiceberg" and found["outcome"] == "passed":
            print(f"by PyIceberg's code: {name}")
    broken = [
        name
        for name, found in plain.items()
        if found["outcome"] == "passed" and ours.get(name, {"outcome": "failed"})["outcome"] in ("failed", "error")
    ]
    for name in broken:
        print(f"broken: {name}")
    if broken:
        print(said[-20_000:])
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
