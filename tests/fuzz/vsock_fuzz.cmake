set(fuzz_libraries board_tiny-model $<LINK_ONLY:policy_tiny-model>)
set(fuzz_runs 1000)
set(fuzz_max_length 4096)
