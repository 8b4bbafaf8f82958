"""The engine's classes as Python sees them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypedDict

class CacheStats(TypedDict):
    hits: int
    misses: int
    evictions: int
    bytes: int

class UpsertCounts(TypedDict):
    """Rows of the table: replaced, new, deleted because they matched, and as the new rows have them."""

    updated: int
    inserted: int
    deleted: int
    unchanged: int

class UpsertOptions:
    """How an upsert is done.

    No keys: the identifier fields. ``source_bytes`` of new rows are held in memory; more go to a temporary file.
    """

    def __init__(
        self,
        *,
        keys: Sequence[str],
        case_sensitive: bool,
        update_matched: bool,
        delete_matched: bool,
        insert_unmatched: bool,
        snapshot_properties: Mapping[str, str],
        branch: str | None,
        mode: str | None = None,
        isolation: str | None = None,
        source_bytes: int | None = None,
    ) -> None: ...

class ExpiryCounts(TypedDict):
    """What an expiry removed, or a dry run found.

    ``counts`` are of files by kind, ``bytes`` as metadata has them. ``listed``, in a dry run: location, kind and size.
    """

    snapshots: list[int]
    refs: list[str]
    schemas: list[int]
    specs: list[int]
    counts: dict[str, int]
    bytes: int
    failed: int
    problems: list[str]
    listed: list[tuple[str, str, int]]

class OrphanCounts(TypedDict):
    """What a search for orphan files found and did. ``locations`` are of the first of them."""

    locations: list[str]
    looked_at: int
    orphans: int
    bytes: int
    removed: int
    failed: int
    problems: list[str]

class ColumnChange(TypedDict):
    """What became of a column: ``kind`` is added, dropped, renamed, type, required, doc, initial-default,
    write-default, moved or identifier."""

    kind: str
    field_id: int
    name: str
    before: str
    after: str
    text: str

class PlannedFile(TypedDict):
    """A data or delete file as manifests describe it. Partition values and bounds are in binary single-value form."""

    content: int
    file_path: str
    file_format: str
    spec_id: int
    partition: list[bytes | None]
    partition_types: list[str]
    record_count: int
    file_size_in_bytes: int
    column_sizes: dict[int, int]
    value_counts: dict[int, int]
    null_value_counts: dict[int, int]
    nan_value_counts: dict[int, int]
    lower_bounds: dict[int, bytes]
    upper_bounds: dict[int, bytes]
    key_metadata: bytes | None
    split_offsets: list[int]
    equality_ids: list[int]
    sort_order_id: int | None
    first_row_id: int | None
    referenced_data_file: str | None
    content_offset: int | None
    content_size_in_bytes: int | None

class Batch:
    """One record batch; ``pyarrow.record_batch`` takes it."""

    @property
    def num_rows(self) -> int: ...
    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]: ...

class BatchStream:
    """A stream of record batches; anything that takes Arrow streams takes it, once."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
    def __arrow_c_schema__(self) -> object: ...
    def read_next(self) -> Batch | None:
        """The next batch, or None at the end. Ctrl-C stops the stream.

        Raises:
            NotFound: A file is gone.
            CorruptFile: A file is broken.
            IoError: The store failed.
        """

    def read_all(self) -> BatchStream:
        """What is left, in memory. Raises what ``read_next`` does."""

    def close(self) -> None:
        """Stops reading and lets go of what was read ahead."""

    @property
    def counters(self) -> dict[str, int]:
        """What reading has done so far: files_read, row_groups_read, row_groups_pruned, rows_out."""

