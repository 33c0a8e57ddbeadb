set(fuzz_runs 4000)
set(fuzz_corpora ${CMAKE_SOURCE_DIR}/boards)
set(fuzz_max_length 16384)
