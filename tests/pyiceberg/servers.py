"""The servers that PyIceberg's integration tests expect, on loopback, on the ports that its docker-compose file names.

S3 on 9000 (SeaweedFS), the REST catalog on 8181 (Iceberg's reference server), Hive's metastore on 9083, and Spark
Connect on 15002 with both catalogs. `make pyiceberg-integration` installs them.

What fails here plainly, too: the metastore is Hive 2.3, which Spark has, and wants names of databases without a dash
(`test_catalog.py` on Hive); Spark has no Hadoop for S3, which tables of Hive's own would need
(`test_hive_migration.py`); Daft is not installed; DuckDB would download its extensions.
"""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "testing/fixtures"
SPARK = ROOT / "build/spark/venv"
METASTORE = ROOT / "build/hive-metastore"

PREPARED = {
    ROOT / "build/stores/seaweedfs/.ready": "SeaweedFS",
    ROOT / "build/iceberg-rest/.ready": "Iceberg's REST reference server",
    ROOT / "build/spark/.ready": "Spark",
    METASTORE / ".ready": "Hive's metastore",
}
S3_ENDPOINT, REST, METASTORE_PORT, SPARK_CONNECT_PORT = "http://127.0.0.1:9000", "http://127.0.0.1:8181", 9083, 15002
KEYS = {"AWS_ACCESS_KEY_ID": "admin", "AWS_SECRET_ACCESS_KEY": "password", "AWS_REGION": "us-east-1"}

S3 = {"SERVER_PORT": "9000", "S3_ACCESS_KEY": "admin", "S3_SECRET_KEY": "password", "S3_BUCKET": "warehouse"}
REST_CATALOG = {
    "CATALOG_REST_PORT": "8181",
    "CATALOG_WAREHOUSE": "s3://warehouse/",
    "CATALOG_IO__IMPL": "org.apache.iceberg.aws.s3.S3FileIO",
    "CATALOG_S3_ENDPOINT": S3_ENDPOINT,
    "CATALOG_S3_PATH__STYLE__ACCESS": "true",
}
SPARK_CATALOGS = {
    "rest": {"type": "rest", "uri": REST, "warehouse": "s3://warehouse/rest/", "cache-enabled": "false"},
    "hive": {"type": "hive", "uri": f"thrift://127.0.0.1:{METASTORE_PORT}", "warehouse": "s3://warehouse/hive/"},
}


def missing() -> list[str]:
    """What is not installed."""
    return [name for path, name in PREPARED.items() if not path.exists()]


def pyspark() -> Path:
    """The folder that has PySpark, for clients of Spark Connect."""
    return next(SPARK.glob("lib/python3*/site-packages"))


@contextmanager
def servers() -> Iterator[None]:
    """All of them, with nothing in them.

    Raises:
        RuntimeError: One does not start; the message has the end of what it said.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="floe-pyiceberg-")))
        stack.enter_context(server("s3", [FIXTURES / "seaweedfs", "serve"], S3, folder, 9000))
        stack.enter_context(server("rest", [FIXTURES / "iceberg-rest", "serve"], REST_CATALOG, folder, 8181))
        stack.enter_context(server("metastore", metastore(folder), {}, folder, METASTORE_PORT))
        home = {"SPARK_HOME": str(pyspark() / "pyspark")}
        stack.enter_context(server("spark", spark_connect(), home, folder, SPARK_CONNECT_PORT))
        yield


@contextmanager
def server(
    name: str, command: list[str | Path], environment: dict[str, str], folder: Path, port: int
) -> Iterator[None]:
    """A server, which ends with its standard input or when it is told to."""
    url, log = folder / f"{name}.url", folder / f"{name}.log"
    if listens(port):
        raise RuntimeError(f"{name} cannot start: there is a server on port {port}")
    with (
        url.open("w") as output,
        log.open("w") as errors,
        subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=errors,
            cwd=folder,
            env={**os.environ, **KEYS, "TZ": "UTC", **environment},
        ) as process,
    ):
        try:
            give_up = time.monotonic() + 180
            while not (listens(port) and (name == "spark" or url.read_text())):  # Spark says nothing
                if process.poll() is not None or time.monotonic() > give_up:
                    raise RuntimeError(f"{name} does not start: {log.read_text()[-5000:]}")
                time.sleep(0.2)
            yield
        finally:
            process.terminate()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def metastore(folder: Path) -> list[str | Path]:
    classes = f"{METASTORE}:{pyspark()}/pyspark/jars/*"
    return [
        "java",
        "-Xmx512m",
        "-cp",
        classes,
        "LoopbackMetastore",
        str(METASTORE_PORT),
        folder,
        "s3a://warehouse/hive",
    ]


def spark_connect() -> list[str | Path]:
    """Spark as PyIceberg's Docker image has it, but for the session's own catalog, which would need Hadoop's S3A."""
    jars = [*(ROOT / "build/spark/jars").glob("*.jar"), *(ROOT / "build/iceberg-rest/lib").glob("iceberg-aws-bundle-*")]
    settings = {
        "spark.driver.extraClassPath": ":".join(map(str, jars)),
        "spark.driver.extraJavaOptions": "-Duser.timezone=UTC",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(SPARK_CONNECT_PORT),
        "spark.ui.enabled": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "false",
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.defaultCatalog": "rest",
    }
    for name, catalog in SPARK_CATALOGS.items():
        settings[f"spark.sql.catalog.{name}"] = "org.apache.iceberg.spark.SparkCatalog"
        s3 = {"s3.endpoint": S3_ENDPOINT, "s3.path-style-access": "true"}
        for key, value in {**catalog, **s3, "io-impl": "org.apache.iceberg.aws.s3.S3FileIO"}.items():
            settings[f"spark.sql.catalog.{name}.{key}"] = value
    conf = [part for key, value in settings.items() for part in ("--conf", f"{key}={value}")]
    main = ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal"]
    return [SPARK / "bin/spark-submit", "--master", "local[2]", "--driver-memory", "2g", *conf, *main]
