set(fuzz_libraries xks_library)
set(fuzz_max_length 512)
