# The machine around a controller: tests/model and tests/fuzz run the same one.
add_library(vgic_machine STATIC EXCLUDE_FROM_ALL ${CMAKE_CURRENT_SOURCE_DIR}/model/vgic_machine.cpp)
target_link_libraries(vgic_machine PUBLIC cofferdam_options $<LINK_ONLY:policy_host>)
set(area_libraries vgic_machine policy_host)
