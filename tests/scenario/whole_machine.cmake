# Tests of the shipped monitor on the simulated machine.
include_guard(GLOBAL)
# LINK_ONLY: firmware is compiled without exceptions, the simulated machine and these tests with them.
add_library(whole_machine_support STATIC EXCLUDE_FROM_ALL
  ${CMAKE_SOURCE_DIR}/tests/scenario/development_identity.cpp ${CMAKE_SOURCE_DIR}/tests/scenario/enclave_images.cpp
  ${CMAKE_SOURCE_DIR}/tests/refinement/break_before_make.cpp)
target_link_libraries(whole_machine_support PUBLIC cofferdam_options hal_portable $<LINK_ONLY:policy_core>)
target_compile_options(whole_machine_support PRIVATE ${COFFERDAM_NOT_FUZZED})

# cofferdam_whole_machine(NAME BOARD SOURCES file... LABELS label... [TIMEOUT seconds])
function(cofferdam_whole_machine name board)
  cmake_parse_arguments(PARSE_ARGV 2 whole "" "TIMEOUT" "SOURCES;LABELS")
  cofferdam_test(${name} SOURCES ${whole_SOURCES} LABELS ${whole_LABELS} TIMEOUT ${whole_TIMEOUT}
    LIBRARIES whole_machine_support board_${board})
  # The monitor calls the machine and the machine calls the monitor.
  target_link_libraries(${name} PRIVATE hal_host_${board}
    $<LINK_ONLY:shell_${board}> $<LINK_ONLY:hal_host_${board}> $<LINK_ONLY:shell_${board}>)
endfunction()
