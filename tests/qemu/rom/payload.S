// A stand-in for the monitor: what the ROM enters. It saves the registers it was entered with, then runs payload.cpp.
  .section .text.start, "ax"
  .global payload_start
payload_start:
  adr x30, entry_registers          // the ROM left x30 zero; it is checked by its slot being written as zero
  stp x0, x1, [x30, #0]
  stp x2, x3, [x30, #16]
  stp x4, x5, [x30, #32]
  stp x6, x7, [x30, #48]
  stp x8, x9, [x30, #64]
  stp x10, x11, [x30, #80]
  stp x12, x13, [x30, #96]
  stp x14, x15, [x30, #112]
  stp x16, x17, [x30, #128]
  stp x18, x19, [x30, #144]
  stp x20, x21, [x30, #160]
  stp x22, x23, [x30, #176]
  stp x24, x25, [x30, #192]
  stp x26, x27, [x30, #208]
  stp x28, x29, [x30, #224]
  adr x1, vectors
  msr vbar_el2, x1
  isb
  adr x1, stack_end
  mov sp, x1
  b payload_main

  // Another core: x0 = context. A stack for each: 4 KiB below stack_end for every core number.
  .global payload_other_core
payload_other_core:
  adr x1, vectors
  msr vbar_el2, x1
  mrs x1, mpidr_el1
  and x1, x1, #0xff
  adr x2, stack_end
  sub x2, x2, x1, lsl #12
  mov sp, x2
  b payload_other_main

  // At EL1: one SMC, then back up by HVC with what it answered.
  .global payload_el1
payload_el1:
  mov x0, #0x84000000
  smc #0
  hvc #1
  b .

  // x0 = function .. x3; answer in x0
  .global payload_smc
payload_smc:
  smc #0
  ret

  // x0 = registers x0..x7 of the call; answer in x0
  .global payload_smc8
payload_smc8:
  mov x9, x0
  ldp x0, x1, [x9]
  ldp x2, x3, [x9, #16]
  ldp x4, x5, [x9, #32]
  ldp x6, x7, [x9, #48]
  smc #0
  ret

  .balign 0x800
vectors:
  .rept 16
  .balign 0x80
  b exception
  .endr

  // Records the syndrome and steps over the instruction. An HVC from EL1 ends the visit there.
exception:
  stp x0, x1, [sp, #-32]!
  stp x2, x3, [sp, #16]
  mrs x0, esr_el2
  adr x1, seen_syndrome
  str x0, [x1]
  lsr x2, x0, #26
  cmp x2, #0x16
  b.eq from_el1
  mrs x0, elr_el2
  add x0, x0, #4
  msr elr_el2, x0
  ldp x2, x3, [sp, #16]
  ldp x0, x1, [sp], #32
  eret
from_el1:
  ldp x2, x3, [sp, #16]
  ldp x0, x1, [sp], #32
  adr x1, el1_answer
  str x0, [x1]
  adr x1, resume_el2
  ldr x1, [x1]
  msr elr_el2, x1
  mov x1, #0x3c9
  msr spsr_el2, x1
  eret

  // Runs payload_el1 at EL1h and returns.
  .global payload_visit_el1
payload_visit_el1:
  adr x1, 1f
  adr x2, resume_el2
  str x1, [x2]
  stp x29, x30, [sp, #-16]!
  mov x1, #(1 << 31)                // HCR_EL2.RW
  msr hcr_el2, x1
  adr x1, payload_el1
  msr elr_el2, x1
  mov x1, #0x3c5
  msr spsr_el2, x1
  isb
  eret
1:ldp x29, x30, [sp], #16
  ret

  .global payload_try_sve, payload_try_sme
payload_try_sve:
  .inst 0x04bf5020                  // rdvl x0, #1
  ret
payload_try_sme:
  .inst 0x04bf5820                  // rdsvl x0, #1
  ret

  .balign 16
  .global entry_registers, seen_syndrome, el1_answer
entry_registers: .fill 31, 8, 0
seen_syndrome: .quad 0
el1_answer: .quad 0
resume_el2: .quad 0
  .balign 4096
  .fill 4 * 4096
stack_end:
