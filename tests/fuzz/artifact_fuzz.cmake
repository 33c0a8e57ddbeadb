set(fuzz_libraries artifact_library)
set(fuzz_runs 3000)  # with seeds, each encrypts and decrypts
set(fuzz_max_length 4096)