class Plan:
    """The files that a scan has to read, as an Arrow stream of one row per file."""

    @property
    def snapshot_id(self) -> int | None: ...
    @property
    def schema_id(self) -> int:
        """Of the schema that the columns are of."""

    @property
    def projected_fields(self) -> list[tuple[int, str]]:
        """The columns that come out: id and name."""

    @property
    def files(self) -> int: ...
    @property
    def rows(self) -> int:
        """In the files, before the filter."""

    @property
    def manifests_total(self) -> int: ...
    @property
    def manifests_pruned(self) -> int: ...
    @property
    def files_total(self) -> int:
        """In the manifests that were read."""

    @property
    def files_pruned(self) -> int: ...
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
    def file(self, index: int) -> PlannedFile:
        """One file with its statistics.

        Raises:
            InvalidArgument: There is no file of that number.
        """

    def delete_files(self, index: int) -> list[PlannedFile]:
        """The delete files that apply to one file.

        Raises:
            InvalidArgument: There is no file of that number.
            CorruptFile: What the manifests say of its deletes contradicts itself.
        """

    def tasks(self, properties: Mapping[str, str] = ..., parallelism: int | None = None) -> ScanTasks:
        """The plan as tasks of about one size, as they are found.

        Args:
            properties: ``read.split.*``, before those of the table.
            parallelism: For how many readers, so that tasks are made smaller.

        Raises:
            InvalidArgument: A property's value cannot be.
        """

    def read(self) -> BatchStream:
        """The rows, as a stream."""

    def count(self) -> int:
        """The number of rows that match, from metadata alone where that is right."""

class ScanTasks:
    """The tasks of a plan, as they are found."""

    def __iter__(self) -> ScanTasks: ...
    def __next__(self) -> ScanTask: ...

class ScanTask:
    """A piece of a scan that can be read by itself, also elsewhere."""

    @property
    def table_name(self) -> str: ...
    @property
    def snapshot_id(self) -> int | None: ...
    @property
    def files(self) -> int:
        """Some may be read in part."""

    def read(self) -> BatchStream:
        """The rows, as a stream."""

    def count(self) -> int:
        """The number of rows that match."""

    def to_bytes(self) -> bytes:
        """What from_bytes() takes in another process. There are no secrets in it."""

    @staticmethod
    def from_bytes(data: bytes, properties: Mapping[str, str] = ...) -> ScanTask:
        """A task of these bytes, to be read with these properties of the store.

        Raises:
            CorruptFile: They are no task.
            NotSupported: They are of a later version.
        """

class Scan:
    """What to read of one state of a table."""

    @property
    def takes_reports(self) -> bool:
        """Whether the catalog's server takes reports of plans."""

    def plan(self, reported_filter: str = "") -> Plan:
        """Begins to find the files to read. What goes wrong later is raised by what asks for the files.

        With ``reported_filter`` (JSON), the catalog's server gets a report when all are found.

        Raises:
            InvalidArgument: The filter or the selection names a column that is not there.
            NotFound: The snapshot is gone.
            CorruptFile: A manifest cannot be decoded.
            NotSupported: The filter names a metadata column.
        """

    def changelog(self, *, updates: bool, identifier_columns: Sequence[str]) -> BatchStream:
        """The rows that came and went from where `appended_since` begins, as a stream.

        Raises:
            InvalidArgument: A column is not there, the beginning is no ancestor of the end, or nothing identifies rows.
            NotFound: The snapshot is gone.
        """

