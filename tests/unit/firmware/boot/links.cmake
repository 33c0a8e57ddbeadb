# The payload's table is pure; nothing else of boot is linked.
set(area_libraries shell_host policy_host policy_core hal_portable)
