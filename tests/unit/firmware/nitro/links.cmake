set(area_libraries policy_host)
