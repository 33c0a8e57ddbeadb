set(fuzz_libraries artifact_library)
set(fuzz_runs 1500)  # with seeds, each encrypts and decrypts
set(fuzz_max_length 4096)
