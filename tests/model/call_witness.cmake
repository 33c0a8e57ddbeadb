# cofferdam_witnessed(TARGET): the policy's doors of this program lead through tests/model/call_witness.cpp.
function(cofferdam_witnessed target)
  foreach(door IN ITEMS
      _ZN9hypercall10initialiseERNS_11SystemStateERNS_12FrameStorageE
      _ZN9hypercall13end_memory_atERNS_11SystemStateEm
      _ZN9hypercall4planERKNS_11SystemStateERKNS_6CallerERKNS_4CallERKNS_6MomentE
      _ZN9hypercall13plan_scrubbedERKNS_11SystemStateEN4base9SlotIndexE
      _ZN9hypercall14plan_load_stepERKNS_11SystemStateEN4base9SlotIndexENS_11LoadOutcomeENS3_3IpaES6_NS3_5ErrorEh
      _ZN9hypercall14plan_core_leftERKNS_11SystemStateEN4base6CoreIdE
      _ZN9hypercall10plan_faultERKNS_11SystemStateERKNS_6CallerEN13cofferdam_abi12FaultCounterE
      _ZN9hypercall14plan_terminateERKNS_11SystemStateEN4base9SlotIndexE
      _ZN7monitor5applyERKN4base9FixedListINS0_6EffectELm12EEE
      _ZN9hypercall6commitERNS_11SystemStateERKN9partition10TransitionE)
    # A root of the link as well: a door that is gone is then an error, and not just never called.
    target_link_options(${target} PRIVATE -Wl,--wrap=${door} -Wl,--undefined=__wrap_${door})
  endforeach()
endfunction()
