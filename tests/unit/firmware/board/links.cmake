set(area_libraries board_host)