class Table:
    """One state of a table. It never changes; what changes a table returns a new one."""

    @property
    def identifier(self) -> list[str]: ...
    @property
    def metadata_location(self) -> str: ...
    @property
    def config(self) -> dict[str, str]: ...
    @property
    def uuid(self) -> str: ...
    @property
    def format_version(self) -> int: ...
    @property
    def io_counters(self) -> dict[str, int]:
        """What the store was asked to do so far: files_opened, reads, bytes_read, files_written, bytes_written,
        files_deleted. By all tables of the catalog, unless it gives each credentials of its own."""

    @property
    def current_snapshot_id(self) -> int | None: ...
    @property
    def properties(self) -> dict[str, str]: ...
    def metadata_json(self) -> str:
        """The metadata, as the text of metadata.json."""

    @property
    def snapshot_ids(self) -> list[int]: ...
    def snapshot_json(self, snapshot_id: int) -> str | None:
        """A snapshot, as metadata.json has it."""

    @property
    def takes_reports(self) -> bool:
        """Whether the catalog's server takes reports of commits."""

    def report(self, json: str) -> None:
        """Sends the catalog's server a report (metrics), in the background: this never fails, and never waits."""

    def report_trouble(self) -> str | None:
        """What went wrong with the first report that did not arrive; said once."""

    def snapshot_as_of(self, timestamp_ms: int) -> int | None:
        """The id of the snapshot that was current at a time (Unix time in milliseconds)."""

    def snapshot_of_ref(self, ref: str) -> int | None:
        """The id of the snapshot that a branch or tag names."""

    def of_catalog(self, catalog: Catalog) -> Table:
        """This state of the table, to be committed to by another catalog."""

    def came_before(self, other: Table) -> bool:
        """Whether ``other`` is a later state of this table."""

    def upsert(self, batches: Any, options: UpsertOptions) -> tuple[Table, UpsertCounts]:
        """Updates the rows that have the same key as one of the stream, and inserts those that have none.

        Tried again from the join on if others change the same rows meanwhile. No keys: the identifier fields.

        Raises:
            InvalidArgument: Two rows of the stream have the same key, rows do not fit, or a key column is missing.
        """

    def scan(
        self,
        *,
        filter_json: str = "",
        select: Sequence[str] = ("*",),
        case_sensitive: bool = True,
        snapshot_id: int | None = None,
        as_of_ms: int | None = None,
        ref: str | None = None,
        appended_since: tuple[int | None, bool] | None = None,
        limit: int | None = None,
        batch_rows: int | None = None,
        read_ahead_bytes: int | None = None,
        ordered: bool = True,
    ) -> Scan:
        """A scan of this state of the table."""

    def inspect(
        self,
        name: str,
        *,
        snapshot_id: int | None = None,
        as_of_ms: int | None = None,
        ref: str | None = None,
        columns: Sequence[str] = ("*",),
        filter_json: str = "",
        case_sensitive: bool = True,
    ) -> BatchStream:
        """A metadata table ("files", "snapshots", ...; metadata_table_names has them all), as a stream.

        Raises:
            NotFound: There is no such metadata table, or no such snapshot.
            InvalidArgument: The metadata table has no such option or column.
        """

