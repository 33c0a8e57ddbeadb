set(fuzz_runs 3000)
set(fuzz_corpora ${COFFERDAM_FIXTURES}/eif)
