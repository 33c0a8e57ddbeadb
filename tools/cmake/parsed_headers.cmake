# Headers of others that nearly every host program and its tests begin with, parsed once for all of them (a precompiled header) where
# clang compiles under sanitizers: two fifths of its time went into them. The other trees have none of this, and show what a file forgot to
# include.
if(COFFERDAM_SANITIZE MATCHES "address" AND CMAKE_CXX_COMPILER_ID MATCHES Clang)
  find_package(GTest REQUIRED)
  find_package(nlohmann_json REQUIRED)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/parsed_headers.cpp CONTENT "")
  add_library(parsed_headers OBJECT ${CMAKE_BINARY_DIR}/parsed_headers.cpp)
  target_link_libraries(parsed_headers PRIVATE cofferdam_options GTest::gmock GTest::gtest nlohmann_json::nlohmann_json)
  target_compile_options(parsed_headers PRIVATE ${COFFERDAM_TOOLS_LEVEL} ${COFFERDAM_PROGRAM_OPTIONS})
  target_precompile_headers(parsed_headers PRIVATE
    <algorithm> <array> <atomic> <charconv> <chrono> <condition_variable> <cstdio> <deque> <filesystem> <fstream> <functional> <iostream>
    <map> <memory> <mutex> <optional> <set> <span> <sstream> <string> <string_view> <thread> <unordered_map> <variant> <vector>
    <gmock/gmock.h> <gtest/gtest.h> <nlohmann/json.hpp>)
endif()

# Whether a target is compiled as firmware is: without exceptions and type information, which a precompiled header must share.
function(cofferdam_compiled_as_firmware target answer)
  set(${answer} OFF PARENT_SCOPE)
  get_target_property(libraries ${target} INTERFACE_LINK_LIBRARIES)
  get_target_property(type ${target} TYPE)
  if(NOT type STREQUAL "INTERFACE_LIBRARY")
    get_target_property(own ${target} LINK_LIBRARIES)
    list(APPEND libraries ${own})
  endif()
  foreach(library IN LISTS libraries)
    if(library STREQUAL "cofferdam_firmware_options")
      set(${answer} ON PARENT_SCOPE)
      return()
    elseif(TARGET ${library})
      cofferdam_compiled_as_firmware(${library} below)
      if(below)
        set(${answer} ON PARENT_SCOPE)
        return()
      endif()
    endif()
  endforeach()
endfunction()

# All programs, archives and tests of a folder and of the folders that it adds.
function(cofferdam_parse_once folder)
  if(NOT TARGET parsed_headers)
    return()
  endif()
  get_property(targets DIRECTORY ${folder} PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(type ${target} TYPE)
    get_target_property(options ${target} COMPILE_OPTIONS)
    cofferdam_compiled_as_firmware(${target} firmware)
    # Of another level of optimisation clang takes no precompiled header.
    if(type MATCHES "^(STATIC_LIBRARY|EXECUTABLE)$" AND options MATCHES "${COFFERDAM_TOOLS_LEVEL}" AND NOT firmware)
      target_precompile_headers(${target} REUSE_FROM parsed_headers)
    endif()
  endforeach()
  get_property(subfolders DIRECTORY ${folder} PROPERTY SUBDIRECTORIES)
  foreach(subfolder IN LISTS subfolders)
    cofferdam_parse_once(${subfolder})
  endforeach()
endfunction()
