# A run signs or verifies with P-384, under sanitizers: some milliseconds each.
set(fuzz_runs 3000)
set(fuzz_max_length 4200)
