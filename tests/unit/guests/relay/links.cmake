set(area_libraries relay_library)
