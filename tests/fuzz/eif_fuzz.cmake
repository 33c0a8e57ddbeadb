set(fuzz_corpora ${COFFERDAM_FIXTURES}/eif)
