set(fuzz_libraries $<LINK_ONLY:policy_tiny-model>)
set(fuzz_max_length 6144)
