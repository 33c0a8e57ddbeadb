set(fuzz_libraries artifact_library)
set(fuzz_runs 30000)
set(fuzz_max_length 4096)
