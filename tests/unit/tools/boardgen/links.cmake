# board_qemu-virt: the header that the built boardgen wrote, to be compared with what the library reads.
set(area_libraries boardgen_library board_qemu-virt fdt_for_cofferdam)