class Transaction:
    """Several changes of one table that become one commit. Each sees the table with those before it.

    Nothing is visible to others before ``commit``, and nothing stays behind after ``drop`` or an exception of
    ``commit`` other than CommitStateUnknown. A change that fails is undone, and the others stay.
    One call at a time: a call while another one runs, in another thread or for rows that this one reads, raises
    InvalidArgument.
    """

    def __init__(self, table: Table) -> None: ...
    @property
    def snapshots(self) -> list[int]:
        """Those that the changes so far make, by id."""

    def append(
        self,
        batches: Any,
        *,
        snapshot_properties: Mapping[str, str],
        branch: str | None,
        merge_manifests: bool | None = None,
    ) -> None:
        """Appends the rows of an Arrow stream as one snapshot.

        It is of no branch yet, here and below, where ``branch`` is None.
        """

    def append_written(
        self, written: Sequence[bytes], *, snapshot_properties: Mapping[str, str], branch: str | None
    ) -> None:
        """Appends what ``write_files`` wrote, in any process, as one snapshot. The files go if that fails.

        Raises:
            CorruptFile: These are no such bytes.
            InvalidArgument: The files are another table's, or of a partition spec that it has no more.
        """

    def overwrite(
        self,
        batches: Any,
        *,
        filter_json: str,
        case_sensitive: bool,
        snapshot_properties: Mapping[str, str],
        branch: str | None,
        isolation: str | None = None,
        mode: str | None = None,
    ) -> bool:
        """The rows that match leave and those of the stream come, as one snapshot. An empty filter: all leave.

        False: no row matched.

        ``isolation`` ("serializable", "snapshot") and ``mode`` ("copy-on-write", "merge-on-read") are the table's
        properties' unless given.
        """

    def overwrite_partitions(
        self,
        batches: Any,
        *,
        snapshot_properties: Mapping[str, str],
        branch: str | None,
        isolation: str | None = None,
    ) -> bool:
        """Replaces the partitions into which the stream's rows fall. False, and no snapshot, without rows."""

    def delete(
        self,
        *,
        filter_json: str,
        case_sensitive: bool,
        snapshot_properties: Mapping[str, str],
        branch: str | None,
        isolation: str | None = None,
        mode: str | None = None,
    ) -> bool:
        """Deletes the rows that match. False, and no snapshot, if none does."""

    def upsert(self, batches: Any, options: UpsertOptions) -> UpsertCounts:
        """Updates the rows that have the same key as one of the stream, and inserts those that have none.

        No keys: the identifier fields.

        Raises:
            InvalidArgument: Two rows of the stream have the same key, rows do not fit, or a key column is missing.
        """

    def apply_changes(
        self,
        upserts: Any = None,
        deletes: Any = None,
        *,
        keys: Sequence[str],
        case_sensitive: bool,
        snapshot_properties: Mapping[str, str],
        branch: str | None,
    ) -> bool:
        """Deletes and replaces rows by key, without reading the table. False, and no snapshot, if there are no changes.

        No keys: the identifier fields.

        Raises:
            InvalidArgument: A key stands in several rows, rows do not fit, or a key column is missing or no key.
            NotSupported: The table is of format version 1, or the key does not tell the partition.
        """

    def add_files(
        self,
        locations: Sequence[str],
        *,
        refuse_duplicates: bool,
        snapshot_properties: Mapping[str, str],
        branch: str | None,
    ) -> None:
        """Adds Parquet files that are there already, as one snapshot. Files without field ids: a name mapping is set.

        Raises:
            InvalidArgument: A file is given twice or is in the table already, or its partition cannot be inferred.
            CorruptFile: A column cannot be read as the table's.
        """

    def update(self, requirements_json: str, updates_json: str) -> None:
        """Plain changes of metadata, as the REST protocol has them.

        Raises:
            CommitFailed: A requirement does not hold on what is staged.
        """

    def update_schema(self, update: SchemaUpdate) -> None:
        """Makes the schema with these changes current.

        Raises:
            InvalidArgument: The table is partitioned or sorted by a column that would be gone, or the like.
            ConflictFound: The schema is not any more what the changes are of.
        """

    def update_spec(self, update: SpecUpdate) -> None:
        """Makes the partition spec with these changes the default."""

    def update_sort_order(self, order_json: str) -> None:
        """Makes a sort order of these fields the default."""

    def set_ref(
        self,
        name: str,
        snapshot_id: int,
        *,
        is_branch: bool,
        change: str,
        min_snapshots_to_keep: int | None = None,
        max_snapshot_age_ms: int | None = None,
        max_ref_age_ms: int | None = None,
    ) -> None:
        """Points a branch or tag at a snapshot. ``change``: create, replace or create-or-replace.

        Raises:
            NotFound: There is no such snapshot, or no such ref to replace.
            AlreadyExists: There is a ref of this name, and it is not to be replaced.
            InvalidArgument: There is a ref of this name and the other kind.
        """

    def remove_ref(self, name: str, *, is_branch: bool) -> None:
        """Removes a branch or tag. Main cannot go."""

    def rename_branch(self, name: str, new_name: str) -> None: ...
    def fast_forward(self, branch: str, to: str) -> None:
        """Moves a branch to where a ref is that descends from it."""

    def set_retention(
        self,
        ref: str,
        *,
        min_snapshots_to_keep: int | None = None,
        max_snapshot_age_ms: int | None = None,
        max_ref_age_ms: int | None = None,
    ) -> None:
        """Changes what a ref keeps; None leaves it."""

    def set_current_snapshot(self, snapshot_id: int) -> None: ...
    def rollback_to_snapshot(self, snapshot_id: int) -> None: ...
    def rollback_to_timestamp(self, timestamp_ms: int) -> None: ...
    def cherry_pick(self, snapshot_id: int) -> None:
        """Brings what a snapshot changed onto the main branch.

        Raises:
            NotFound: There is no such snapshot.
            NotSupported: It is neither an append, nor an overwrite of partitions, nor the next one.
            InvalidArgument: It is on main already, by itself or by its wap.id.
        """

    def publish_changes(self, wap_id: str) -> int:
        """Cherry-picks the snapshot that was staged with this ``wap.id``. Returns its id."""

    def create_snapshot(self, branch: str, snapshot_properties: Mapping[str, str]) -> int:
        """A snapshot that changes no rows. Returns its id."""

    @property
    def staged(self) -> Table: ...
    def commit(self, by: Catalog | None = None) -> Table:
        """Commits all changes at once, with retries, by the table's catalog or another one. Called once.

        Raises:
            ConflictFound: What others committed contradicts a change.
            CommitFailed: Other writers were first, again and again.
            CommitStateUnknown: The answer to the commit was lost.
        """

    def drop(self) -> None:
        """Gives up, unless it is over: removes all that was written."""

