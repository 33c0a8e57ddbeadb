set(area_libraries cofferdam_image_library cofferdam_library)
# command_line_test runs the program; its test binary exists only after this file was read.
cmake_language(DEFER CALL add_dependencies unit_tools_cofferdam cofferdam)
