# A run signs or verifies with P-384, under sanitizers: some milliseconds each. 60 bytes are 19 changes.
set(fuzz_runs 400)
set(fuzz_max_length 60)
