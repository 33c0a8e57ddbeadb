# Flags that every target of ours gets through the interface library `cofferdam_options`.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin CACHE PATH "Where programs go")
# __FILE__ and debug information without the folder: two clones give the same bytes.
add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}=. -ffile-prefix-map=${CMAKE_BINARY_DIR}=build)

add_library(cofferdam_options INTERFACE)
target_include_directories(cofferdam_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(cofferdam_options INTERFACE
  -Wall -Wextra -Werror -Wshadow -Wconversion -Wold-style-cast -Wnon-virtual-dtor -Wswitch -Wimplicit-fallthrough
  -Wno-missing-field-initializers)  # designated initialisers leave the rest zero, on purpose

# g++ 12 sees overlapping copies in std::string where there are none (GCC bug 105651), at -O3.
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(cofferdam_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()

# clang sees what libstdc++'s own algorithms still call; of what we call g++ warns.
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  target_compile_options(cofferdam_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-deprecated-declarations>)
endif()

# Firmware: no exceptions, no RTTI, no static constructors that need a guard, on both machines.
add_library(cofferdam_firmware_options INTERFACE)
target_link_libraries(cofferdam_firmware_options INTERFACE cofferdam_options)
target_compile_options(cofferdam_firmware_options INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions -fno-rtti -fno-threadsafe-statics>)
if(COFFERDAM_MACHINE STREQUAL aarch64)
  target_compile_options(cofferdam_firmware_options INTERFACE
    -march=armv8-a+crc  # optional in Armv8.0 alone, where every core of Arm's has it
    -ffreestanding -fno-pic -fno-pie -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections
    -mbranch-protection=standard -mstrict-align -mno-outline-atomics
    $<$<CONFIG:Release>:-fomit-frame-pointer>)
endif()

# Sanitizers: -DCOFFERDAM_SANITIZE=address,undefined or thread
set(COFFERDAM_SANITIZE "" CACHE STRING "Sanitizers of this build tree, comma separated")
if(COFFERDAM_SANITIZE)
  add_compile_options(-fsanitize=${COFFERDAM_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${COFFERDAM_SANITIZE})
  # Instrumentation hides from g++ what it would see otherwise: its manual says to expect false alarms. The trees without
  # sanitizers compile the same sources with this warning on.
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    target_compile_options(cofferdam_options INTERFACE -Wno-maybe-uninitialized)
    # ThreadSanitizer doesn't follow fences. What ours order is shared with guests, and no guest here runs beside the monitor
    # on a queue: the simulated machine's cores take turns under its lock.
    if(COFFERDAM_SANITIZE STREQUAL thread)
      target_compile_options(cofferdam_options INTERFACE -Wno-tsan)
    endif()
  endif()
  # As g++ has it: a runtime that programs share, so that tests can load something of theirs before it (faketime), and no stack that
  # outlives its function, which would take hundreds of MiB for a thousand threads.
  if(CMAKE_CXX_COMPILER_ID MATCHES Clang AND COFFERDAM_SANITIZE MATCHES "address")
    execute_process(COMMAND ${CMAKE_CXX_COMPILER} -print-resource-dir OUTPUT_VARIABLE clang_resources OUTPUT_STRIP_TRAILING_WHITESPACE
      COMMAND_ERROR_IS_FATAL ANY)
    add_compile_options(-fsanitize-address-use-after-return=never)
    add_link_options(-shared-libasan "LINKER:-rpath,${clang_resources}/lib/linux")
  endif()
  # Host programs, the simulated machine and their tests: half the time that UBSan takes to compile goes into one check at every
  # access to an object, of null (which ASan sees as well), alignment, size and type. Firmware, models and
  # mbedTLS keep it, and so what fuzzers call of them.
  if(COFFERDAM_SANITIZE MATCHES "undefined")
    set(COFFERDAM_PROGRAM_OPTIONS -fno-sanitize=null,alignment,object-size,vptr)
  endif()
endif()

# The fuzzers, and the counters that guide them. What no fuzzer is about has none: COFFERDAM_NOT_FUZZED.
option(COFFERDAM_FUZZ "Build the libFuzzer targets too (clang)" OFF)
if(COFFERDAM_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
  set(COFFERDAM_NOT_FUZZED -fno-sanitize-coverage=edge,inline-8bit-counters,indirect-calls,trace-cmp,pc-table,stack-depth)
endif()

# Host programs wait for files, networks and tokens, and what they compute is in libraries: -O2 takes a quarter longer to compile.
# Under sanitizers the templates of their options and reports cost more to optimise than all that they ever run.
# COFFERDAM_TEMPLATES_LEVEL is for what is CLI11's and nlohmann-json's templates and little else, for guests and the host.
set(program_level -O1)
set(COFFERDAM_TEMPLATES_LEVEL -Og)
if(COFFERDAM_SANITIZE)
  set(program_level -O0)
  set(COFFERDAM_TEMPLATES_LEVEL -O0)
endif()
set(COFFERDAM_TOOLS_LEVEL ${program_level} CACHE STRING "Optimisation of host programs: it comes after the configuration's flags")
