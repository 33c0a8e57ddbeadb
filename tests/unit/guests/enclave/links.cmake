# The parts of the enclave's programs that touch no machine.
set(area_libraries enclave_library enclave_keys_library inference_library)
