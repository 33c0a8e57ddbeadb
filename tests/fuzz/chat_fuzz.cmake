set(fuzz_libraries chat_library)
set(fuzz_runs 3000)
set(fuzz_max_length 8192)
