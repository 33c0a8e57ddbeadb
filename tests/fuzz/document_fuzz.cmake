# A whole verification takes tens of milliseconds under the sanitizers.
set(fuzz_runs 500)
set(fuzz_max_length 8192)
