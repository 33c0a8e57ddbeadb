# libfdt, the reference implementation of the devicetree format, as source: `fdt_for_cofferdam`, used by
# firmware/enclave/device_tree.cpp, firmware/boot/amend_device_tree.cpp and tools/boardgen.
set(cofferdam_dtc ${COFFERDAM_THIRD_PARTY}/dtc)
include(pinned)
cofferdam_pinned(dtc libfdt/fdt_sw.c)
add_library(fdt_for_cofferdam STATIC ${cofferdam_dtc}/libfdt/fdt.c ${cofferdam_dtc}/libfdt/fdt_sw.c
            ${cofferdam_dtc}/libfdt/fdt_ro.c ${cofferdam_dtc}/libfdt/fdt_rw.c
            ${cofferdam_dtc}/libfdt/fdt_addresses.c ${cofferdam_dtc}/libfdt/fdt_wip.c ${cofferdam_dtc}/libfdt/fdt_strerror.c)
target_include_directories(fdt_for_cofferdam SYSTEM PUBLIC ${cofferdam_dtc}/libfdt)
target_link_libraries(fdt_for_cofferdam PRIVATE cofferdam_freestanding_c)
set_target_properties(fdt_for_cofferdam PROPERTIES UNITY_BUILD OFF)
target_compile_options(fdt_for_cofferdam PRIVATE -w -ffile-prefix-map=${cofferdam_dtc}=dtc)
if(COFFERDAM_MACHINE STREQUAL aarch64)
  # Called outside hal::FloatingPointScope.
  target_compile_options(fdt_for_cofferdam PRIVATE -mgeneral-regs-only)
endif()
set_target_properties(fdt_for_cofferdam PROPERTIES C_STANDARD 99 C_EXTENSIONS ON)
