// Exceptions that come to EL2, and the way into a guest and back.
//
// While a guest runs, SP_EL2 points at its TrapFrame (hal/vcpu.hpp), which lies on this core's stack just below the
// registers that run_guest's caller wants back. The monitor runs with every interrupt masked, so an exception from
// EL2 itself is a defect: it ends on the emergency stack and never returns.

  // Behind the TrapFrame lies the guest's key A for instructions: EL1 and EL2 have one register for it.
  .equ FRAME_SIZE, 304
  .equ FRAME_PC, 248
  .equ FRAME_PSTATE, 256
  .equ FRAME_ESR, 264
  .equ FRAME_FAR, 272
  .equ FRAME_HPFAR, 280
  .equ FRAME_KEY, 288

  .equ PER_CORE_KEY, 16  // PerCore::return_address_key; its first word is 0 on a core that signs no pointers

  // No instruction after an ERET runs, not even speculatively.
  .macro return_to_guest
  eret
  dsb nsh
  isb
  .endm

  .macro own_exception
  .balign 0x80
  b own_exception_body
  .endm

  .macro guest_exception kind
  .balign 0x80
  stp x0, x1, [sp, #0]
  stp x2, x3, [sp, #16]
  mov w0, #\kind
  b guest_exception_body
  .endm

  .section .text.vectors, "ax"
  .balign 0x800
  .global hal_vectors
hal_vectors:
  own_exception          // EL2 with SP_EL0: never used
  own_exception
  own_exception
  own_exception
  own_exception          // EL2 with SP_EL2
  own_exception
  own_exception
  own_exception
  guest_exception 0      // AArch64 guest: synchronous
  guest_exception 1      // IRQ
  guest_exception 1      // FIQ
  guest_exception 2      // SError
  guest_exception 0      // AArch32 code at EL0 of the guest
  guest_exception 1
  guest_exception 1
  guest_exception 2

  .balign 0x80
own_exception_body:
  mrs x3, tpidr_el2
  ldr x3, [x3]           // PerCore::emergency_stack
  mov sp, x3
  mrs x0, esr_el2
  mrs x1, elr_el2
  mrs x2, far_el2
  mov x29, xzr
  mov x30, xzr
  bl hal_own_exception
  b .

guest_exception_body:
  stp x4, x5, [sp, #32]
  stp x6, x7, [sp, #48]
  stp x8, x9, [sp, #64]
  stp x10, x11, [sp, #80]
  stp x12, x13, [sp, #96]
  stp x14, x15, [sp, #112]
  stp x16, x17, [sp, #128]
  stp x18, x19, [sp, #144]
  stp x20, x21, [sp, #160]
  stp x22, x23, [sp, #176]
  stp x24, x25, [sp, #192]
  stp x26, x27, [sp, #208]
  stp x28, x29, [sp, #224]
  mrs x2, elr_el2
  stp x30, x2, [sp, #240]
  mrs x3, spsr_el2
  mrs x4, esr_el2
  stp x3, x4, [sp, #FRAME_PSTATE]
  mrs x5, far_el2
  mrs x6, hpfar_el2
  stp x5, x6, [sp, #FRAME_FAR]
  mov x1, sp
  mov x29, xzr
  mrs x2, tpidr_el2
  ldp x3, x4, [x2, #PER_CORE_KEY]
  cbz x3, no_key
  mrs x5, s3_0_c2_c1_0   // APIAKeyLo_EL1, Hi. Compiled code at EL2 signs and checks with this key only: the other four
  mrs x6, s3_0_c2_c1_1   // stay the guest's, and nothing at EL2 uses them (SCTLR_EL2.EnIB, EnDA, EnDB are 0, no PACGA)
  stp x5, x6, [sp, #FRAME_KEY]
  msr s3_0_c2_c1_0, x3
  msr s3_0_c2_c1_1, x4
  isb                    // before the first PACIASP
  bl hal_guest_exception // (kind, frame) -> AfterTrap
  cbnz x0, leave_guest
resume_with_key:
  ldp x2, x3, [sp, #FRAME_KEY]
  msr s3_0_c2_c1_0, x2   // ERET synchronises
  msr s3_0_c2_c1_1, x3

resume_guest:
  ldp x30, x2, [sp, #240]
  ldr x3, [sp, #FRAME_PSTATE]
  msr elr_el2, x2
  msr spsr_el2, x3
  ldp x28, x29, [sp, #224]
  ldp x26, x27, [sp, #208]
  ldp x24, x25, [sp, #192]
  ldp x22, x23, [sp, #176]
  ldp x20, x21, [sp, #160]
  ldp x18, x19, [sp, #144]
  ldp x16, x17, [sp, #128]
  ldp x14, x15, [sp, #112]
  ldp x12, x13, [sp, #96]
  ldp x10, x11, [sp, #80]
  ldp x8, x9, [sp, #64]
  ldp x6, x7, [sp, #48]
  ldp x4, x5, [sp, #32]
  ldp x2, x3, [sp, #16]
  ldp x0, x1, [sp, #0]
  return_to_guest

no_key:
  bl hal_guest_exception
  cbz x0, resume_guest

leave_guest:             // the guest's registers and its key are wiped from the stack as well
  mov x1, sp
  add x2, sp, #FRAME_SIZE
1:stp xzr, xzr, [x1], #16
  cmp x1, x2
  b.lo 1b
  mov sp, x2
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  add sp, sp, #96
  autiasp
  ret

  // void hal_enter_guest(x0 = entry, x1 = first argument, x2 = pstate): returns when hal_guest_exception says so.
  .global hal_enter_guest
  .type hal_enter_guest, %function
hal_enter_guest:
  paciasp
  sub sp, sp, #96
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  mov x4, sp
  sub sp, sp, #FRAME_SIZE
  mov x3, sp
1:stp xzr, xzr, [x3], #16
  cmp x3, x4
  b.lo 1b
  str x1, [sp]
  str x0, [sp, #FRAME_PC]
  str x2, [sp, #FRAME_PSTATE]
  mrs x3, tpidr_el2
  ldr x3, [x3, #PER_CORE_KEY]
  cbnz x3, resume_with_key           // zero, as every register of a guest at its start
  b resume_guest
