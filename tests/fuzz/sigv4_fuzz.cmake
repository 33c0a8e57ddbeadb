set(fuzz_libraries sigv4_library https_library)
set(fuzz_max_length 8192)