def commit_together(catalog: Catalog, transactions: Sequence[Transaction]) -> list[Table]:
    """Commits the transactions of several tables of a catalog at once, with retries: all of them or none.

    Returns the tables in the same order. Nothing stays behind after an exception other than CommitStateUnknown.

    Raises:
        ConflictFound: What others committed contradicts a change.
        CommitFailed: Other writers were first, again and again.
        CommitStateUnknown: The answer to the commit was lost.
        NotSupported: More than one table changes, and the catalog commits to one at a time.
    """

def write_files(table: Table, batches: Any) -> bytes:
    """Writes rows as data files that no snapshot has yet: what ``Transaction.append_written`` takes."""

class SchemaUpdate:
    """Changes of a schema, each checked when it is made. Names are full names in the schema as it was.

    Every method raises InvalidArgument, with the reason and the way out, for what cannot be.
    """

    def __init__(
        self, table: Table, *, allow_incompatible_changes: bool = False, case_sensitive: bool = True
    ) -> None: ...
    @staticmethod
    def of_schema(
        schema_json: str,
        last_column_id: int,
        format_version: int,
        *,
        allow_incompatible_changes: bool = False,
        case_sensitive: bool = True,
    ) -> SchemaUpdate:
        """Changes of a schema that is no table's."""

    def set_case_sensitive(self, case_sensitive: bool) -> None: ...
    def add_column(self, parent: str, field_json: str) -> None: ...
    def drop_column(self, name: str) -> None: ...
    def rename_column(self, name: str, new_name: str) -> None: ...
    def update_type(self, name: str, type_json: str) -> None: ...
    def update_doc(self, name: str, doc: str) -> None: ...
    def set_required(self, name: str, required: bool) -> None: ...
    def set_write_default(self, name: str, value_json: str) -> None: ...
    def move_first(self, name: str) -> None: ...
    def move_before(self, name: str, other: str) -> None: ...
    def move_after(self, name: str, other: str) -> None: ...
    def set_identifier_fields(self, names: Sequence[str]) -> None: ...
    def union_by_name(self, schema_json: str) -> None: ...
    def column_json(self, name: str) -> str:
        """A schema of this column alone, as the changes so far leave it."""

    def apply(self) -> str:
        """The schema with all changes."""

class SpecUpdate:
    """Changes of a table's partition spec, each checked when it is made.

    Every method raises InvalidArgument, with the reason, for what cannot be.
    """

    def __init__(self, table: Table, *, case_sensitive: bool = True) -> None: ...
    def add_field(self, column: str, transform: str, name: str | None = None) -> None: ...
    def remove_field(self, name: str) -> None: ...
    def rename_field(self, name: str, new_name: str) -> None: ...
    def apply(self) -> str:
        """The spec with all changes."""

