set(fuzz_libraries image_build_library)
set(fuzz_runs 15000)
set(fuzz_max_length 8192)
