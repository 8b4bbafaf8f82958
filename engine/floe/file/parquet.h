// Data files in Parquet, to and from Arrow, by field id.
#pragma once

#include "floe/file/parquet_reader.h"
#include "floe/file/parquet_writer.h"