class Catalog:
    """Which tables there are. Safe to use from many threads."""

    @property
    def name(self) -> str: ...
    @property
    def properties(self) -> dict[str, str]:
        """What it was opened with; of a REST catalog also what its server adds and replaces."""

    @property
    def commits_tables(self) -> bool:
        """Whether it commits to several tables at once: what ``commit_together`` asks of it."""

    def create_namespace(self, namespace: Sequence[str], properties: Mapping[str, str]) -> None: ...
    def drop_namespace(self, namespace: Sequence[str]) -> None: ...
    def namespace_exists(self, namespace: Sequence[str]) -> bool: ...
    def list_namespaces(self, parent: Sequence[str]) -> list[list[str]]: ...
    def load_namespace_properties(self, namespace: Sequence[str]) -> dict[str, str]: ...
    def update_namespace_properties(
        self, namespace: Sequence[str], removals: Sequence[str], updates: Mapping[str, str]
    ) -> tuple[list[str], list[str], list[str]]:
        """Returns the keys that were removed, those that were updated, and those to remove that were not there."""

    def create_table(
        self,
        identifier: Sequence[str],
        schema_json: str,
        spec_json: str,
        sort_order_json: str,
        location: str,
        properties: Mapping[str, str],
    ) -> Table: ...
    def stage_table(
        self,
        identifier: Sequence[str],
        schema_json: str,
        spec_json: str,
        sort_order_json: str,
        location: str,
        properties: Mapping[str, str],
    ) -> Table:
        """What ``create_table`` would make, which a commit with ``assert-create`` makes.

        Raises:
            NotSupported: It is not a REST catalog.
        """

    def register_table(self, identifier: Sequence[str], metadata_location: str, overwrite: bool = False) -> Table:
        """Raises:
        NotSupported: A table is to be replaced, and it is not a REST catalog.
        """
    def load_table(self, identifier: Sequence[str]) -> Table: ...
    def table_from_metadata(
        self, identifier: Sequence[str], metadata_location: str, metadata_json: str, config: Mapping[str, str]
    ) -> Table:
        """A table at a state that the caller describes, in no catalog. Empty: what is at the location."""

    def table_exists(self, identifier: Sequence[str]) -> bool: ...
    def list_tables(self, namespace: Sequence[str]) -> list[list[str]]: ...
    def drop_table(self, identifier: Sequence[str]) -> None:
        """Forgets the table. Its files stay."""

    def purge_table(self, identifier: Sequence[str]) -> None:
        """Forgets the table; the catalog's server removes its files.

        Raises:
            NotSupported: It is not a REST catalog.
        """

    def rename_table(self, from_identifier: Sequence[str], to_identifier: Sequence[str]) -> None: ...
    def commit(self, identifier: Sequence[str], requirements_json: str, updates_json: str) -> Table:
        """One attempt to change a table: requirements that must hold, and updates.

        Raises:
            CommitFailed: Another writer was first, or a requirement does not hold. Nothing has changed.
            CommitStateUnknown: The outcome could not be learnt.
        """

    def create_view(
        self,
        identifier: Sequence[str],
        schema_json: str,
        version_json: str,
        location: str,
        properties: Mapping[str, str],
    ) -> str:
        """Makes a view, whose metadata comes back. This, and all about views: NotSupported if it keeps none.

        Raises:
            ViewAlreadyExists: There is a view or a table of that name.
            InvalidArgument: The schema cannot be, or the version has no query, or two in one dialect.
        """

    def replace_view(
        self,
        identifier: Sequence[str],
        schema_json: str,
        version_json: str,
        location: str,
        properties: Mapping[str, str],
    ) -> str:
        """One attempt to make this the view's definition. Its properties stay, and these are added.

        Raises:
            NoSuchView: There is none of that name.
            InvalidArgument: As in ``create_view``, or a dialect would be lost.
            CommitFailed: Another writer was first.
        """

    def register_view(self, identifier: Sequence[str], metadata_location: str) -> str: ...
    def load_view(self, identifier: Sequence[str]) -> str:
        """The view's metadata, as the specification has it."""

    def view_exists(self, identifier: Sequence[str]) -> bool: ...
    def list_views(self, namespace: Sequence[str]) -> list[list[str]]: ...
    def drop_view(self, identifier: Sequence[str]) -> None: ...
    def rename_view(self, from_identifier: Sequence[str], to_identifier: Sequence[str]) -> None: ...

def open_catalog(name: str, properties: Mapping[str, str]) -> Catalog:
    """Opens the catalog that the properties describe.

    Raises:
        InvalidArgument: A property is missing or wrong.
        NotSupported: The engine has no such type of catalog.
        Unauthorized: The catalog's server does not know who asks.
        IoError: The catalog cannot be reached.
    """

