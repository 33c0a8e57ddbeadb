# A virtual interrupt controller, the machine around it and a specification of GICv3, in lockstep: for unit tests, the model's test and
# a fuzzer, each of which links the policy of a board behind it.
include_guard(GLOBAL)
add_library(vgic_model STATIC EXCLUDE_FROM_ALL ${CMAKE_CURRENT_LIST_DIR}/vgic_machine.cpp ${CMAKE_CURRENT_LIST_DIR}/vgic_spec.cpp
  ${CMAKE_CURRENT_LIST_DIR}/vgic_lockstep.cpp)
set_target_properties(vgic_model PROPERTIES UNITY_BUILD OFF)  # a specification names what the implementation names
target_link_libraries(vgic_model PUBLIC cofferdam_options)
target_compile_options(vgic_model PRIVATE ${COFFERDAM_NOT_FUZZED})
