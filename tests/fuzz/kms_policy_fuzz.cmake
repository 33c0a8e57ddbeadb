set(fuzz_libraries kms_library)
set(fuzz_corpora ${CMAKE_CURRENT_SOURCE_DIR}/kms_policy_seeds)
