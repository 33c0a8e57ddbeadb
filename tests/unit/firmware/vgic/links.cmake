include(${CMAKE_SOURCE_DIR}/tests/model/vgic_model.cmake)
set(area_libraries vgic_model policy_host)
