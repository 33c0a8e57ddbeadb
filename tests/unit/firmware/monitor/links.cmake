# Files of the shell, one at a time, over functions of hal/ that the tests define themselves.
set(area_libraries shell_host policy_host policy_core hal_portable)
