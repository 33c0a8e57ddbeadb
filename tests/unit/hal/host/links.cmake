set(area_libraries hal_host_host)
