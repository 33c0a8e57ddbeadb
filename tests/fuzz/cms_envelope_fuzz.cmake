set(fuzz_libraries enclave_envelope_library)
set(fuzz_runs 50000)
set(fuzz_max_length 5000)
set(fuzz_corpora ${COFFERDAM_FIXTURES}/kms-cms)
