set(fuzz_libraries kms_library)
set(fuzz_corpora ${CMAKE_CURRENT_SOURCE_DIR}/kms_request_seeds)
set(fuzz_runs 5000)  # each is a whole request: signature, store, audit log
set(fuzz_max_length 16384)
