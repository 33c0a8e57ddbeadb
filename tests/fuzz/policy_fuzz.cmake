set(fuzz_corpora ${COFFERDAM_FIXTURES}/eif)
set(fuzz_max_length 4096)
