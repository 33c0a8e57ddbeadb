include(${CMAKE_SOURCE_DIR}/tests/model/vgic_model.cmake)
set(fuzz_libraries vgic_model $<LINK_ONLY:policy_tiny-model>)
set(fuzz_runs 250)  # of up to 600 steps, each with every list register looked at
set(fuzz_max_length 2048)
