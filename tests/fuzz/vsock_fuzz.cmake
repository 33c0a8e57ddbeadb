set(fuzz_libraries $<LINK_ONLY:policy_tiny-model>)
set(fuzz_runs 2000)
set(fuzz_max_length 4096)
