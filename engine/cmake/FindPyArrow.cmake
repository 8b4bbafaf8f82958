# Finds Arrow C++ as the pyarrow wheel brings it: the targets PyArrow::arrow, PyArrow::parquet, PyArrow::compute,
# PyArrow::arrow_s3.
#
# ARROW_ROOT: the folder of the pyarrow package; by default that of the Python interpreter found first (or of
# Python_EXECUTABLE). The wheel is built against the same pyarrow that it will run with.
if(NOT ARROW_ROOT)
  find_package(Python 3.11 REQUIRED COMPONENTS Interpreter)
  execute_process(COMMAND ${Python_EXECUTABLE} -c "import pyarrow; print(pyarrow.__path__[0])"
                  OUTPUT_VARIABLE ARROW_ROOT OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "${Python_EXECUTABLE} cannot import pyarrow. Install pyarrow>=26,<27 there, or set ARROW_ROOT "
                        "to the folder of a pyarrow package.")
  endif()
endif()

file(GLOB PyArrow_LIBRARY ${ARROW_ROOT}/libarrow.so.26*)
find_path(PyArrow_INCLUDE_DIR arrow/api.h PATHS ${ARROW_ROOT}/include NO_DEFAULT_PATH)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(PyArrow REQUIRED_VARS PyArrow_LIBRARY PyArrow_INCLUDE_DIR
                                  REASON_FAILURE_MESSAGE "no Arrow 26 in ${ARROW_ROOT}")

foreach(part arrow parquet compute arrow_s3)
  if(NOT TARGET PyArrow::${part})
    add_library(PyArrow::${part} SHARED IMPORTED)
    if(part STREQUAL "compute")
      file(GLOB library ${ARROW_ROOT}/libarrow_compute.so.26*)
    else()
      file(GLOB library ${ARROW_ROOT}/lib${part}.so.26*)
    endif()
    list(GET library 0 library)
    set_target_properties(PyArrow::${part} PROPERTIES IMPORTED_LOCATION ${library}
                                                      INTERFACE_INCLUDE_DIRECTORIES ${PyArrow_INCLUDE_DIR})
  endif()
endforeach()
