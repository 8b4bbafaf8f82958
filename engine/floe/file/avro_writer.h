// Writing data files in Avro from Arrow. Specification: "Appendix A: Avro".
#pragma once

#include "floe/file/data_file_writer.h"

namespace floe {

// `write.avro.compression-codec` (gzip by default), `write.metadata.metrics.*`. The metrics come from the batches.
// Other properties of Avro (levels of compression) are refused by name.
DataFileWriters avro_writers(const Properties& table_properties, const Schema& schema);

}  // namespace floe
