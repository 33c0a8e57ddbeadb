# board_qemu-virt: the header that the built boardgen wrote, to be compared with what the library reads.
set(area_libraries boardgen_library board_qemu-virt fdt_for_cofferdam)
# command_line_test runs the program; its test binary exists only after this file was read.
cmake_language(DEFER CALL add_dependencies unit_tools_boardgen boardgen)
# Every attribute of every board, with thirty values each.
set(area_searches Digest.EveryAttributeCounts)
