set(fuzz_libraries inference_inputs_library)
set(fuzz_max_length 4096)
