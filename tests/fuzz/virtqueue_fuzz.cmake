set(fuzz_libraries $<LINK_ONLY:policy_tiny-model>)
set(fuzz_runs 5000)  # of some thousand bytes, most of them an operation
set(fuzz_max_length 2048)