class PythonCatalogCalls(Protocol):
    """A catalog that Python code keeps, as the engine asks it.

    Both return where the metadata is, the metadata as JSON (empty: the engine reads what is there), and the table's
    configuration. A ``commit`` is one attempt; it raises CommitFailed where another writer was first.
    """

    def load(self, identifier: list[str]) -> tuple[str, str, dict[str, str]]: ...
    def commit(
        self, identifier: list[str], requirements_json: str, updates_json: str
    ) -> tuple[str, str, dict[str, str]]: ...

def python_catalog(
    name: str, properties: Mapping[str, str], calls: PythonCatalogCalls, refusals: tuple[type[BaseException], ...]
) -> Catalog:
    """A catalog that Python code keeps, for the tables of ``table_from_metadata`` and ``of_catalog``.

    It is asked on the thread that called the engine. A commit that raises one of ``refusals`` or an error of the engine
    surely did not happen; after any other exception the outcome is unknown, and the engine looks at the table.
    """

def open_table(location: str, properties: Mapping[str, str]) -> Table:
    """Opens a table without its catalog, for reading, by its metadata file or its folder.

    A folder's is the one that ``metadata/version-hint.text`` names, else the newest.

    Raises:
        NotFound: There is no such file, or the folder has no metadata file.
        CorruptFile: The file cannot be read as metadata.
    """

def register_errors(classes: Mapping[str, type[BaseException]]) -> None:
    """Raise these classes, each a subclass of the engine's error whose name is its key, instead of the engine's.

    Raises:
        InvalidArgument: A key is no error's name, or a class is not a subclass of that error.
    """

def schema_difference(before_json: str, after_json: str) -> list[ColumnChange]:
    """What became of a schema, column by column."""

def filter_to_json(text: str) -> str:
    """A filter's text as the JSON of the REST protocol.

    Raises:
        InvalidArgument: The text does not parse; the message has the position.
    """

def filter_from_arrow(serialized: bytes, nan_is_greatest: bool) -> str | None:
    """A serialized Arrow expression as a filter's JSON that matches exactly the rows for which it is true.

    None if filters cannot say it. ``nan_is_greatest``: comparisons take NaN for greater than every number.

    Raises:
        CorruptFile: These are not an expression's bytes.
    """

def metadata_table_names() -> list[str]:
    """What ``Table.inspect`` takes."""

def set_manifest_cache_bytes(bytes: int) -> None:
    """Bounds the process-wide cache of manifests. 0 turns it off."""

def clear_manifest_cache() -> None: ...
def manifest_cache_stats() -> CacheStats: ...
def finish_reports() -> None:
    """Gives reports that are on their way to catalogs' servers a second to arrive. Later ones are not sent."""

def close_all_streams() -> None:
    """Stops every stream that is still read."""

def expire_snapshots(
    table: Table,
    *,
    by_retention: bool = True,
    older_than_ms: int | None = None,
    retain_last: int | None = None,
    snapshot_ids: Sequence[int] = (),
    clean_expired_metadata: bool = False,
    delete_files: bool = True,
    dry_run: bool = False,
    max_concurrent_deletes: int = 0,
    progress: Callable[[str, int, int], object] | None = None,
) -> tuple[Table, ExpiryCounts]:
    """Forgets the snapshots that the table does not keep, and removes the files that only they reach.

    Raises:
        InvalidArgument: Files may be another table's (``gc.enabled``), or a branch or tag is at one of the ids.
        NotFound: There is no snapshot of an id.
    """

class RewriteCounts(TypedDict):
    """What a compaction did."""

    rewritten_data_files: int
    added_data_files: int
    rewritten_bytes: int
    failed_data_files: int
    removed_delete_files: int
    commits: int
    failures: list[str]

class RewriteTask:
    """A group of data files to be written again. Runs anywhere."""

    @property
    def group(self) -> int: ...
    @property
    def input_files(self) -> int: ...
    @property
    def input_bytes(self) -> int: ...
    def run(self, properties: Mapping[str, str], memory: int | None = None) -> bytes:
        """Writes the files anew, in at most about ``memory`` bytes. Returns what ``commit_rewrite`` takes.

        ``properties`` are the catalog's and the table's for access to its files. If it raises, nothing is left.
        """

    def to_bytes(self) -> bytes:
        """The task as bytes, for another process."""

    @staticmethod
    def from_bytes(bytes: bytes) -> RewriteTask:
        """The task again.

        Raises:
            CorruptFile: The bytes are no task.
        """

