if(NOT TARGET vgic_lockstep)
  add_library(vgic_lockstep STATIC ${CMAKE_SOURCE_DIR}/tests/model/vgic_machine.cpp
    ${CMAKE_SOURCE_DIR}/tests/model/vgic_spec.cpp ${CMAKE_SOURCE_DIR}/tests/model/vgic_lockstep.cpp)
  target_link_libraries(vgic_lockstep PUBLIC cofferdam_options $<LINK_ONLY:policy_tiny-model>)
endif()
set(fuzz_libraries vgic_lockstep)
set(fuzz_runs 500)  # of up to 600 steps, each with every list register looked at
set(fuzz_max_length 2048)
