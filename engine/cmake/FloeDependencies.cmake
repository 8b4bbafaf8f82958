# What the engine links: for its own build, and for that of programs that use the installed engine.
find_package(PyArrow REQUIRED)
find_package(fmt REQUIRED)
find_package(simdjson REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json)
find_package(Threads REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(PostgreSQL REQUIRED)

# Libraries that bring no package of their own, as FloeLib::NAME.
foreach(name soci_core soci_sqlite3 soci_postgresql deflate roaring snappy zstd)
  if(NOT TARGET FloeLib::${name})
    find_library(FLOE_LIB_${name} ${name} REQUIRED)
    add_library(FloeLib::${name} UNKNOWN IMPORTED)
    set_target_properties(FloeLib::${name} PROPERTIES IMPORTED_LOCATION ${FLOE_LIB_${name}})
  endif()
endforeach()

# SQL catalogs in MySQL and MariaDB: where both the client library's headers and SOCI's side of it are found.
if(NOT TARGET FloeLib::mysql)
  find_library(FLOE_LIB_soci_mysql soci_mysql)
  find_path(FLOE_MYSQL_INCLUDE_DIR mysql.h PATH_SUFFIXES mariadb mysql)
  add_library(FloeLib::mysql INTERFACE IMPORTED)
  if(FLOE_LIB_soci_mysql AND FLOE_MYSQL_INCLUDE_DIR)
    target_link_libraries(FloeLib::mysql INTERFACE ${FLOE_LIB_soci_mysql})
    target_include_directories(FloeLib::mysql SYSTEM INTERFACE ${FLOE_MYSQL_INCLUDE_DIR})
    target_compile_definitions(FloeLib::mysql INTERFACE FLOE_HAVE_MYSQL)
  endif()
endif()
