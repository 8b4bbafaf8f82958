// Writing data files in ORC from Arrow. Specification: "Appendix A: ORC".
#pragma once

#include "floe/file/data_file_writer.h"

namespace floe {

// `write.orc.compression-codec` (zlib by default), `write.orc.compression-strategy`, `write.orc.stripe-size-bytes`,
// `write.orc.vectorized.batch-size`, `write.metadata.metrics.*`. The metrics come from the batches. Other properties of
// ORC (bloom filters, blocks of file systems) are refused by name.
DataFileWriters orc_writers(const Properties& table_properties, const Schema& schema);

}  // namespace floe
