# The parent's programs as libraries.
set(area_libraries parent_library cli_library parent_store_library)
