set(fuzz_libraries parent_store_library)
set(fuzz_max_length 8192)
