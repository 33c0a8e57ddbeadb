set(fuzz_max_length 8192)
