set(fuzz_runs 6000)
set(fuzz_corpora ${COFFERDAM_FIXTURES}/eif)
