set(area_libraries rom_policy)
