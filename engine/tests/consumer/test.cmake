# Installs the engine, builds the consumer against it, and runs both of its programs.
#   cmake -DENGINE_BUILD=... -DARROW_ROOT=... -DWORK=... -P test.cmake
function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})
run(${CMAKE_COMMAND} --install ${ENGINE_BUILD} --prefix ${WORK}/prefix --component engine)
run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${WORK}/build -DCMAKE_PREFIX_PATH=${WORK}/prefix
    -DARROW_ROOT=${ARROW_ROOT} -DFLOE_FOLDER=${WORK}/floe -DCMAKE_BUILD_TYPE=RelWithDebInfo)
run(${CMAKE_COMMAND} --build ${WORK}/build --parallel 2)
run(${WORK}/build/fill ${WORK}/floe)
execute_process(COMMAND ${WORK}/build/quickstart OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
message("${output}")
if(NOT output MATCHES "2 snapshots, 2 files" OR NOT output MATCHES "\"AA\"" OR output MATCHES "\"UA\"")
  message(FATAL_ERROR "quickstart printed something else")
endif()
