// What a table is made of changes: its schema, its partitioning, its sort order. Metadata alone; no file is touched.
//
// Each is committed on the state that it was made of: if another writer has changed the same thing meanwhile, the
// commit throws ConflictFound, saying what the other one did. Whatever else others commit does not matter.
#pragma once

#include <vector>

#include "floe/spec/schema_update.h"
#include "floe/spec/spec_update.h"
#include "floe/transaction/transaction.h"

namespace floe {

// Makes the schema current; one that the table has had before is taken up again. With the columns go their names in
// `schema.name-mapping.default`, which old names stay in, and their own properties (`write.metadata.metrics.column.`
// and its kin). Throws InvalidArgument if a column that the table is partitioned or sorted by would be gone or of a
// type that does not do, or if a column has the name of a partition field.
void update_schema(Transaction& transaction, const SchemaUpdate& update);

// Rows that are written from now on are grouped so. Files that are there stay in the partitions of their own spec.
void update_spec(Transaction& transaction, const SpecUpdate& update);

// Rows that are written from now on are sorted so within their files; no fields: not at all.
void update_sort_order(Transaction& transaction, std::vector<SortField> fields);

}  // namespace floe
