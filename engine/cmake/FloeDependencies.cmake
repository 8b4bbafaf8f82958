# What the engine links: for its own build, and for that of programs that use the installed engine.
find_package(PyArrow REQUIRED)
find_package(fmt REQUIRED)
find_package(simdjson REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json)
find_package(Threads REQUIRED)
find_package(SQLite3 REQUIRED)

# Libraries that bring no package of their own, as FloeLib::NAME.
foreach(name soci_core soci_sqlite3 deflate roaring snappy zstd)
  if(NOT TARGET FloeLib::${name})
    find_library(FLOE_LIB_${name} ${name} REQUIRED)
    add_library(FloeLib::${name} UNKNOWN IMPORTED)
    set_target_properties(FloeLib::${name} PROPERTIES IMPORTED_LOCATION ${FLOE_LIB_${name}})
  endif()
endforeach()
