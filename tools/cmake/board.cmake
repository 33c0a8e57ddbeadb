# cofferdam_board(NAME): runs boardgen on boards/NAME/board.xml and makes the interface library board_NAME, whose
# include folder holds board_tables.hpp and parent_device_tree.hpp, and sets COFFERDAM_BOARD_DIR_NAME to the folder of all generated files.
set(COFFERDAM_BOARDGEN "" CACHE FILEPATH "Host program boardgen; empty in the tree host-debug, which builds it")
function(cofferdam_board name)
  if(TARGET board_${name})
    return()
  endif()
  set(output ${CMAKE_BINARY_DIR}/boards/${name})
  set(source ${CMAKE_SOURCE_DIR}/boards/${name}/board.xml)
  if(COFFERDAM_BOARDGEN)
    set(generator ${COFFERDAM_BOARDGEN})
  else()
    set(generator boardgen)
  endif()
  add_custom_command(OUTPUT ${output}/board_tables.hpp ${output}/parent_device_tree.hpp ${output}/parent.dtb
    COMMAND ${generator} --output ${output} ${source}
    DEPENDS ${source} ${generator} COMMENT "Board ${name}: tables, memory map, device trees, report" VERBATIM)
  add_custom_target(board_${name}_files DEPENDS ${output}/board_tables.hpp ${output}/parent_device_tree.hpp)
  add_library(board_${name} INTERFACE)
  target_include_directories(board_${name} INTERFACE ${output})
  add_dependencies(board_${name} board_${name}_files)
  set(COFFERDAM_BOARD_DIR_${name} ${output} PARENT_SCOPE)
endfunction()