def rewrite_data_files(
    table: Table,
    *,
    strategy: str,
    sort_order: str,
    options: Mapping[str, str],
    filter_json: str,
    case_sensitive: bool,
    branch: str,
    snapshot_properties: Mapping[str, str],
    memory: int | None = None,
    progress: Callable[[str, int, int], object] | None = None,
) -> tuple[Table, RewriteCounts]:
    """Compaction: plans, runs and commits.

    Raises:
        InvalidArgument: An option is not known or cannot be.
        ConflictFound: Another writer changed the files meanwhile, and partial progress is not enabled.
    """

def plan_rewrite(
    table: Table,
    *,
    strategy: str,
    sort_order: str,
    options: Mapping[str, str],
    filter_json: str,
    case_sensitive: bool,
    branch: str,
    snapshot_properties: Mapping[str, str],
) -> list[RewriteTask]:
    """The tasks of a compaction."""

def commit_rewrite(table: Table, results: Sequence[bytes]) -> tuple[Table, RewriteCounts]:
    """Puts what tasks of one plan wrote in the place of what they read, as one snapshot.

    Raises:
        ConflictFound: Another writer changed the files meanwhile, and partial progress is not enabled.
        CorruptFile: A result is none.
    """

class RewrittenDeletes(TypedDict):
    """What a rewriting of delete files did."""

    rewritten_delete_files: int
    added_delete_files: int
    rewritten_bytes: int
    added_bytes: int
    commits: int

def rewrite_position_deletes(
    table: Table,
    *,
    options: Mapping[str, str],
    filter_json: str,
    case_sensitive: bool,
    branch: str,
    snapshot_properties: Mapping[str, str],
) -> tuple[Table, RewrittenDeletes]:
    """Small position delete files become fewer, or deletion vectors; equality deletes too, if asked.

    Raises:
        InvalidArgument: An option is not known or cannot be.
        ConflictFound: Another writer changed what the deletes are of meanwhile.
    """

def remove_orphan_files(
    table: Table,
    *,
    older_than_ms: int | None = None,
    allow_recent: bool = False,
    location: str | None = None,
    outside: bool = False,
    equal_schemes: Mapping[str, str] = {},
    equal_authorities: Mapping[str, str] = {},
    prefix_mismatch_mode: str = "error",
    trash: str | None = None,
    dry_run: bool = False,
    most_listed: int | None = None,
    max_concurrent_deletes: int = 0,
    progress: Callable[[str, int, int], object] | None = None,
) -> OrphanCounts:
    """Removes the files below the table's location that its metadata does not mention.

    Raises:
        InvalidArgument: Files may be another table's, files are to go that are less than a day old, or it cannot be
            told whether some are mentioned.
    """

def rewrite_manifests(
    table: Table,
    *,
    spec_id: int | None = None,
    branch: str = "main",
    snapshot_properties: Mapping[str, str] = {},
) -> tuple[Table, int, int]:
    """Writes the manifests of a branch anew, by partition.

    Returns:
        The table afterwards, and how many manifests were replaced and made.
    """

def compute_partition_stats(table: Table, *, snapshot_id: int | None = None) -> tuple[Table, str | None]:
    """Writes and commits the statistics of a snapshot's partitions; default: of the current one.

    Returns:
        The table afterwards, and where the file is: None if the snapshot has no files.

    Raises:
        InvalidArgument: The table is not partitioned.
        NotFound: It has no such snapshot.
    """

def compute_table_stats(
    table: Table, *, columns: Sequence[str] | None = None, snapshot_id: int | None = None
) -> tuple[Table, str | None]:
    """Writes and commits how many distinct values columns have; default: those at the top that are primitive.

    Returns:
        The table afterwards, and where the file is: None if the table has no snapshot.

    Raises:
        InvalidArgument: A column is not there, or not primitive.
        NotFound: The table has no such snapshot.
    """
